"""What a killed attempt had already done: named JSON results in a folder, each written whole or not at all."""

from typing import Any

import tensorflow as tf

from components.contracts import files


class FinishedWork:
    """Results by name; a name is a relative path, and below it lies what leads to the result.

    Args:
        directory: local or remote, of this very work: settings, data and code that differ must have another.
    """

    def __init__(self, directory: str):
        self.directory = directory

    def get(self, name: str) -> dict[str, Any] | None:
        """The result of that name, or None where there is none yet."""
        path = self._path(name)
        return files.read_json(path) if tf.io.gfile.exists(path) else None

    def put(self, name: str, result: dict[str, Any]) -> None:
        """Keep a result, and remove what led to it."""
        files.write_json(self._path(name), result)
        if tf.io.gfile.isdir(self.folder(name)):
            tf.io.gfile.rmtree(self.folder(name))

    def folder(self, name: str) -> str:
        """Where that which leads to a result lies."""
        return f"{self.directory}/{name}"

    def _path(self, name: str) -> str:
        return f"{self.directory}/{name}.json"
