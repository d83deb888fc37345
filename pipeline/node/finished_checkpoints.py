"""Removes checkpoints that are no longer needed: once an execution is complete, its artifact holds what was trained."""

import os

from tfx.dsl.io import fileio
from tfx.utils import path_utils

from components.contracts import artifact_files
from components.contracts.baseline_record import BaselinesReport
from components.contracts.pretraining_record import PretrainingRecord
from components.contracts.record_files import read_record
from components.contracts.tuning_record import TuningRecord
from pipeline.metadata.states import NodeResult


def remove(result: NodeResult) -> None:
    """Remove the checkpoints that the outputs of a complete or cached node name, if they still exist."""
    for folder in checkpoint_folders(result):
        if fileio.exists(folder):
            fileio.rmtree(folder)


def checkpoint_folders(result: NodeResult) -> list[str]:
    """Paths or URIs of the checkpoints of a node that trains, as its output names them; empty for other nodes."""
    if result.node_id == "Trainer":
        folder = path_utils.serving_model_dir(result.output("model").uri)
        path = os.path.join(folder, artifact_files.PRETRAINING_FILE)
        return [read_record(PretrainingRecord, path).checkpoint_directory]
    if result.node_id == "Tuner":
        path = os.path.join(result.output("tuner_results").uri, artifact_files.TUNING_FILE)
        return list(read_record(TuningRecord, path).checkpoint_directories)
    if result.node_id == "Baselines":
        path = os.path.join(result.output("baselines").uri, artifact_files.BASELINES_FILE)
        return [read_record(BaselinesReport, path).checkpoint_directory]
    return []
