"""Fixtures for several folders: a series of spans in ML Metadata, and the outputs of the steps before evaluation."""

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2

from components.contracts import artifact_files, artifacts


class Series:
    """Artifacts of one type and their clearances, as runs write them to ML Metadata.

    Args:
        kind: type of the artifacts.
    """

    def __init__(self, kind):
        connection = metadata_store_pb2.ConnectionConfig()
        connection.fake_database.SetInParent()
        self.store = mlmd.MetadataStore(connection)
        self._execution_type = self.store.put_execution_type(metadata_store_pb2.ExecutionType(name="Step"))
        self._kind = kind
        self.given, self.clearances = [], []

    def add(self, span, content, cleared=True, series="a"):
        """Add an artifact, as another run would."""
        made = self._put(self._kind(), span, content, series)
        self.given.append(made)
        if cleared:
            self.clearances.append(self._put(artifacts.AnomalyClearance(), span, content, series))
        self.give_out(made)
        return made

    def give_out(self, artifact):
        """Record one more execution with this artifact as its output, as for a result from the cache."""
        [execution] = self.store.put_executions([metadata_store_pb2.Execution(type_id=self._execution_type)])
        event = metadata_store_pb2.Event(artifact_id=artifact.id, execution_id=execution)
        event.type = metadata_store_pb2.Event.OUTPUT
        self.store.put_events([event])

    def _put(self, artifact, span, content, series):
        artifacts.set_data_span(artifact, span)
        artifact.set_string_custom_property(artifact_files.CONTENT_DIGEST, content)
        artifact.set_string_custom_property(artifact_files.SERIES_DIGEST, series)
        artifact.type_id = self.store.put_artifact_type(artifact.artifact_type)
        [artifact.id] = self.store.put_artifacts([artifact.mlmd_artifact])
        return artifact


@pytest.fixture(scope="session")
def make_series():
    return Series


@pytest.fixture(scope="session")
def workplace(tmp_path_factory):
    """A ``labelled_shapes.Workplace``."""
    from tests.components import labelled_shapes  # here, because it loads much that most tests do not need

    return labelled_shapes.make_workplace(tmp_path_factory.mktemp("workplace"))
