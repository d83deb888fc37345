"""Removes checkpoints that are no longer needed: once an execution is complete, its artifact holds what was trained.

Artifacts hold only names. Nothing outside the checkpoints of the run's own pipeline root is removed, whatever an
artifact says: it may come from a copied work directory, or be edited.
"""

import logging
import os
import re

from tfx.dsl.io import fileio
from tfx.utils import path_utils

from components.contracts import artifact_files
from components.contracts.baseline_record import BaselinesReport
from components.contracts.paths import is_uri
from components.contracts.pretraining_record import PretrainingRecord
from components.contracts.record_files import read_record
from components.contracts.tuning_record import TuningRecord
from components.pretraining import checkpoints
from pipeline.metadata.states import NodeResult

_logger = logging.getLogger(__name__)

_NAME = re.compile(r"[0-9a-f]{32}")  # of a folder of checkpoints: a digest


def remove(result: NodeResult, pipeline_root: str) -> None:
    """Remove the checkpoints that the outputs of a complete or cached node name, if they still exist.

    Args:
        result: of the node.
        pipeline_root: of this run, a path or URI.
    """
    root = f"{pipeline_root.rstrip('/')}/{checkpoints.FOLDER}"
    for name in _names(result):
        folder = f"{root}/{name}"
        if not _NAME.fullmatch(name) or not _is_directly_in(folder, root):
            _logger.warning("%s names checkpoints %r that are no folder of %s: left alone", result.node_id, name, root)
        elif fileio.exists(folder):
            fileio.rmtree(folder)


def _is_directly_in(folder: str, root: str) -> bool:
    """Whether ``folder`` is no link that leads out of ``root``."""
    return is_uri(root) or os.path.dirname(os.path.realpath(folder)) == os.path.realpath(root)


def _names(result: NodeResult) -> list[str]:
    """Names of the folders of checkpoints of a node that trains; empty for other nodes."""
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
