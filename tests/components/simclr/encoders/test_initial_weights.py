"""Initial weights load if the architectures agree; if they do not, the error says how they differ."""

import dataclasses
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from components.simclr.config import Architecture, EncoderConfig, ProjectionHeadConfig, Stem
from components.simclr.encoders import initial_weights, keras_files
from components.simclr.encoders.encoder import build_encoder, weights_digest
from components.simclr.encoders.pixel_encoder import with_standardisation
from components.simclr.encoders.projection_head import keep_head_layers

MEAN, STD = np.array([120.0, 110.0, 100.0], np.float32), np.array([60.0, 0.5, 50.0], np.float32)


def encoder_of(kind: str, seed: int = 0, size_px: int = 16, channels: int = 3, kept: int = 0, width: float = 0.25):
    """An encoder, and how many of its layers are its own."""
    own = build_encoder(EncoderConfig(architecture=Architecture(kind), width_multiplier=width), size_px, channels, seed)
    head = ProjectionHeadConfig(layers=3, hidden_width=24, kept_layers=kept)
    return keep_head_layers(own, head, seed), len(own.layers)


def write(encoder: keras.Model, path: pathlib.Path) -> EncoderConfig:
    path.write_bytes(keras_files.to_bytes(encoder))
    return EncoderConfig(initial_weights=str(path))


def load(config: EncoderConfig, encoder: keras.Model, own_layers: int) -> None:
    initial_weights.load_initial_weights(config, encoder, own_layers, MEAN, STD)


@pytest.mark.parametrize("kind", ["mlp", "small_cnn", "resnet18", "vit_tiny"])
def test_every_kind_starts_from_its_earlier_self(kind, tmp_path):
    earlier, _ = encoder_of(kind, seed=1, kept=1)
    new, own_layers = encoder_of(kind, seed=2, kept=1)
    weights = new.get_weights()
    for index, found in enumerate((earlier, with_standardisation(earlier, MEAN, STD))):  # as trained, as exported
        config = write(found, tmp_path / f"{index}.keras")
        new.set_weights(weights)
        assert weights_digest(new) != weights_digest(earlier)
        load(config, new, own_layers)
        assert weights_digest(new) == weights_digest(earlier)


def test_a_resnet_may_start_from_one_for_smaller_images(tmp_path):
    earlier, _ = encoder_of("resnet18", seed=1, size_px=16)
    new, own_layers = encoder_of("resnet18", size_px=48)
    load(write(earlier, tmp_path / "encoder.keras"), new, own_layers)
    assert weights_digest(new) == weights_digest(earlier)


def test_kept_head_layers_start_new_where_the_file_has_none(tmp_path):
    earlier, _ = encoder_of("small_cnn", seed=1)
    new, own_layers = encoder_of("small_cnn", seed=2, kept=1)
    head_before = [np.array(variable) for variable in new.layers[-3].weights + new.layers[-2].weights]
    load(write(earlier, tmp_path / "encoder.keras"), new, own_layers)
    for found, expected in zip(new.layers[:own_layers], earlier.layers, strict=True):
        assert all(map(np.array_equal, found.get_weights(), expected.get_weights()))
    head_after = [np.array(variable) for variable in new.layers[-3].weights + new.layers[-2].weights]
    assert all(map(np.array_equal, head_before, head_after))


@pytest.mark.parametrize(
    ("earlier", "message"),
    [
        ({"kind": "mlp"}, r"layer 1 is Flatten instead of ZeroPadding2D"),
        ({"width": 0.5}, r"layer 2 \(Conv2D\) has filters 16 instead of 8, weights .*16\)\] instead of"),
        ({"channels": 1}, r"weights \[\(3, 3, 1, 8\)\] instead of \[\(3, 3, 3, 8\)\]"),
        ({"size_px": 48}, r"AveragePooling2D\) has pool_size \(4, 4\) instead of \(1, 1\)"),
        ({"kept": 1}, r"it also has Dense, BatchNormalization, ReLU \(see projection_head.kept_layers\)"),
    ],
)
def test_another_architecture_is_refused_with_the_difference(earlier, message, tmp_path):
    model, _ = encoder_of(**{"kind": "small_cnn", **earlier})
    config = write(model, tmp_path / "encoder.keras")
    new, own_layers = encoder_of("small_cnn")
    before = weights_digest(new)
    with pytest.raises(
        ValueError, match=rf"encoder\.keras differs from the encoder that this config describes: .*{message}"
    ):
        load(config, new, own_layers)
    assert weights_digest(new) == before


def test_an_encoder_that_ends_early_is_refused(tmp_path):
    whole, own_layers = encoder_of("small_cnn")
    part = keras.Model(whole.input, whole.layers[-3].output)
    with pytest.raises(ValueError, match="it lacks AveragePooling2D, Flatten"):
        load(write(part, tmp_path / "encoder.keras"), whole, own_layers)


