"""Removes checkpoints that are no longer needed: once an execution is complete, its artifact holds what was trained."""

import os

from tfx.dsl.io import fileio
from tfx.utils import path_utils

from components.contracts import artifact_files, pretraining_record, tuning_record
from components.contracts.baseline_record import BaselinesReport
from components.contracts.files import read_json
from components.contracts.record_files import read_record
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
        found = read_json(os.path.join(folder, artifact_files.PRETRAINING_FILE))
        return [found[pretraining_record.CHECKPOINT_DIRECTORY]]
    if result.node_id == "Tuner":
        found = read_json(os.path.join(result.output("tuner_results").uri, artifact_files.TUNING_FILE))
        return found[tuning_record.CHECKPOINT_DIRECTORIES]
    if result.node_id == "Baselines":
        path = os.path.join(result.output("baselines").uri, artifact_files.BASELINES_FILE)
        return [read_record(BaselinesReport, path).checkpoint_directory]
    return []
