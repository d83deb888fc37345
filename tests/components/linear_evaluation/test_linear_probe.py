"""From files of image records to report, predictions and SavedModel."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from components.contracts import artifact_files, records, signatures, stored_predictions
from components.contracts.evidence import FeatureKind, ProbeReport, SplitCounts
from components.contracts.record_files import read_record
from components.contracts.stored_predictions import StoredPredictions
from components.features import frozen_features
from components.features.config import FeaturesConfig
from components.linear_evaluation import linear_probe
from components.linear_evaluation.config import LinearEvaluationConfig
from tests.components.labelled_shapes import CLASSES, IMAGE_CONFIG, image_record
from tests.components.tf_examples import write_examples

CONFIG = LinearEvaluationConfig(
    label_fractions=(0.1, 1.0), label_draws=2, l2_strengths=(1.0, 0.01), bootstrap_resamples=200, max_thumbnails=20
)

FULL = FeaturesConfig()


def make_inputs(workplace, features_dir, **changes) -> linear_probe.ProbeInputs:
    values = {
        "train_files": workplace.files("train"),
        "test_files": workplace.files("test"),
        "encoder_dir": str(workplace.encoder_dir),
        "transform_graph_dir": str(workplace.transform_graph_dir),
        "features_dir": features_dir,
    }
    return linear_probe.ProbeInputs(**(values | changes))


def extract(workplace, folder, config=FULL, **changes) -> str:
    files = {split: workplace.files(split) for split in (records.TRAIN, records.TEST)}
    inputs = frozen_features.FeatureInputs(
        files | changes, str(workplace.encoder_dir), str(workplace.transform_graph_dir)
    )
    frozen_features.extract(inputs, str(folder), config)
    return str(folder)


@pytest.fixture(scope="module")
def features_dir(workplace, tmp_path_factory):
    return extract(workplace, tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="module")
def outcome(workplace, features_dir, tmp_path_factory):
    root = tmp_path_factory.mktemp("probe")
    report = linear_probe.run_probe(
        make_inputs(workplace, features_dir), str(root / "model"), str(root / "report"), CONFIG, IMAGE_CONFIG
    )
    return root, report


def test_the_report_holds_every_kind_of_features(outcome):
    root, report = outcome
    assert read_record(ProbeReport, str(root / "report" / artifact_files.PROBE_FILE)) == report
    assert report.class_names == CLASSES
    assert report.counts == SplitCounts(train=120, test=90)
    assert list(report.features) == list(FeatureKind)
    assert len(report.differences) == 6
    trained, untrained = (
        report.features[kind].fractions[0].accuracy_mean for kind in (FeatureKind.ENCODER, FeatureKind.RANDOM_ENCODER)
    )
    assert trained > untrained + 0.1  # the encoder was trained, and the probe sees it
    assert set(report.seconds) == {"reading", "classifiers", "images", "export", "pictures", "intervals"}


def read_predictions(root) -> StoredPredictions:
    path = root / "report" / artifact_files.TEST_PREDICTIONS_FILE
    return stored_predictions.from_bytes(path.read_bytes(), str(path))


def test_stored_predictions_give_the_reported_accuracy_and_the_served_scores(workplace, outcome):
    root, report = outcome
    stored = read_predictions(root)
    right = stored.scores.argmax(axis=1) == stored.labels
    assert right.mean() == pytest.approx(report.encoder.accuracy)
    assert 0.4 < right.mean() < 1  # else the comparison below would prove little
    for kind, found in report.features.items():
        for result, predicted in zip(found.fractions, stored.predicted[kind], strict=True):
            assert (predicted == stored.labels).mean(axis=1).tolist() == pytest.approx(result.accuracies)
    with np.load(root / "model" / signatures.PREDICTIONS_FILE) as beside:
        assert beside[signatures.PREDICTED_DIGESTS].tolist() == stored.digests.tolist()
        names = np.array(CLASSES)[stored.labels]
        assert (beside[signatures.PREDICTED_CLASSES] == names).tolist() == right.tolist()

    served = tf.saved_model.load(str(root / "model")).signatures[signatures.CLASSIFY]
    images, labels = {}, {}
    for raw in tf.data.TFRecordDataset(workplace.files("test"), "GZIP"):
        feature = tf.train.Example.FromString(raw.numpy()).features.feature
        digest = feature[records.DIGEST].bytes_list.value[0].decode()
        images[digest] = feature[records.IMAGE].bytes_list.value[0]
        labels[digest] = feature[records.LABEL].bytes_list.value[0].decode()
    digests = stored.digests.tolist()
    scores = served(image=tf.constant([images[digest] for digest in digests]))[signatures.SCORES].numpy()
    np.testing.assert_allclose(scores, stored.scores, atol=1e-4)
    assert stored.true_classes.tolist() == [labels[digest] for digest in digests]


def test_pictures_belong_to_their_images(outcome):
    root, _ = outcome
    stored = read_predictions(root)
    pictures = stored.pictures
    assert pictures.thumbnails.shape == (20, 12, 12, 1)
    assert pictures.thumbnails.dtype == np.uint8
    mistakes = pictures.mistake_rows
    scores = stored.scores.max(axis=1)
    assert pictures.mistake_thumbnails.shape == (len(mistakes), 12, 12, 1) and len(mistakes) > 3
    assert (np.diff(scores[mistakes]) <= 0).all()
    queries = pictures.query_rows
    assert len(queries) == 8 and pictures.query_thumbnails.shape == (8, 12, 12, 1)
    wrong = stored.scores.argmax(axis=1) != stored.labels
    assert wrong[queries].sum() == min(4, wrong.sum())
    assert set(mistakes) == set(np.flatnonzero(wrong)) - set(pictures.thumbnail_rows)
    assert pictures.neighbour_thumbnails.shape == (8, 5, 12, 12, 1)
    assert pictures.neighbour_digests.shape == pictures.neighbour_labels.shape == (8, 5)
    assert (np.diff(pictures.neighbour_similarities, axis=1) <= 0).all()
    assert not set(pictures.neighbour_digests.ravel()) & set(stored.digests)


def test_the_files_of_each_split_are_read_once(workplace, features_dir, tmp_path, monkeypatch):
    read = []
    original = linear_probe.images.read_images
    monkeypatch.setattr(
        linear_probe.images, "read_images", lambda files, digests: read.append(files) or original(files, digests)
    )
    inputs = make_inputs(workplace, features_dir)
    linear_probe.run_probe(inputs, str(tmp_path / "model"), str(tmp_path / "report"), CONFIG, IMAGE_CONFIG)
    assert read == [inputs.train_files, inputs.test_files]


def test_the_same_inputs_give_the_same_model(workplace, outcome, tmp_path):
    _, report = outcome
    fewer = FeaturesConfig(raw_pixels=False, random_encoder=False)
    again = linear_probe.run_probe(
        make_inputs(workplace, extract(workplace, tmp_path / "features", fewer)),
        str(tmp_path / "model"),
        str(tmp_path / "report"),
        LinearEvaluationConfig(label_fractions=(1.0,), l2_strengths=(1.0, 0.01), bootstrap_resamples=100),
        IMAGE_CONFIG,
    )
    assert again.content_digest == report.content_digest
    assert list(again.features) == [FeatureKind.ENCODER] and again.differences == ()


def test_features_of_another_encoder_are_noticed(workplace, features_dir, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(workplace.encoder_dir, other)
    shutil.copy(other / artifact_files.INITIAL_ENCODER_FILE, other / artifact_files.ENCODER_FILE)
    with pytest.raises(ValueError, match=r"the features in .* are of an encoder with digest \w+, but .*other has"):
        linear_probe.run_probe(
            make_inputs(workplace, features_dir, encoder_dir=str(other)),
            str(tmp_path / "model"),
            str(tmp_path / "report"),
            CONFIG,
            IMAGE_CONFIG,
        )


@pytest.mark.parametrize(
    ("split", "labels", "message"),
    [
        ("test", ["disc", "ring"], r"test holds classes that train does not: \['ring'\]"),
        ("train", ["disc", "disc"], "train holds one class only"),
    ],
)
def test_labels_that_cannot_be_measured_are_refused(workplace, tmp_path, split, labels, message):
    rng = np.random.default_rng(0)
    examples = [image_record("disc", rng) for _ in labels]
    for example, label in zip(examples, labels, strict=True):
        example.features.feature[records.LABEL].bytes_list.value[0] = label.encode()
    few = extract(workplace, tmp_path / "features", **{split: [write_examples(tmp_path / "few.gz", examples)]})
    with pytest.raises(ValueError, match=message):
        linear_probe.run_probe(
            make_inputs(workplace, few), str(tmp_path / "m"), str(tmp_path / "r"), CONFIG, IMAGE_CONFIG
        )
