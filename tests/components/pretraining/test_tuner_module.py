"""tuner_fn through TFX's own Tuner executor, and what it found through TFX's Trainer."""

import json
import pathlib

import pytest
from tfx.proto import trainer_pb2
from tfx.types import Channel, standard_artifacts
from tfx.types.artifact_utils import encode_split_names
from tfx.utils import proto_utils

from components.contracts import artifact_files, configuration, records
from components.contracts.configuration import ConfigError
from components.contracts.pretraining_record import PretrainingRecord
from components.contracts.record_files import read_record
from components.contracts.tuning_record import TuningRecord
from components.pretraining import executor, tuner_executor
from components.pretraining.config import PretrainingConfig
from components.pretraining.tuner_component import Tuner
from components.pretraining.tuning_config import TuningConfig

from .transform_graphs import IMAGE

SEARCH = {"enabled": True, "max_trials": 2, "epochs": 2}


@pytest.fixture(scope="module")
def examples(views):
    found = standard_artifacts.Examples()
    found.uri, found.split_names = views.uri, encode_split_names([records.TRAIN, records.EVAL])
    return found


@pytest.fixture(scope="module")
def pretraining(settings):
    return configuration.from_mapping(PretrainingConfig, settings(epochs=2), "test")


def parameters(**changes) -> dict:
    """Execution properties that Tuner and Trainer share."""
    return {
        "train_args": proto_utils.proto_to_json(trainer_pb2.TrainArgs(splits=[records.TRAIN])),
        "eval_args": proto_utils.proto_to_json(trainer_pb2.EvalArgs(splits=[records.EVAL])),
        artifact_files.IMAGE_CONFIG: configuration.to_json(IMAGE),
        artifact_files.CODE_DIGEST: "code",
        **changes,
    }


@pytest.fixture(scope="module")
def tuned(examples, pretraining, transform_graph, tmp_path_factory):
    """Root of a pipeline in which the Tuner has run, and its two outputs."""
    root = tmp_path_factory.mktemp("tuner")
    outputs = {
        "best_hyperparameters": standard_artifacts.HyperParameters(),
        "tuner_results": standard_artifacts.TunerResults(),
    }
    for name, artifact in outputs.items():
        artifact.uri = str(root / "Tuner" / name / "5")
    context = tuner_executor.Executor.Context(tmp_dir=str(root / "tmp"), unique_id="5")
    tuner_executor.Executor(context).Do(
        {"examples": [examples], "transform_graph": [transform_graph]},
        {name: [artifact] for name, artifact in outputs.items()},
        parameters(
            tuner_fn="components.pretraining.tuner_module.tuner_fn",
            config=configuration.to_json(configuration.from_mapping(TuningConfig, SEARCH, "test")),
            pretraining_config=configuration.to_json(pretraining),
        ),
    )
    return root, outputs


def run_trainer(tuned, examples, pretraining, transform_graph, execution: int) -> PretrainingRecord:
    root, outputs = tuned
    model, model_run = standard_artifacts.Model(), standard_artifacts.ModelRun()
    model.uri, model_run.uri = (str(root / "Trainer" / name / str(execution)) for name in ("model", "model_run"))
    executor.Executor(executor.Executor.Context(tmp_dir=str(root / "tmp"))).Do(
        {
            "examples": [examples],
            "transform_graph": [transform_graph],
            "hyperparameters": [outputs["best_hyperparameters"]],
        },
        {"model": [model], "model_run": [model_run]},
        parameters(run_fn="components.pretraining.trainer_module.run_fn", config=configuration.to_json(pretraining)),
    )
    return read_record(PretrainingRecord, f"{model.uri}/Format-Serving/{artifact_files.PRETRAINING_FILE}")


def test_every_trial_is_written_down_and_checkpoints_are_below_the_root(tuned):
    root, outputs = tuned
    results = pathlib.Path(outputs["tuner_results"].uri)
    record = read_record(TuningRecord, str(results / artifact_files.TUNING_FILE))
    assert [trial.trial for trial in record.trials] == [1, 2]
    assert all((root / "checkpoints" / name).is_dir() for name in record.checkpoint_directories)
    assert outputs["tuner_results"].get_float_custom_property(artifact_files.SECONDS) > 0
    # TFX's own table, best first.
    table = json.loads((results / "tuner_results.json").read_text())
    assert table[0]["score"] == max(trial.knn for trial in record.trials)
    [best] = pathlib.Path(outputs["best_hyperparameters"].uri).iterdir()
    assert json.loads(best.read_text())["values"] == record.trials[record.best - 1].values


def test_the_trainer_trains_with_what_was_found_and_records_it(tuned, examples, pretraining, transform_graph):
    best = pathlib.Path(tuned[1]["best_hyperparameters"].uri, "best_hyperparameters.txt")
    found = json.loads(best.read_text())
    found["values"].update(temperature=0.37, batch_size=20)  # neither is the config's own
    best.write_text(json.dumps(found))
    description = run_trainer(tuned, examples, pretraining, transform_graph, execution=6)
    assert description.tuned == found["values"]
    assert description.config["loss"]["temperature"] == 0.37
    assert description.config["optimizer"]["learning_rate"] == found["values"]["learning_rate"]
    assert description.plan.steps_per_epoch == 40 // 20
    assert description.config["epochs"] == 2

    found["values"]["temperature"] = -1.0
    best.write_text(json.dumps(found))
    with pytest.raises(ConfigError, match=r"Trainer hyperparameters: pretraining\.loss\.temperature: .*found -1\.0"):
        run_trainer(tuned, examples, pretraining, transform_graph, execution=7)


def test_the_step_carries_search_start_and_code(pretraining):
    step = Tuner(
        views=Channel(type=standard_artifacts.Examples),
        transform_graph=Channel(type=standard_artifacts.TransformGraph),
        config=TuningConfig(max_trials=7),
        pretraining_config=pretraining,
        image_config=IMAGE,
    )
    assert json.loads(step.exec_properties["config"])["max_trials"] == 7
    assert step.exec_properties["pretraining_config"] == configuration.to_json(pretraining)
    assert len(step.exec_properties["code_digest"]) == 64
    assert set(step.outputs) == {"best_hyperparameters", "tuner_results"}
