"""run_fn through TFX's own Trainer executor, on a real transform graph."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts
from tfx.types.artifact_utils import encode_split_names
from tfx.utils import proto_utils

from components.contracts import artifacts, configuration, records
from components.contracts.images import Color, ImageConfig
from components.preprocessing import executor as transform_executor
from components.pretraining import executor, pretrain, trainer_module
from components.pretraining.config import PretrainingConfig
from components.validation.schema_executor import declare_tensors

IMAGE = ImageConfig(size_px=16, color=Color.GRAY, center_crop_fraction=1.0)
PIXELS = (40, 60, 200, 100)  # four flat images: mean 100


@pytest.fixture(scope="module")
def transform_graph(tmp_path_factory):
    root = tmp_path_factory.mktemp("transform")
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


def run_trainer(views, transform_graph, settings: dict, root: pathlib.Path, execution: int) -> pathlib.Path:
    examples = standard_artifacts.Examples()
    examples.uri, examples.split_names = views.uri, encode_split_names([records.TRAIN, records.EVAL])
    model, model_run = standard_artifacts.Model(), standard_artifacts.ModelRun()
    model.uri = str(root / "Trainer" / "model" / str(execution))
    model_run.uri = str(root / "Trainer" / "model_run" / str(execution))
    config = configuration.from_mapping(PretrainingConfig, settings, "test")
    executor.Executor(executor.Executor.Context(tmp_dir=str(root / "tmp"))).Do(
        {"examples": [examples], "transform_graph": [transform_graph]},
        {"model": [model], "model_run": [model_run]},
        {
            "run_fn": "components.pretraining.trainer_module.run_fn",
            "train_args": proto_utils.proto_to_json(trainer_pb2.TrainArgs(splits=[records.TRAIN])),
            "eval_args": proto_utils.proto_to_json(trainer_pb2.EvalArgs(splits=[records.EVAL])),
            artifacts.CONFIG: configuration.to_json(config),
            artifacts.IMAGE_CONFIG: configuration.to_json(IMAGE),
            artifacts.CODE_DIGEST: "code",
        },
    )
    return pathlib.Path(model.uri) / "Format-Serving"


def test_the_trainer_writes_the_promised_files(views, transform_graph, settings, tmp_path):
    folder = run_trainer(views, transform_graph, settings(), tmp_path, execution=7)
    assert {path.name for path in folder.iterdir()} == {
        artifacts.ENCODER_FILE,
        artifacts.INITIAL_ENCODER_FILE,
        artifacts.PROJECTION_HEAD_FILE,
        artifacts.PRETRAINING_FILE,
        artifacts.VIEW_GRID_FILE,
    }
    description = json.loads((folder / artifacts.PRETRAINING_FILE).read_text())
    assert description["channel_mean"] == pytest.approx([np.mean(PIXELS)], abs=0.01)
    assert description["channel_std"] == pytest.approx([np.std(PIXELS)], abs=0.01)
    checkpoints = pathlib.Path(description["checkpoint_directory"])
    assert checkpoints.parent == tmp_path / "checkpoints"
    assert list(checkpoints.glob("checkpoint-*.npz"))


def test_a_second_execution_finds_the_checkpoints_of_the_first(views, transform_graph, settings, tmp_path):
    """A local restart has a new execution id; a changed setting must not find them."""
    run = settings(epochs=2)
    run_trainer(views, transform_graph, run, tmp_path, execution=1)
    again, other = (
        json.loads((run_trainer(views, transform_graph, s, tmp_path, n) / artifacts.PRETRAINING_FILE).read_text())
        for n, s in ((2, run), (3, {**run, "seed": 5}))
    )
    assert again["resumed_from_steps"] == [4]
    assert other["resumed_from_steps"] == []


def test_pipeline_root():
    assert trainer_module.pipeline_root("/a/b/Trainer/model/12/Format-Serving") == "/a/b"
    assert trainer_module.pipeline_root("gs://bucket/run/Trainer/model/12/Format-Serving/") == "gs://bucket/run"
    with pytest.raises(ValueError, match=r"expected <pipeline root>/<node>/model"):
        trainer_module.pipeline_root("model/12/Format-Serving")


def test_split_dir():
    assert pretrain.split_dir(["/v/Split-train/*"]) == "/v/Split-train"
    with pytest.raises(ValueError, match="expected the files of one split"):
        pretrain.split_dir(["/v/1/Split-train/*", "/v/2/Split-train/*"])
