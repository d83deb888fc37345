"""ResNets have the published sizes, starting values, and the details that published results depend on."""

import keras
import numpy as np
import pytest

from components.simclr.config import Architecture, EncoderConfig, Stem
from components.simclr.encoders.encoder import build_encoder, num_parameters
from components.simclr.encoders.resnet import chosen_stem


def encoder_of(architecture: str, size_px: int = 32, channels: int = 3, **changes) -> keras.Model:
    return build_encoder(EncoderConfig(architecture=Architecture(architecture), **changes), size_px, channels)


# torchvision's resnet18, 34 and 50 without their classifiers; the small stem has 3 x 3 in place of 7 x 7 kernels.
@pytest.mark.parametrize(
    ("architecture", "large", "width"),
    [
        ("resnet18", 11_176_512, 512),
        ("resnet34", 21_284_672, 512),
        ("resnet50", 23_508_032, 2048),
        ("resnet50_v1", 23_508_032, 2048),
    ],
)
def test_parameter_counts_are_the_published_ones(architecture, large, width):
    encoder = encoder_of(architecture, stem=Stem.LARGE_IMAGE)
    assert num_parameters(encoder) == large
    assert encoder.output_shape == (None, width)


def test_small_stem_and_gray_images_have_smaller_first_kernels():
    assert num_parameters(encoder_of("resnet18")) == 11_176_512 - 64 * 3 * (49 - 9)
    assert num_parameters(encoder_of("resnet18", channels=1)) == 11_176_512 - 64 * (3 * 49 - 9)


def test_width_multiplier_scales_every_layer():
    half = encoder_of("resnet18", width_multiplier=0.5)
    assert half.output_shape == (None, 256)
    assert num_parameters(half) == pytest.approx(11_168_832 / 4, rel=0.01)
    assert encoder_of("resnet50", width_multiplier=0.125).output_shape == (None, 256)


@pytest.mark.parametrize(("size_px", "stem", "side"), [(32, "small_image", 4), (224, "large_image", 7)])
def test_stem_follows_the_image_size(size_px, stem, side):
    assert chosen_stem(EncoderConfig(), size_px).value == stem
    encoder = encoder_of("resnet18", size_px, width_multiplier=0.25)
    assert encoder.layers[-1].input.shape[1:3] == (side, side)
    assert encoder.name == f"resnet18_{stem}_stem"
    assert chosen_stem(EncoderConfig(stem=Stem.LARGE_IMAGE), 32) is Stem.LARGE_IMAGE


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_blocks_start_as_their_shortcuts(architecture):
    """The last gain of each block is zero, so a block without projection gives back its (non-negative) input."""
    encoder = encoder_of(architecture, width_multiplier=0.125)
    gains = [np.asarray(n.gamma) for n in encoder.layers if isinstance(n, keras.layers.BatchNormalization)]
    assert sum(bool(np.all(gain == 0)) for gain in gains) == sum(
        {"resnet18": (2, 2, 2, 2)}.get(architecture, (3, 4, 6, 3))
    )
    assert all(np.all(gain == 0) or np.all(gain == 1) for gain in gains)
    adds = [layer for layer in encoder.layers if isinstance(layer, keras.layers.Add)]
    second = adds[1]
    probe = keras.Model(encoder.input, [second.input[0], second.output])
    before, after = probe(np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32))
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_batch_norm_settings():
    norms = [n for n in encoder_of("resnet18").layers if isinstance(n, keras.layers.BatchNormalization)]
    assert {(n.momentum, n.epsilon) for n in norms} == {(0.9, 1e-5)}


def test_downsampling_pads_symmetrically():
    """A mirrored image gives a mirrored map; Keras' own padding would shift it."""
    encoder = encoder_of("resnet18", 32, width_multiplier=0.125)
    strided = next(n for n in encoder.layers if isinstance(n, keras.layers.Conv2D) and n.strides == (2, 2))
    pad = encoder.layers[encoder.layers.index(strided) - 1]
    assert isinstance(pad, keras.layers.ZeroPadding2D)
    assert pad.padding == ((1, 1), (1, 1))


def test_kernels_have_the_variance_of_he():
    kernel = next(
        np.asarray(n.kernel)
        for n in encoder_of("resnet18").layers
        if isinstance(n, keras.layers.Conv2D) and n.filters == 512
    )
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 512)), rel=0.02)


def test_the_large_stem_pools_as_keras_does():
    model = build_encoder(EncoderConfig(architecture=Architecture.RESNET18, width_multiplier=0.125), 96, 3)
    pads = [layer for layer in model.layers if layer.name.startswith("zero_padding")]
    pooled = next(layer for layer in reversed(model.layers) if layer.name.startswith("maximum"))
    padded = next(layer for layer in pads if layer.output.shape[1:3] == (50, 50))
    stem = keras.Model(model.input, [padded.output, pooled.output])
    before, after = stem(np.random.default_rng(0).normal(size=(2, 96, 96, 3)).astype(np.float32))
    expected = keras.layers.MaxPooling2D(3, 2)(before)
    assert after.shape == (2, 24, 24, 8)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(after), keras.ops.convert_to_numpy(expected))


@pytest.mark.parametrize(("architecture", "strided"), [("resnet50", "2"), ("resnet50_v1", "1")])
def test_v1_and_v1_5_differ_in_the_place_of_the_stride(architecture, strided):
    encoder = encoder_of(architecture, stem=Stem.LARGE_IMAGE)
    found = {n.name for n in encoder.layers if isinstance(n, keras.layers.Conv2D) and n.strides == (2, 2)}
    shortcuts = {f"conv{stage}_block1_0_conv" for stage in (3, 4, 5)}
    assert found == {"conv1_conv", *shortcuts, *(f"conv{stage}_block1_{strided}_conv" for stage in (3, 4, 5))}
