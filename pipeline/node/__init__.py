"""One node in one process: what a container of the cluster runs."""
