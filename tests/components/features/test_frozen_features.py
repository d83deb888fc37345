"""From files of image records to a Features artifact and back."""

import pathlib

import numpy as np
import pytest

from components.contracts import artifact_files, records
from components.contracts.evidence import FeatureKind
from components.contracts.features_record import FeaturesSummary
from components.contracts.record_files import RecordError, read_record
from components.features import extraction, frozen_features, stored
from components.features.config import FeaturesConfig
from tests.components.labelled_shapes import image_record
from tests.components.tf_examples import write_examples

COUNTS = {records.TRAIN: 120, records.TEST: 90}


def make_inputs(workplace, **changes) -> frozen_features.FeatureInputs:
    values = {
        "files_of_splits": {split: workplace.files(split) for split in COUNTS},
        "encoder_dir": str(workplace.encoder_dir),
        "transform_graph_dir": str(workplace.transform_graph_dir),
    }
    return frozen_features.FeatureInputs(**(values | changes))


@pytest.fixture(scope="module")
def extracted(workplace, tmp_path_factory) -> tuple[pathlib.Path, frozen_features.Written]:
    folder = tmp_path_factory.mktemp("features")
    return folder, frozen_features.extract(make_inputs(workplace), str(folder), FeaturesConfig(raw_pixels_max_px=6))


def test_what_is_read_is_what_the_encoder_gives(workplace, extracted):
    folder, written = extracted
    preparation = extraction.Preparation(str(workplace.transform_graph_dir))
    encoder = frozen_features.load_model(str(workplace.encoder_dir), artifact_files.ENCODER_FILE)
    encoders = {FeatureKind.ENCODER: lambda pixels: encoder(pixels, training=False)}
    for split, count in COUNTS.items():
        found = stored.read(str(folder), split)
        assert {name: values.shape for name, values in found.features.items()} == {
            FeatureKind.ENCODER: (count, 16),
            FeatureKind.RANDOM_ENCODER: (count, 16),
            FeatureKind.RAW_PIXELS: (count, 36),
        }
        direct = extraction.extract_features(workplace.files(split), preparation, encoders, 50, split)
        np.testing.assert_allclose(found.features[FeatureKind.ENCODER], direct.features[FeatureKind.ENCODER], atol=1e-5)
        for name in ("digests", "labels", "groups"):
            assert getattr(found, name).tolist() == getattr(direct, name).tolist()
    assert written.counts == COUNTS
    assert written.bytes == sum(path.stat().st_size - 128 for path in folder.glob("*/*.npy"))  # without NumPy's header
    summary = read_record(FeaturesSummary, str(folder / artifact_files.FEATURES_FILE))
    assert summary.encoder_digest == written.encoder_digest
    assert summary.config["raw_pixels_max_px"] == 6


def test_only_what_was_asked_for_is_extracted(workplace, tmp_path):
    config = FeaturesConfig(raw_pixels=False, random_encoder=False)
    frozen_features.extract(make_inputs(workplace), str(tmp_path), config)
    assert list(stored.read(str(tmp_path), records.TEST).features) == [FeatureKind.ENCODER]


def test_a_damaged_artifact_is_named(extracted, tmp_path):
    folder, _ = extracted
    for path in folder.rglob("*.*"):
        copy = tmp_path / path.relative_to(folder)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    np.save(tmp_path / records.TEST / "encoder.npy", np.zeros((89, 16), np.float32))
    with pytest.raises(ValueError, match=r"test/encoder\.npy: expected an array of \(90, 16\), found \(89, 16\)"):
        stored.read(str(tmp_path), records.TEST)
    (tmp_path / artifact_files.FEATURES_FILE).write_text("{}")
    with pytest.raises(RecordError, match=r"features\.json: format_version: expected 1, found None"):
        stored.read(str(tmp_path), records.TEST)


def test_an_encoder_that_changes_is_noticed(workplace, tmp_path, monkeypatch):
    """In training mode BatchNorm would follow the images it is shown."""
    monkeypatch.setattr(frozen_features, "_frozen", lambda encoder: lambda pixels: encoder(pixels, training=True))
    with pytest.raises(ValueError, match="the encoder changed while it was used"):
        frozen_features.extract(make_inputs(workplace), str(tmp_path), FeaturesConfig())
    assert not (tmp_path / artifact_files.FEATURES_FILE).exists()


def test_a_split_without_labels_is_named(workplace, tmp_path):
    none = write_examples(tmp_path / "none.gz", [image_record(None, np.random.default_rng(0))])
    inputs = make_inputs(workplace, files_of_splits={records.TRAIN: workplace.files("train"), records.TEST: [none]})
    with pytest.raises(ValueError, match="no image of split 'test' has a label"):
        frozen_features.extract(inputs, str(tmp_path / "features"), FeaturesConfig())


def test_a_missing_encoder_is_named(workplace, tmp_path):
    with pytest.raises(ValueError, match=r"encoder\.keras is missing"):
        frozen_features.extract(
            make_inputs(workplace, encoder_dir=str(tmp_path)), str(tmp_path / "features"), FeaturesConfig()
        )
