"""Checkpoints that are of no more use: what was trained is safe in an artifact once its execution is complete."""

from tfx.dsl.io import fileio

from pipeline import outcome
from pipeline.states import NodeResult


def remove(result: NodeResult) -> None:
    """Remove the checkpoints behind the outputs of a complete or cached node, where it has any that are still there."""
    for folder in outcome.checkpoint_folders(result):
        if fileio.exists(folder):
            fileio.rmtree(folder)
