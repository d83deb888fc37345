"""The TFX SchemaGen executor, adding what inference can't know: the image bytes and the label's values.

The image is declared through a TensorRepresentation alone: with ``presence`` the validator would report a dropped
column, with ``shape`` it would raise, and without any declaration Transform would drop the image. From class names made
of digits TFDV infers integers, which have no closed set of values and no tensor representation; they are declared as
names again.
"""

import os
from collections.abc import Sequence
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
from tfx import types
from tfx.components.schema_gen import executor as schema_gen_executor
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils

from components.contracts import records


class Executor(schema_gen_executor.Executor):
    """Infers the schema of the light features, declares the image and closes the set of class names."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Run TFX's SchemaGen, then write the schema again with the image and the class names in it."""
        super().Do(input_dict, output_dict, exec_properties)
        statistics = artifact_utils.get_single_instance(input_dict[standard_component_specs.STATISTICS_KEY])
        splits = [
            split for split in artifact_utils.decode_split_names(statistics.split_names) if split != records.UNLABELED
        ]
        uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.SCHEMA_KEY])
        path = os.path.join(uri, schema_gen_executor.DEFAULT_FILE_NAME)
        schema = io_utils.SchemaReader().read(path)
        declare_tensors(schema)
        declare_labels(schema, [stats_artifact_utils.load_statistics(statistics, split).proto() for split in splits])
        io_utils.write_pbtxt_file(path, schema)


def declare_tensors(schema: schema_pb2.Schema) -> None:
    """Say in ``schema`` how the columns that Transform reads become tensors.

    ``records.IMAGE`` is one byte string per record, ``records.LABEL`` a byte string that may be absent. Where a schema
    names any tensor, tfx_bsl infers none, so both are named.
    """
    schema.feature.add(name=records.IMAGE, type=schema_pb2.BYTES)
    tensors = schema.tensor_representation_group[""].tensor_representation
    tensors[records.IMAGE].dense_tensor.column_name = records.IMAGE
    tensors[records.IMAGE].dense_tensor.shape.SetInParent()
    tensors[records.LABEL].varlen_sparse_tensor.column_name = records.LABEL


def declare_labels(
    schema: schema_pb2.Schema, statistics: Sequence[statistics_pb2.DatasetFeatureStatisticsList]
) -> None:
    """Close the set of values of ``records.LABEL``: a class nobody has seen is an anomaly.

    Args:
        schema: holds the inferred label feature; left as it is where there is none, or where the statistics hold only
            the most frequent of very many class names.
        statistics: of the labelled splits.
    """
    label = next((feature for feature in schema.feature if feature.name == records.LABEL), None)
    names = _class_names(statistics)
    if label is None or names is None:
        return
    label.ClearField("domain_info")
    label.string_domain.name = records.LABEL
    label.string_domain.value.extend(names)


def _class_names(statistics: Sequence[statistics_pb2.DatasetFeatureStatisticsList]) -> list[str] | None:
    names: set[str] = set()
    for split in statistics:
        for feature in split.datasets[0].features:
            if feature.path.step[:] != [records.LABEL]:
                continue
            buckets = feature.string_stats.rank_histogram.buckets
            if feature.string_stats.unique > len(buckets):
                return None
            names.update(bucket.label for bucket in buckets)
    return sorted(names)
