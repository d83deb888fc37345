"""Writes checkpoints, which hold arrays and a little state, and reads the newest intact one back.

A file is renamed when it is complete, and its name carries the digest of its content. A process killed at any moment
leaves either the old checkpoint or the new one, and a damaged file is skipped.
"""

import dataclasses
import hashlib
import io
import json
import logging
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from components.contracts import files
from components.contracts.paths import PARTIAL_SUFFIX

_logger = logging.getLogger(__name__)

_NAME = re.compile(r"checkpoint-(\d{9})-([0-9a-f]{16})\.npz")
_STATE = "state"
_KEPT = 2  # the newest, and one to fall back on
FOLDER = "checkpoints"
_LEVELS_BELOW_ROOT = 3  # <pipeline root>/<node id>/<output>/<execution id>


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Everything a run needs to resume."""

    step: int  # steps done
    arrays: dict[str, np.ndarray]  # weights, BatchNorm statistics, optimiser variables
    state: dict[str, Any]  # history and counters, as JSON


def root(artifact_uri: str) -> str:
    """Where all checkpoints of a pipeline live: under its root, so that a retry finds them.

    Args:
        artifact_uri: of an output, ``<pipeline root>/<node id>/<output>/<execution id>``.

    Raises:
        ValueError: the path has too few parts.
    """
    pipeline_root = artifact_uri.rstrip("/")
    for _ in range(_LEVELS_BELOW_ROOT):
        pipeline_root = pipeline_root.rpartition("/")[0]
    if not pipeline_root:
        raise ValueError(f"expected <pipeline root>/<node>/<output>/<execution>, found {artifact_uri}")
    return f"{pipeline_root}/{FOLDER}"


def save(directory: str, step: int, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> str:
    """Write a checkpoint, then remove all but the newest two.

    Args:
        directory: local or remote; made where it is missing.
        step: steps done.
        arrays: by name; no name may be ``"state"``.
        state: JSON values.

    Returns:
        The path of the file.
    """
    buffer = io.BytesIO()
    encoded_state = np.frombuffer(json.dumps(state).encode(), np.uint8)
    # Any, because NumPy's types take every name for that of its one option.
    named: dict[str, Any] = {**arrays, _STATE: encoded_state}
    np.savez(buffer, **named)
    content = buffer.getvalue()
    path = f"{directory}/checkpoint-{step:09d}-{hashlib.sha256(content).hexdigest()[:16]}.npz"
    files.write_bytes(path, content)
    _remove_old(directory)
    return path


def load_latest(directory: str) -> Checkpoint | None:
    """The newest checkpoint whose content is what was written, or None if there is none."""
    for name in reversed(_names(directory)):
        content = files.read_bytes(f"{directory}/{name}")
        [(step, digest)] = _NAME.findall(name)
        if hashlib.sha256(content).hexdigest()[:16] != digest:
            _logger.warning("skipping %s/%s: it is damaged", directory, name)
            continue
        with np.load(io.BytesIO(content)) as stored:
            arrays = {key: stored[key] for key in stored.files}
        return Checkpoint(int(step), arrays, json.loads(arrays.pop(_STATE).tobytes()))
    return None


def _names(directory: str) -> list[str]:
    if not tf.io.gfile.isdir(directory):
        return []
    return sorted(name for name in tf.io.gfile.listdir(directory) if _NAME.fullmatch(name))


def _remove_old(directory: str) -> None:
    stale = [name for name in tf.io.gfile.listdir(directory) if name.endswith(PARTIAL_SUFFIX)]
    for name in [*stale, *_names(directory)[:-_KEPT]]:
        tf.io.gfile.remove(f"{directory}/{name}")
