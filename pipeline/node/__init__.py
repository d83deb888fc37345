"""Runs one node in one process, as a container of a cluster does."""
