"""From record files to report, predictions and SavedModel."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from components.contracts import artifact_files, evidence, records, signatures
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
    assert json.loads((root / "report" / artifact_files.PROBE_FILE).read_text()) == json.loads(json.dumps(report))
    assert report[evidence.CLASS_NAMES] == list(CLASSES)
    assert report[evidence.COUNTS] == {"train": 120, "test": 90}
    assert list(report[evidence.FEATURES]) == [evidence.ENCODER, evidence.RANDOM_ENCODER, evidence.RAW_PIXELS]
    assert len(report[evidence.DIFFERENCES]) == 6
    trained, untrained = (
        report[evidence.FEATURES][name][evidence.FRACTIONS][0][evidence.ACCURACY_MEAN]
        for name in (evidence.ENCODER, evidence.RANDOM_ENCODER)
    )
    assert trained > untrained + 0.1  # the encoder was trained, and the probe sees it
    assert set(report[evidence.SECONDS]) == {"reading", "classifiers", "export", "intervals", "pictures"}


def test_stored_predictions_give_the_reported_accuracy_and_the_served_scores(workplace, outcome):
    root, report = outcome
    with np.load(root / "report" / artifact_files.TEST_PREDICTIONS_FILE) as stored:
        stored = dict(stored)
    right = stored[evidence.TEST_SCORES].argmax(axis=1) == stored[evidence.TEST_LABELS]
    assert right.mean() == pytest.approx(report[evidence.FEATURES][evidence.ENCODER][evidence.ACCURACY])
    assert 0.4 < right.mean() < 1  # else the comparison below would prove little
    for name, found in report[evidence.FEATURES].items():
        for position, entry in enumerate(found[evidence.FRACTIONS]):
            of_draws = stored[evidence.predicted_by(name, position)] == stored[evidence.TEST_LABELS]
            assert of_draws.mean(axis=1).tolist() == pytest.approx(entry[evidence.ACCURACIES])
    with np.load(root / "model" / signatures.PREDICTIONS_FILE) as beside:
        assert beside[signatures.PREDICTED_DIGESTS].tolist() == stored[evidence.TEST_DIGESTS].tolist()
        names = np.array(CLASSES)[stored[evidence.TEST_LABELS]]
        assert (beside[signatures.PREDICTED_CLASSES] == names).tolist() == right.tolist()

    served = tf.saved_model.load(str(root / "model")).signatures[signatures.CLASSIFY]
    images, labels = {}, {}
    for raw in tf.data.TFRecordDataset(workplace.files("test"), "GZIP"):
        feature = tf.train.Example.FromString(raw.numpy()).features.feature
        digest = feature[records.DIGEST].bytes_list.value[0].decode()
        images[digest] = feature[records.IMAGE].bytes_list.value[0]
        labels[digest] = feature[records.LABEL].bytes_list.value[0].decode()
    digests = stored[evidence.TEST_DIGESTS].tolist()
    scores = served(image=tf.constant([images[digest] for digest in digests]))[signatures.SCORES].numpy()
    np.testing.assert_allclose(scores, stored[evidence.TEST_SCORES], atol=1e-4)
    names = stored[evidence.TEST_CLASS_NAMES][stored[evidence.TEST_LABELS]]
    assert names.tolist() == [labels[digest] for digest in digests]


def test_pictures_belong_to_their_images(outcome):
    root, _ = outcome
    with np.load(root / "report" / artifact_files.TEST_PREDICTIONS_FILE) as stored:
        stored = dict(stored)
    assert stored[evidence.THUMBNAILS].shape == (20, 12, 12, 1)
    assert stored[evidence.THUMBNAILS].dtype == np.uint8
    mistakes = stored[evidence.MISTAKE_ROWS]
    scores = stored[evidence.TEST_SCORES].max(axis=1)
    assert stored[evidence.MISTAKE_THUMBNAILS].shape == (len(mistakes), 12, 12, 1) and len(mistakes) > 3
    assert (np.diff(scores[mistakes]) <= 0).all()
    queries = stored[evidence.QUERY_ROWS]
    assert len(queries) == 8 and stored[evidence.QUERY_THUMBNAILS].shape == (8, 12, 12, 1)
    wrong = stored[evidence.TEST_SCORES].argmax(axis=1) != stored[evidence.TEST_LABELS]
    assert wrong[queries].sum() == min(4, wrong.sum())
    assert set(mistakes) == set(np.flatnonzero(wrong)) - set(stored[evidence.THUMBNAIL_ROWS])
    assert stored[evidence.NEIGHBOUR_THUMBNAILS].shape == (8, 5, 12, 12, 1)
    assert stored[evidence.NEIGHBOUR_DIGESTS].shape == stored[evidence.NEIGHBOUR_LABELS].shape == (8, 5)
    assert (np.diff(stored[evidence.NEIGHBOUR_SIMILARITIES], axis=1) <= 0).all()
    assert not set(stored[evidence.NEIGHBOUR_DIGESTS].ravel()) & set(stored[evidence.TEST_DIGESTS])


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
    assert again[evidence.CONTENT_DIGEST] == report[evidence.CONTENT_DIGEST]
    assert list(again[evidence.FEATURES]) == [evidence.ENCODER] and again[evidence.DIFFERENCES] == []


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