def test_the_digest_pins_the_content(tmp_path):
    path = tmp_path / "encoder.keras"
    (first, own_layers), (second, _) = encoder_of("small_cnn", 1), encoder_of("small_cnn", 2)
    config = initial_weights.with_digest(write(first, path))
    assert len(config.initial_weights_digest) == 64
    assert initial_weights.with_digest(config) == config
    write(second, path)
    with pytest.raises(ValueError, match="the file was changed since"):
        load(config, first, own_layers)
    assert initial_weights.with_digest(dataclasses.replace(config, initial_weights_digest=None)) != config
    path.unlink()
    with pytest.raises(ValueError, match=r"encoder\.initial_weights: there is no file .*encoder\.keras"):
        initial_weights.with_digest(config)
    random = EncoderConfig()
    assert initial_weights.with_digest(random) is random


def test_a_file_that_is_no_encoder_is_refused(tmp_path):
    path = tmp_path / "encoder.keras"
    path.write_bytes(b"something else")
    encoder, own_layers = encoder_of("small_cnn")
    with pytest.raises(ValueError, match=r"encoder\.initial_weights: .*encoder\.keras is no Keras model"):
        load(EncoderConfig(initial_weights=str(path)), encoder, own_layers)


def keras_resnet50() -> keras.Model:
    """Keras' own model; its weights, biases and statistics are drawn here, as the published ones need a download."""
    source = keras.applications.ResNet50(include_top=False, weights=None, pooling="avg", input_shape=(64, 64, 3))
    generator = np.random.default_rng(0)
    for layer in source.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, generator.normal(0, 0.1, bias.shape)])
        elif isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            layer.set_weights([generator.uniform(low, 1, size) for low in (0.5, -1, -1, 0.5)])
    return source


def imagenet_config() -> EncoderConfig:
    return EncoderConfig(architecture=Architecture.RESNET50_V1, initial_weights="imagenet", stem=Stem.LARGE_IMAGE)


def test_imagenet_weights_answer_as_in_keras():
    """Keras' preprocessing and model give what standardised pixels and this encoder give."""
    source, encoder = keras_resnet50(), build_encoder(imagenet_config(), 64, 3)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    expected = source.predict(keras.applications.resnet50.preprocess_input(pixels.copy()), verbose=0)
    imagenet_mean = np.array([123.68, 116.779, 103.939], np.float32)
    initial_weights.copy_keras_resnet50(source, encoder, imagenet_mean, STD)
    found = encoder.predict((pixels - imagenet_mean) / np.maximum(STD, 1), verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    first = [keras.Model(model.input, model.get_layer("conv1_bn").output) for model in (source, encoder)]
    initial_weights.copy_keras_resnet50(source, encoder, MEAN, STD)
    expected = first[0].predict(keras.applications.resnet50.preprocess_input(pixels.copy()), verbose=0)
    found = first[1].predict((pixels - MEAN) / np.maximum(STD, 1), verbose=0)
    inside = np.s_[:, 2:-2, 2:-2]  # with another mean, zeros at the border are another colour
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_imagenet_weights_need_colour_and_the_large_stem():
    source = keras_resnet50()
    with pytest.raises(ValueError, match=r"set image\.color to rgb"):
        gray = build_encoder(imagenet_config(), 64, 1)
        initial_weights.copy_keras_resnet50(source, gray, MEAN[:1], STD[:1])
    with pytest.raises(ValueError, match="they need RGB images, width_multiplier 1 and stem large_image"):
        small = build_encoder(dataclasses.replace(imagenet_config(), stem=Stem.AUTO), 32, 3)
        initial_weights.copy_keras_resnet50(source, small, MEAN, STD)


def test_a_failed_download_is_one_sentence(tmp_path):
    code = (
        "from components.simclr.encoders import initial_weights\n"
        "from components.simclr.config import EncoderConfig\n"
        "config = EncoderConfig(architecture='resnet50_v1', initial_weights='imagenet')\n"
        "try:\n"
        "    initial_weights.load_initial_weights(config, None, 0, None, None)\n"
        "except RuntimeError as error:\n"
        "    print('said:', error)\n"
    ).replace("'resnet50_v1'", "__import__('components.simclr.config').simclr.config.Architecture.RESNET50_V1")
    nowhere = {"KERAS_HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    project = pathlib.Path(initial_weights.__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, env={**os.environ, **nowhere}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout.splitlines()[-1]
    assert said.startswith("said: encoder.initial_weights: the ImageNet weights of Keras' ResNet-50 could not be")
    assert said.endswith("set initial_weights to null")
