"""Checkpoints that are of no more use: what was trained is safe in an artifact once its execution is complete."""

import os

from tfx.dsl.io import fileio
from tfx.utils import path_utils

from components.contracts import artifact_files, baseline_record, pretraining_record, tuning_record
from components.contracts.files import read_json
from pipeline.metadata.states import NodeResult


def remove(result: NodeResult) -> None:
    """Remove the checkpoints behind the outputs of a complete or cached node, where it has any that are still there."""
    for folder in checkpoint_folders(result):
        if fileio.exists(folder):
            fileio.rmtree(folder)


def checkpoint_folders(result: NodeResult) -> list[str]:
    """Where a node that trains kept its checkpoints, as its output says: paths or URIs; none of other nodes."""
    if result.node_id == "Trainer":
        folder = path_utils.serving_model_dir(result.output("model").uri)
        found = read_json(os.path.join(folder, artifact_files.PRETRAINING_FILE))
        return [found[pretraining_record.CHECKPOINT_DIRECTORY]]
    if result.node_id == "Tuner":
        found = read_json(os.path.join(result.output("tuner_results").uri, artifact_files.TUNING_FILE))
        return found[tuning_record.CHECKPOINT_DIRECTORIES]
    if result.node_id == "Baselines":
        found = read_json(os.path.join(result.output("baselines").uri, artifact_files.BASELINES_FILE))
        return [found[baseline_record.CHECKPOINT_DIRECTORY]]
    return []
