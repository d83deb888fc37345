"""A real transform graph over four flat images; apart from ``conftest``, because TFX takes long to import."""

import pathlib

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import standard_artifacts
from tfx.types.artifact_utils import encode_split_names

from components.contracts import artifacts, configuration, records
from components.contracts.images import Color, ImageConfig
from components.preprocessing import executor as transform_executor
from components.validation.schema_executor import declare_tensors

IMAGE = ImageConfig(size_px=16, color=Color.GRAY, center_crop_fraction=1.0)
PIXELS = (40, 60, 200, 100)  # mean 100


def write_transform_graph(root: pathlib.Path) -> standard_artifacts.TransformGraph:
    examples = standard_artifacts.Examples()
    examples.uri, examples.split_names = str(root / "examples"), encode_split_names([records.TRAIN])
    (root / "examples" / "Split-train").mkdir(parents=True)
    path = str(root / "examples" / "Split-train" / "data_tfrecord-00000-of-00001.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for value in PIXELS:
            image = tf.io.encode_png(np.full((16, 16, 1), value, np.uint8)).numpy()
            features = {records.IMAGE: [image], records.LABEL: [b"a"]}
            lists = {k: tf.train.Feature(bytes_list=tf.train.BytesList(value=v)) for k, v in features.items()}
            writer.write(tf.train.Example(features=tf.train.Features(feature=lists)).SerializeToString())
    schema = schema_pb2.Schema(feature=[schema_pb2.Feature(name=records.LABEL, type=schema_pb2.BYTES)])
    declare_tensors(schema)
    schema_artifact = standard_artifacts.Schema()
    schema_artifact.uri = str(root / "schema")
    (root / "schema").mkdir()
    (root / "schema" / "schema.pbtxt").write_text(text_format.MessageToString(schema))
    graph = standard_artifacts.TransformGraph()
    graph.uri = str(root / "graph")
    context = transform_executor.Executor.Context(["--runner=FnApiRunner"], tmp_dir=str(root / "tmp"), unique_id="1")
    transform_executor.Executor(context).Do(
        {"examples": [examples], "schema": [schema_artifact]},
        {"transform_graph": [graph]},
        {
            "preprocessing_fn": "components.preprocessing.transform_module.preprocessing_fn",
            artifacts.IMAGE_CONFIG: configuration.to_json(IMAGE),
            "disable_statistics": 1,
        },
    )
    return graph
