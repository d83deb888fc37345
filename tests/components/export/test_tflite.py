"""The TFLite file answers as the SavedModel beside it, for any batch, or there is none."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.contracts import signatures
from components.contracts.images import ImageConfig
from components.export import durable_files, registry, tflite, verification
from components.export.config import ExportConfig, KubeflowRegistryConfig
from components.export.consumer import load_encoder
from components.linear_evaluation import saved_model
from components.linear_evaluation.logistic_regression import LinearHead
from components.preprocessing import image_preparation
from components.simclr.config import Architecture, EncoderConfig, ProjectionHeadConfig
from components.simclr.encoders.models import build_models
from components.simclr.encoders.pixel_encoder import with_standardisation

from .test_executor import Workplace

MEAN, STD = np.array([100, 120, 140], np.float32), np.array([50, 60, 70], np.float32)
IMAGE = ImageConfig(size_px=16)


def make_encoder(architecture: Architecture, width: float = 0.25, precision: str = "float32"):
    """An encoder with statistics as after training, and its head."""
    config = EncoderConfig(architecture=architecture, width_multiplier=width)
    encoder, head = build_models(config, ProjectionHeadConfig(), IMAGE.size_px, MEAN, STD, 0, precision)
    rng = np.random.default_rng(1)
    for layer in encoder.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.2, layer.moving_mean.shape))
            layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
    return encoder, head


@pytest.mark.parametrize("architecture", ["mlp", "small_cnn", "resnet18", "vit_tiny"])
def test_every_architecture_converts_and_takes_any_batch(tmp_path, architecture):
    encoder = with_standardisation(make_encoder(Architecture(architecture))[0], MEAN, STD)
    path = tmp_path / "encoder.tflite"
    path.write_bytes(tflite.convert(encoder))
    pixels = np.random.default_rng(0).uniform(0, 255, (7, 16, 16, 3)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(encoder(pixels, training=False))
    for batch in (1, 2, 7):
        found = tflite.represent(path, pixels[:batch])
        np.testing.assert_allclose(found, expected[:batch], rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_half_precision_becomes_float32(tmp_path):
    encoder = make_encoder(Architecture.RESNET18, precision="mixed_bfloat16")[0]
    path = tmp_path / "encoder.tflite"
    path.write_bytes(tflite.convert(with_standardisation(encoder, MEAN, STD)))
    pixels = np.random.default_rng(0).uniform(0, 255, (4, 16, 16, 3)).astype(np.float32)
    wide = make_encoder(Architecture.RESNET18)[0]
    expected = np.asarray(with_standardisation(wide, MEAN, STD)(pixels, training=False))
    np.testing.assert_allclose(tflite.represent(path, pixels), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_what_tflite_cannot_do_is_said():
    given = keras.Input((4, 4, 1))
    encoder = keras.Model(given, keras.ops.slogdet(given[..., 0])[1][:, None], name="odd")
    with pytest.raises(tflite.TFLiteError, match=r"export\.tflite: odd has no TFLite form"):
        tflite.convert(encoder)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A real export, by the digest that it has."""
    encoder, head = make_encoder(Architecture.SMALL_CNN)
    linear = LinearHead(np.ones((encoder.output_shape[1], 3), np.float32), np.zeros(3, np.float32))
    parts = saved_model.ServedParts(encoder, head, linear, MEAN, STD, ["cat", "dog", "hen"], IMAGE)
    pixels = np.random.default_rng(2).integers(0, 256, (3, 20, 24, 3), dtype=np.uint8)
    resized = image_preparation.resize_and_crop(tf.constant(pixels), IMAGE.size_px, IMAGE.center_crop_fraction)
    prepared = image_preparation.standardise(resized, MEAN, STD).numpy()
    encoded = [tf.io.encode_png(image).numpy() for image in pixels]
    golden = saved_model.GoldenImages(encoded, prepared, np.asarray(encoder(prepared, training=False)))
    folder = tmp_path_factory.mktemp("exported") / "model"
    return {saved_model.export(parts, golden, str(folder)): folder}


@pytest.fixture
def workplace(tmp_path, exported):
    place = Workplace(tmp_path, exported)
    place.config = ExportConfig(tflite=True)
    return place


def test_a_pushed_version_holds_it_and_is_verified_with_it(workplace, exported):
    [digest] = exported
    workplace.push(digest, "blessed")
    version = workplace.registry / "image-encoder" / "1"
    encoder = load_encoder(version.parent)
    assert encoder.tflite_file == version / signatures.TFLITE_FILE
    assert signatures.TFLITE_FILE in (version / registry.MODEL_CARD_FILE).read_text()
    found = verification.verify(workplace.registry, "image-encoder")
    assert 0 <= found.max_tflite_difference < 1e-4
    other = with_standardisation(make_encoder(Architecture.SMALL_CNN)[0], MEAN + 30, STD)
    encoder.tflite_file.write_bytes(tflite.convert(other))
    with pytest.raises(registry.RegistryError, match="no longer holds the files that were pushed"):
        verification.verify(workplace.registry, "image-encoder")
    _take_for_pushed(workplace.registry / "image-encoder")
    with pytest.raises(registry.RegistryError, match="TFLite representations of the 3 stored images differ"):
        verification.verify(workplace.registry, "image-encoder")


def _take_for_pushed(model):
    index = json.loads((model / registry.INDEX_FILE).read_text())
    index["versions"][0]["files_digest"] = durable_files.files_digest(model / "1", registry.ADDED_FILES)
    (model / registry.INDEX_FILE).write_text(json.dumps(index))


def test_the_version_in_use_is_pushed_again_with_it_once(workplace, exported):
    [digest] = exported
    workplace.config = ExportConfig()
    workplace.push(digest, "blessed")
    assert load_encoder(workplace.registry / "image-encoder").tflite_file is None
    workplace.config = ExportConfig(tflite=True)
    versions = [workplace.push(digest, "unchanged")[1].registered for _ in range(2)]
    assert [(version.version, version.is_new) for version in versions] == [(2, True), (2, False)]
    assert load_encoder(workplace.registry / "image-encoder").tflite_file.is_file()
    workplace.config = ExportConfig()
    assert workplace.push(digest, "unchanged")[1].registered.version == 2


def test_one_that_answers_otherwise_stops_the_push(workplace, exported, tmp_path):
    [(digest, folder)] = exported.items()
    wrong = tmp_path / "wrong"
    shutil.copytree(folder, wrong)
    with np.load(wrong / signatures.GOLDEN_FILE) as golden:
        arrays = dict(golden)
    arrays[signatures.GOLDEN_REPRESENTATIONS] = arrays[signatures.GOLDEN_REPRESENTATIONS] * 1.05
    np.savez(wrong / signatures.GOLDEN_FILE, **arrays)
    workplace = Workplace(tmp_path, {digest: wrong})
    workplace.config = ExportConfig(tflite=True)
    with pytest.raises(tflite.TFLiteError, match=r"golden vectors that differ from the SavedModel's by 0\.0"):
        workplace.push(digest, "blessed")
    assert not workplace.registry.exists()


def test_it_needs_a_folder():
    with pytest.raises(ValueError, match="tflite needs folder: true"):
        ExportConfig(tflite=True, folder=False, kubeflow_registry=KubeflowRegistryConfig(address="http://registry"))
