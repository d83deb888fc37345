"""Turn Keras models into the bytes of ``.keras`` files and back, for file systems that Keras cannot reach."""

import os
import tempfile

import keras


def to_bytes(model: keras.Model) -> bytes:
    """The bytes that ``model.save`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        with open(path, "rb") as file:
            return file.read()


def from_bytes(content: bytes) -> keras.Model:
    """Inverse of ``to_bytes``: layers and weights without an optimiser.

    Raises:
        ValueError: the bytes are no ``.keras`` file, or they need objects that Keras does not have.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        with open(path, "wb") as file:
            file.write(content)
        return keras.saving.load_model(path, compile=False)
