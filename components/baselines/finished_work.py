"""The results that a killed attempt had finished: record files in a folder, each written whole or not at all."""

from typing import Any, TypeVar

import tensorflow as tf

from components.contracts.record_files import read_record, write_record

Result = TypeVar("Result")


class FinishedWork:
    """Results by name. A name is a relative path; intermediate files of a result are in the folder of that name.

    Args:
        directory: local or remote, for this work alone: other settings, data or code must have another directory.
    """

    def __init__(self, directory: str):
        self.directory = directory

    def get(self, cls: type[Result], name: str) -> Result | None:
        """The result ``name``, a record of class ``cls``; None if it is not there yet."""
        path = self._path(name)
        return read_record(cls, path) if tf.io.gfile.exists(path) else None

    def put(self, name: str, result: Any) -> None:
        """Keep a result, and remove its intermediate files."""
        write_record(self._path(name), result)
        if tf.io.gfile.isdir(self.folder(name)):
            tf.io.gfile.rmtree(self.folder(name))

    def folder(self, name: str) -> str:
        """The folder of a result's intermediate files."""
        return f"{self.directory}/{name}"

    def _path(self, name: str) -> str:
        return f"{self.directory}/{name}.json"
