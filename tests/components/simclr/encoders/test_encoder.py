"""Every encoder: the same seed gives the same weights, mixed precision works, and it loads without this project."""

import keras
import numpy as np
import pytest

from components.simclr.config import Architecture, EncoderConfig
from components.simclr.encoders.encoder import build_encoder, num_parameters, weights_digest

KINDS = ["mlp", "small_cnn", "resnet18", "vit_tiny"]


def encoder_of(architecture: str, size_px: int = 32, channels: int = 3, **changes) -> keras.Model:
    return build_encoder(EncoderConfig(architecture=Architecture(architecture), **changes), size_px, channels)


def test_same_seed_same_weights():
    config = EncoderConfig(architecture=Architecture.SMALL_CNN)
    digests = [weights_digest(build_encoder(config, 24, 1, seed)) for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]
    kernels = [n.kernel for n in encoder_of("resnet18").layers if isinstance(n, keras.layers.Conv2D)]
    same_shape = [np.asarray(k) for k in kernels if tuple(k.shape) == (3, 3, 64, 64)]
    assert len(same_shape) == 4
    assert len({k.tobytes() for k in same_shape}) == 4


def test_weights_digest_sees_statistics_and_order():
    encoder = encoder_of("small_cnn", 24, 1)
    before = weights_digest(encoder)
    norm = next(n for n in encoder.layers if isinstance(n, keras.layers.BatchNormalization))
    norm.moving_mean.assign(np.asarray(norm.moving_mean) + 1e-6)
    assert weights_digest(encoder) != before
    assert weights_digest(encoder, encoder) != weights_digest(encoder)


@pytest.mark.parametrize(("size_px", "channels"), [(16, 1), (24, 1), (32, 3)])
def test_small_cnn_keeps_a_grid_of_places(size_px, channels):
    encoder = encoder_of("small_cnn", size_px, channels)
    width = encoder.output_shape[1]
    assert width % 128 == 0
    assert 9 <= width // 128 <= 16
    assert num_parameters(encoder) < 300_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_has_the_same_float32_weights(kind, policy):
    config = EncoderConfig(architecture=Architecture(kind), width_multiplier=0.125)
    plain, mixed = (build_encoder(config, 32, 3, 0, name) for name in ("float32", policy))
    assert weights_digest(plain) == weights_digest(mixed)
    assert {layer.compute_dtype for layer in mixed.layers[1:]} == {policy.removeprefix("mixed_")}
    pixels = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype(np.float32)
    difference = np.abs(np.asarray(plain(pixels)) - np.asarray(mixed(pixels), np.float32))
    assert 0 < difference.max() < 0.05 * np.abs(np.asarray(plain(pixels))).max()


@pytest.mark.parametrize("kind", KINDS)
def test_reloads_as_plain_keras(kind, tmp_path):
    encoder = encoder_of(kind, width_multiplier=0.125)
    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.saving.load_model(tmp_path / "encoder.keras", custom_objects={}, compile=False)
    pixels = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(np.asarray(loaded(pixels)), np.asarray(encoder(pixels)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_width_multiplier_changes_every_kind(kind, channels):
    small, large = (encoder_of(kind, 32, channels, width_multiplier=factor) for factor in (0.25, 0.5))
    assert 2 * small.output_shape[1] == large.output_shape[1]
    assert 2 * num_parameters(small) < num_parameters(large) <= 4.1 * num_parameters(small)


@pytest.mark.parametrize(("kind", "has_batch_norm"), [("mlp", False), ("vit_tiny", False), ("small_cnn", True)])
def test_without_batch_norm_no_image_depends_on_its_batch(kind, has_batch_norm):
    encoder = encoder_of(kind, 16, 1, width_multiplier=0.25)
    pixels = np.random.default_rng(0).normal(size=(6, 16, 16, 1)).astype(np.float32)
    whole, part = (keras.ops.convert_to_numpy(encoder(rows, training=True)) for rows in (pixels, pixels[:2]))
    assert np.allclose(whole[:2], part, rtol=1e-3, atol=1e-4) != has_batch_norm


def test_the_mlp_is_what_it_says():
    encoder = encoder_of("mlp", 24, 1)
    assert num_parameters(encoder) == 24 * 24 * 1024 + 1024 * 512 + 2 * (1024 + 512)
    assert encoder.output_shape == (None, 512)
