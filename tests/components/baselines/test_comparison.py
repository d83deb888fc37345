"""From files to numbers: the protocol, test labels, a killed attempt, and inputs that are refused."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from components.baselines import comparison, images
from components.baselines.classifier_step import ClassifierStep
from components.baselines.config import Baseline, BaselinesConfig
from components.contracts import artifact_files, configuration, files, stored_predictions
from components.contracts.baseline_record import BaselinesReport, ClassifierKind, MethodResult
from components.contracts.evidence import FeatureKind, SplitCounts
from components.contracts.pretraining_record import PretrainingRecord
from components.contracts.record_files import read_record, write_record
from components.linear_evaluation import probe
from components.linear_evaluation.config import LinearEvaluationConfig
from components.pretraining import devices
from components.pretraining.training_step import ImageShape, build_models
from components.simclr.augmentation.policies import CropPolicy
from components.simclr.config import Method
from components.simclr.encoders import keras_files
from components.simclr.encoders.encoder import weights_digest
from tests.components.evidence_records import make_features, make_fraction, make_predictions, make_probe
from tests.components.example_records import PLAN, PRETRAINING

from .conftest import CLASSES, IMAGE_CONFIG, pretraining_settings, write_split

EVALUATION = LinearEvaluationConfig(
    label_fractions=(0.2, 1.0), label_draws=3, l2_strengths=(1.0, 0.01), bootstrap_resamples=200
)
BASELINES = BaselinesConfig(
    enabled=True,
    methods=(Baseline.FROM_SCRATCH, Baseline.FROZEN),
    learning_rate_factors=(10.0,),
    batch_size=16,
    checks=3,
    max_held_out_parts=1,
    max_label_draws=2,
)
PROTOCOL = comparison.Protocol(BASELINES, EVALUATION, IMAGE_CONFIG)


def protocol_of(method: Baseline) -> comparison.Protocol:
    """The protocol with one method."""
    return dataclasses.replace(PROTOCOL, config=dataclasses.replace(BASELINES, methods=(method,)))


MEAN, STD = np.full(1, 80, np.float32), np.full(1, 50, np.float32)


def _write_encoder(folder: pathlib.Path) -> None:
    """Write a Trainer's model: a new encoder, with the facts of a training on 160 images."""
    config = pretraining_settings()
    encoder, _ = build_models(config, ImageShape(16, 1, MEAN, STD))
    files.write_bytes(f"{folder}/{artifact_files.ENCODER_FILE}", keras_files.to_bytes(encoder))
    trained = dataclasses.replace(
        PRETRAINING,
        config=configuration.to_mapping(config),
        plan=dataclasses.replace(PLAN, total_steps=10, images_per_step=16),
        weights_digest=weights_digest(encoder),
    )
    write_record(f"{folder}/{artifact_files.PRETRAINING_FILE}", trained)


def _write_probe(folder: pathlib.Path, inputs: comparison.Inputs, scratch: pathlib.Path) -> None:
    """Write the files of LinearProbe, with gray values as features."""
    train, test = (
        images.store(split_files, str(scratch / split), split)
        for split, split_files in (("train", inputs.train_files), ("test", inputs.test_files))
    )
    values = [
        np.concatenate(list(images.prepared(split, np.arange(len(split.digests)), IMAGE_CONFIG))).reshape(-1, 256)
        for split in (train, test)
    ]
    labels = [np.searchsorted(CLASSES, split.labels) for split in (train, test)]
    found = probe.predict_test(values[0], labels[0], train.groups, values[1], 3, EVALUATION)
    fractions = tuple(make_fraction(part.fraction, part.labels_used, (0.5,)) for part in found.fractions)
    report = make_probe(
        class_names=CLASSES,
        counts=SplitCounts(train=len(labels[0]), test=len(labels[1])),
        features={FeatureKind.ENCODER: make_features(fractions=fractions)},
    )
    write_record(f"{folder}/{artifact_files.PROBE_FILE}", report)
    predictions = make_predictions(
        labels[1],
        found.fractions[-1].scores[0],
        digests=test.digests,
        class_names=np.array(CLASSES),
        predicted={FeatureKind.ENCODER: tuple(part.scores.argmax(axis=2) for part in found.fractions)},
    )
    files.write_arrays(f"{folder}/{artifact_files.TEST_PREDICTIONS_FILE}", predictions.to_arrays())


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> comparison.Inputs:
    root = tmp_path_factory.mktemp("comparison")
    made = comparison.Inputs(
        train_files=write_split(root / "train", 20, seed=1, strength=25),
        test_files=write_split(root / "test", 15, seed=2, strength=25),
        encoder_dir=str(root / "encoder"),
        probe_dir=str(root / "probe"),
        mean=MEAN,
        std=STD,
        stored_crop=CropPolicy(area_min=0.8),
        checkpoints_root=str(root / "checkpoints"),
        code_digest="of the code",
    )
    _write_encoder(root / "encoder")
    _write_probe(root / "probe", made, root / "scratch")
    return made


