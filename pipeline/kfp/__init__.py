"""The graph on Kubeflow Pipelines: compile it for a cluster, and start its runs and schedules."""
