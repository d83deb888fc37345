"""Checkpoints that are of no more use: training is safe in the Trainer's artifact once its execution is complete."""

from tfx.dsl.io import fileio

from pipeline import outcome
from pipeline.states import NodeResult


def remove(trainer: NodeResult) -> None:
    """Remove the checkpoints behind the models of a complete or cached Trainer, where they still are."""
    for model in trainer.outputs["model"]:
        folder = outcome.checkpoint_folder(model)
        if fileio.exists(folder):
            fileio.rmtree(folder)