@pytest.fixture(scope="module")
def found(inputs):
    return comparison.compare(inputs, PROTOCOL)


def numbers_of(found: BaselinesReport, method: ClassifierKind) -> list[MethodResult]:
    """The results of a method without their seconds."""
    return [
        dataclasses.replace(
            result, trainings=tuple(dataclasses.replace(training, seconds=0.0) for training in result.trainings)
        )
        for result in found.methods[method]
    ]


def test_every_method_is_measured_at_every_fraction(found):
    methods = [ClassifierKind.LINEAR_PROBE, ClassifierKind.FROM_SCRATCH, ClassifierKind.FROZEN]
    assert list(found.methods) == methods
    for results in found.methods.values():
        assert [(result.fraction, result.labels) for result in results] == [(0.2, 12), (1.0, 60)]
    trained = [found.methods[method] for method in methods[1:]]
    assert all([len(result.accuracies) for result in results] == [2, 1] for results in trained)
    assert all([len(result.trainings) for result in results] == [2, 1] for results in trained)
    assert found.methods[ClassifierKind.FROM_SCRATCH][1].accuracy_mean > 0.5  # of three classes
    assert (found.image_passes, found.batch_size) == (160, 16)
    assert all(
        training.steps <= 10 and training.held_out_images > 0
        for results in trained
        for result in results
        for training in result.trainings
    )


def test_methods_and_draws_differ(inputs, found):
    folder = pathlib.Path(inputs.checkpoints_root, found.checkpoint_directory)
    predicted = {
        str(path.relative_to(folder)): json.loads(path.read_text())["predicted"] for path in folder.rglob("*.json")
    }
    assert len(predicted) == 2 * 3
    assert len({tuple(one) for one in predicted.values()}) == 6


def test_test_labels_decide_nothing(inputs, found, tmp_path):
    shuffled = dataclasses.replace(inputs, probe_dir=str(tmp_path / "probe"), checkpoints_root=str(tmp_path / "work"))
    for name in (artifact_files.PROBE_FILE, artifact_files.TEST_PREDICTIONS_FILE):
        files.write_bytes(f"{shuffled.probe_dir}/{name}", pathlib.Path(inputs.probe_dir, name).read_bytes())
    path = f"{shuffled.probe_dir}/{artifact_files.TEST_PREDICTIONS_FILE}"
    predictions = stored_predictions.from_bytes(files.read_bytes(path), path)
    turned = dataclasses.replace(predictions, labels=(predictions.labels + 1) % 3)
    files.write_arrays(path, turned.to_arrays())
    again = comparison.compare(shuffled, protocol_of(Baseline.FROZEN))
    assert numbers_of(again, ClassifierKind.FROZEN) != numbers_of(found, ClassifierKind.FROZEN)
    first, second = (
        pathlib.Path(of.checkpoints_root, one.checkpoint_directory, Baseline.FROZEN.value)
        for of, one in ((inputs, found), (shuffled, again))
    )
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir()) and len(names) == 3
    for name in names:
        one, other = (json.loads((folder / name).read_text()) for folder in (first, second))
        assert one["predicted"] == other["predicted"] and one["training"]["steps"] == other["training"]["steps"]


