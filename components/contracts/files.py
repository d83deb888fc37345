"""Writing and reading small files wherever TensorFlow's file systems reach."""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf


def write_arrays(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a compressed ``.npz``; its folder is made."""
    contents = io.BytesIO()  # NumPy seeks while it writes, which remote files can't
    np.savez_compressed(contents, **arrays)
    write_bytes(path, contents.getvalue())


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """Read an ``.npz`` without pickled objects."""
    with tf.io.gfile.GFile(path, "rb") as file:
        contents = file.read()
    with np.load(io.BytesIO(contents), allow_pickle=False) as arrays:
        return dict(arrays)


def write_json(path: str, value: Mapping[str, Any]) -> None:
    """Write indented JSON; its folder is made."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: str) -> dict[str, Any]:
    """Read a JSON object."""
    with tf.io.gfile.GFile(path, "rb") as file:
        return json.loads(file.read())


def write_bytes(path: str, contents: bytes) -> None:
    """Write a file; its folder is made."""
    tf.io.gfile.makedirs(path.rpartition("/")[0])
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(contents)
