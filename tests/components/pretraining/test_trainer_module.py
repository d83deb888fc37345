"""run_fn through TFX's own Trainer executor, on a real transform graph."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts
from tfx.types.artifact_utils import encode_split_names
from tfx.utils import proto_utils

from components.contracts import artifact_files, configuration, records
from components.contracts.pretraining_record import PretrainingRecord
from components.contracts.record_files import read_record
from components.pretraining import executor, pretrain
from components.pretraining.config import PretrainingConfig

from .transform_graphs import IMAGE, PIXELS


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
            artifact_files.CONFIG: configuration.to_json(config),
            artifact_files.IMAGE_CONFIG: configuration.to_json(IMAGE),
            artifact_files.CODE_DIGEST: "code",
        },
    )
    return pathlib.Path(model.uri) / "Format-Serving"


def test_the_trainer_writes_the_promised_files(views, transform_graph, settings, tmp_path):
    folder = run_trainer(views, transform_graph, settings(), tmp_path, execution=7)
    assert {path.name for path in folder.iterdir()} == {
        artifact_files.ENCODER_FILE,
        artifact_files.INITIAL_ENCODER_FILE,
        artifact_files.PROJECTION_HEAD_FILE,
        artifact_files.PRETRAINING_FILE,
        artifact_files.VIEW_GRID_FILE,
    }
    description = read_record(PretrainingRecord, str(folder / artifact_files.PRETRAINING_FILE))
    assert description.channel_mean == pytest.approx([np.mean(PIXELS)], abs=0.01)
    assert description.channel_std == pytest.approx([np.std(PIXELS)], abs=0.01)
    checkpoints = tmp_path / "checkpoints" / description.checkpoint_directory
    assert list(checkpoints.glob("checkpoint-*.npz"))


def test_a_second_execution_finds_the_checkpoints_of_the_first(views, transform_graph, settings, tmp_path):
    """A local restart has a new execution id; a changed setting must not find them."""
    run = settings(epochs=2)
    run_trainer(views, transform_graph, run, tmp_path, execution=1)
    again, other = (
        read_record(PretrainingRecord, f"{folder}/{artifact_files.PRETRAINING_FILE}")
        for folder in (
            run_trainer(views, transform_graph, run, tmp_path, execution=2),
            run_trainer(views, transform_graph, {**run, "seed": 5}, tmp_path, execution=3),
        )
    )
    assert again.resumed_from_steps == (4,)
    assert other.resumed_from_steps == ()


def read_curves(root: pathlib.Path, execution: int) -> tuple[dict[str, list[tuple[int, float]]], list[str]]:
    """Steps and values of each curve as TensorBoard reads them, and the names of the pictures."""
    folder = root / "Trainer" / "model_run" / str(execution)
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    curves, pictures = {}, []
    for name in events.Tags()["tensors"]:
        if events.SummaryMetadata(name).plugin_data.plugin_name == "images":
            pictures.append(name)
        else:
            curves[name] = [(found.step, float(tf.make_ndarray(found.tensor_proto))) for found in events.Tensors(name)]
    return curves, pictures


def test_tensorboard_reads_each_epoch_once_after_an_interruption_too(views, transform_graph, settings, tmp_path):
    run = settings(checkpoint_every_steps=3)  # of 8
    run_trainer(views, transform_graph, run, tmp_path, execution=1)
    last = max((tmp_path / "checkpoints").glob("*/checkpoint-*.npz"))
    last.unlink()
    folder = run_trainer(views, transform_graph, run, tmp_path, execution=2)
    record = read_record(PretrainingRecord, str(folder / artifact_files.PRETRAINING_FILE))
    assert record.resumed_from_steps == (6,)
    for execution in (1, 2):
        curves, pictures = read_curves(tmp_path, execution)
        assert pictures == ["view_grid"]
        assert [step for step, _ in curves["loss"]] == [2, 4, 6, 8]
        assert [step for step, _ in curves["knn"]] == [4, 8]
        assert all(speed > 0 for _, speed in curves["images_per_second"])
        for name in ("loss", "chance", "top1", "learning_rate", "std", "effective_rank"):
            expected = [getattr(epoch, name) for epoch in record.history]
            assert [value for _, value in curves[name]] == pytest.approx(expected, rel=1e-4), name


def test_split_dir():
    assert pretrain.split_dir(["/v/Split-train/*"]) == "/v/Split-train"
    with pytest.raises(ValueError, match="expected the files of one split"):
        pretrain.split_dir(["/v/1/Split-train/*", "/v/2/Split-train/*"])