def test_a_killed_comparison_keeps_its_finished_cells(inputs, found, tmp_path, monkeypatch):
    fresh = dataclasses.replace(inputs, checkpoints_root=str(tmp_path))
    original, steps = ClassifierStep.run, []

    def run(self, *values):
        steps.append(1)
        if len(steps) == 25:
            raise KeyboardInterrupt
        return original(self, *values)

    monkeypatch.setattr(ClassifierStep, "run", run)
    with pytest.raises(KeyboardInterrupt):
        comparison.compare(fresh, protocol_of(Baseline.FROM_SCRATCH))
    kept = sorted(path.relative_to(tmp_path).parts[1:] for path in tmp_path.rglob("*.json"))
    assert ("from_scratch", "0.2-0.json") in kept
    assert len(kept) < 3
    again = comparison.compare(fresh, protocol_of(Baseline.FROM_SCRATCH))
    assert numbers_of(again, ClassifierKind.FROM_SCRATCH) == numbers_of(found, ClassifierKind.FROM_SCRATCH)
    trainings = [training for result in found.methods[ClassifierKind.FROM_SCRATCH] for training in result.trainings]
    assert len(steps) < 25 + sum(10 + training.steps for training in trainings) - 10  # the first cell was kept


def test_other_settings_have_another_place(inputs):
    found = set()
    for protocol in (
        PROTOCOL,
        dataclasses.replace(PROTOCOL, config=dataclasses.replace(BASELINES, seed=1)),
        dataclasses.replace(PROTOCOL, linear_evaluation=dataclasses.replace(EVALUATION, seed=1)),
    ):
        pretraining = read_record(PretrainingRecord, f"{inputs.encoder_dir}/{artifact_files.PRETRAINING_FILE}")
        nothing = images.LabelledImages(*[np.array(["a"])] * 3, None, np.array([0]))
        found.add(comparison._work_directory(inputs, protocol, pretraining, nothing, nothing))
    assert len(found) == 3


def test_another_test_split_is_refused(inputs):
    other = dataclasses.replace(inputs, test_files=inputs.test_files[:1])
    with pytest.raises(ValueError, match="the 23 test images are not the 45 that the probe was measured on"):
        comparison.compare(other, PROTOCOL)


def test_other_train_labels_are_refused(inputs):
    other = dataclasses.replace(inputs, train_files=inputs.train_files[:1])
    with pytest.raises(ValueError, match=r"the probe was given 60 train labels of .* but here are 30 of"):
        comparison.compare(other, PROTOCOL)


def test_a_gpu_that_is_not_there_is_an_error(inputs):
    asking = dataclasses.replace(PROTOCOL, config=dataclasses.replace(BASELINES, num_gpus=16))
    with pytest.raises(devices.MissingGpu, match=r"^baselines\.num_gpus is 16, but"):
        comparison.compare(inputs, asking)


def test_the_recipe_is_pretraining_s_with_a_batch_that_fits():
    pretraining = pretraining_settings(method="moco", moco={"queue_size": 32}, crop=None, precision="bfloat16")
    crop = CropPolicy(area_min=0.3)
    found = comparison.recipe(pretraining, BaselinesConfig(batch_size=64, seed=4), crop, 45)
    assert (found.method, found.crop, found.global_batch_size, found.seed) == (Method.SIMCLR, crop, 45, 4)
    assert (found.encoder, found.precision) == (pretraining.encoder, pretraining.precision)
    assert comparison.recipe(pretraining, BaselinesConfig(batch_size=64, num_gpus=2), crop, 45).global_batch_size == 44
    own = pretraining_settings(crop={"area_min": 0.6})
    assert comparison.recipe(own, BaselinesConfig(), crop, 1000).crop.area_min == 0.6


def test_from_scratch_starts_from_random_weights_whatever_pretraining_started_from(tmp_path):
    pretraining = pretraining_settings(encoder={"architecture": "small_cnn", "initial_weights": str(tmp_path / "gone")})
    assert comparison.recipe(pretraining, BaselinesConfig(), CropPolicy(), 100).encoder.initial_weights is None
