"""The graph on Kubeflow Pipelines: target, compilation, runs and schedules."""
