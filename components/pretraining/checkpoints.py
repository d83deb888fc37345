"""Checkpoints: arrays and a little state in, one file out, and the newest intact one back.

A file is written under another name and renamed, and its name carries the digest of its content: a process killed at
any moment leaves either the old checkpoint or the new one, and a damaged file is passed over.
"""

import dataclasses
import hashlib
import io
import json
import logging
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

_logger = logging.getLogger(__name__)

_NAME = re.compile(r"checkpoint-(\d{9})-([0-9a-f]{16})\.npz")
_STATE = "state"
_KEPT = 2  # the newest, and one to fall back on


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """Everything a run needs to go on."""

    step: int  # steps done
    arrays: dict[str, np.ndarray]  # weights, BatchNorm statistics, optimiser variables
    state: dict[str, Any]  # history and counters, as JSON


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
    np.savez(buffer, **arrays, **{_STATE: encoded_state})
    content = buffer.getvalue()
    path = f"{directory}/checkpoint-{step:09d}-{hashlib.sha256(content).hexdigest()[:16]}.npz"
    tf.io.gfile.makedirs(directory)
    partial = f"{path}.{os.getpid()}.partial"
    with tf.io.gfile.GFile(partial, "wb") as file:
        file.write(content)
    tf.io.gfile.rename(partial, path, overwrite=True)
    _remove_old(directory)
    return path


def load_latest(directory: str) -> Checkpoint | None:
    """The newest checkpoint whose content is what was written, or None where there is none."""
    for name in reversed(_names(directory)):
        with tf.io.gfile.GFile(f"{directory}/{name}", "rb") as file:
            content = file.read()
        step, digest = _NAME.fullmatch(name).groups()
        if hashlib.sha256(content).hexdigest()[:16] != digest:
            _logger.warning("passing over %s/%s: it is damaged", directory, name)
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
    stale = [name for name in tf.io.gfile.listdir(directory) if name.endswith(".partial")]
    for name in [*stale, *_names(directory)[:-_KEPT]]:
        tf.io.gfile.remove(f"{directory}/{name}")
