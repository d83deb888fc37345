"""The last place in an encoder where places are still apart, for every architecture."""

import keras
import numpy as np
import pytest

from components.simclr.config import Architecture, EncoderConfig, ProjectionHeadConfig
from components.simclr.encoders.encoder import build_encoder
from components.simclr.encoders.models import build_models
from components.simclr.encoders.pixel_encoder import with_standardisation
from components.transfer.feature_map import NoFeatureMapError, feature_map, feature_maps

MEAN, STD = np.array([100.0], np.float32), np.array([50.0], np.float32)


def exported(architecture: str, size_px: int = 16, kept_layers: int = 0) -> tuple[keras.Model, EncoderConfig]:
    config = EncoderConfig(architecture=Architecture(architecture), width_multiplier=0.125)
    head = ProjectionHeadConfig(layers=2, kept_layers=kept_layers)
    encoder, _ = build_models(config, head, size_px, MEAN, STD, seed=5)
    return with_standardisation(encoder, MEAN, STD), config


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [
        ("small_cnn", (4, 4, 16)),
        ("resnet18", (2, 2, 64)),
        ("resnet50", (2, 2, 256)),
        ("vit_tiny", (8, 8, 24)),
    ],
)
def test_shapes(architecture, shape):
    config = EncoderConfig(architecture=Architecture(architecture), width_multiplier=0.125)
    assert feature_map(build_encoder(config, 16, 1)).output_shape[1:] == shape


def test_pooling_it_gives_the_representation():
    config = EncoderConfig(architecture=Architecture.RESNET18, width_multiplier=0.125)
    encoder = build_encoder(config, 32, 1)
    pixels = np.random.default_rng(0).normal(size=(2, 32, 32, 1)).astype(np.float32)
    features = np.asarray(feature_map(encoder)(pixels))
    assert features.shape == (2, 4, 4, 64)
    np.testing.assert_allclose(features.mean(axis=(1, 2)), encoder(pixels), rtol=1e-4, atol=1e-5)


def test_the_tokens_of_a_vision_transformer_lie_where_the_patches_were():
    config = EncoderConfig(architecture=Architecture.VIT_TINY, width_multiplier=0.125)
    model = feature_map(build_encoder(config, 16, 1))
    pixels = np.zeros((2, 16, 16, 1), np.float32)
    pixels[1, 2, 13] = 9.0  # patches of 2 px: row 1, column 6
    before, after = np.asarray(model(pixels))
    row, column = np.unravel_index(np.abs(after - before).sum(axis=-1).argmax(), (8, 8))
    assert (row, column) == (1, 6)


@pytest.mark.parametrize("kept_layers", [0, 1])
@pytest.mark.parametrize("size_px", [16, 40])
def test_trained_weights_are_taken_over_at_any_size(size_px, kept_layers):
    model, config = exported("resnet18", kept_layers=kept_layers)
    encoder = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    rng = np.random.default_rng(1)
    encoder.set_weights([rng.normal(0, 0.1, weight.shape) ** 2 for weight in encoder.get_weights()])
    maps = feature_maps(model, config, size_px, seed=5)
    pixels = rng.normal(size=(1, size_px, size_px, 1)).astype(np.float32)
    found, random = (np.asarray(side(pixels)) for side in (maps.pretrained, maps.random))
    assert found.shape == random.shape and np.abs(found - random).max() > 1e-3
    if size_px == 16:
        np.testing.assert_allclose(found, feature_map(encoder)(pixels), rtol=1e-4, atol=1e-6)
        untrained = feature_map(build_encoder(config, 16, 1, seed=5))
        np.testing.assert_allclose(random, untrained(pixels), rtol=1e-4, atol=1e-6)


def test_what_cannot_be_done_is_said():
    with pytest.raises(NoFeatureMapError, match="the encoder mlp has no feature map"):
        feature_maps(*exported("mlp"), 16, 0)
    with pytest.raises(NoFeatureMapError, match="its own size only: 16 px, not 32"):
        feature_maps(*exported("vit_tiny"), 32, 0)
