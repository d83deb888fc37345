"""Vision transformers have the published sizes, patches and positions in place, and repeat exactly under XLA."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.pretraining.devices import op_determinism
from components.simclr import optimizers
from components.simclr.config import Architecture, EncoderConfig
from components.simclr.encoders import vision_transformer
from components.simclr.encoders.encoder import build_encoder, num_parameters
from components.simclr.encoders.vision_transformer import patch_px, position_embeddings


def encoder_of(architecture: str, size_px: int, channels: int = 3, width_multiplier: float = 1.0) -> keras.Model:
    config = EncoderConfig(architecture=Architecture(architecture), width_multiplier=width_multiplier)
    return build_encoder(config, size_px, channels)


# timm's vit_tiny_patch16_224 and vit_small_patch16_224 without classifier have a class token, its position and a bias
# of the patches, d numbers each; here positions hold that bias.
@pytest.mark.parametrize(
    ("architecture", "published", "width"), [("vit_tiny", 5_524_416, 192), ("vit_small", 21_665_664, 384)]
)
def test_parameter_counts_are_the_published_ones(architecture, published, width):
    encoder = encoder_of(architecture, 224)
    assert num_parameters(encoder) == published - 3 * width
    assert encoder.output_shape == (None, width)


def test_the_patch_follows_the_image_size():
    sizes = {224: 16, 96: 8, 64: 8, 32: 4, 28: 2, 24: 2, 16: 2, 8: 1}
    assert {size: patch_px(size) for size in sizes} == sizes
    with pytest.raises(ValueError, match=r"images of 97 px into 4 to 14 equal patches per side: .* such as 96"):
        encoder_of("vit_tiny", 97)


def test_width_multiplier_scales_the_heads():
    encoder = encoder_of("vit_tiny", 16, 1, 0.25)
    attention = next(layer for layer in encoder.layers if isinstance(layer, keras.layers.MultiHeadAttention))
    assert (attention.num_heads, attention.key_dim, encoder.output_shape[1]) == (3, 16, 48)


def test_patches_are_embedded_in_their_order():
    """The authors of the paper write the embedding as a convolution with the same kernel and stride."""
    encoder = encoder_of("vit_tiny", 16, 3, 0.25)
    embed = next(layer for layer in encoder.layers if isinstance(layer, keras.layers.EinsumDense))
    pixels = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)
    tokens = keras.Model(encoder.input, embed.output)(pixels)
    kernel = np.asarray(embed.kernel).reshape(2, 2, 3, 48)
    expected = tf.reshape(tf.nn.conv2d(pixels, kernel, 2, "VALID"), (2, 64, 48)) + position_embeddings(8, 48)
    np.testing.assert_allclose(tokens, expected, rtol=1e-4, atol=1e-5)


def test_positions_by_hand():
    found = position_embeddings(3, 8)
    row, column = 2, 1  # token 7
    waves = np.array([1.0, 0.01])
    expected = [f(at * waves) for at in (row, column) for f in (np.sin, np.cos)]
    np.testing.assert_allclose(found[7], np.concatenate(expected), rtol=1e-6)
    assert len(np.unique(found.round(6), axis=0)) == 9


def test_starting_kernels_have_the_variance_of_glorot_and_differ():
    encoder = encoder_of("vit_tiny", 16, 1)
    attentions = [layer for layer in encoder.layers if isinstance(layer, keras.layers.MultiHeadAttention)]
    first = attentions[0]
    kernels = [np.asarray(layer.kernel) for layer in (first.query_dense, first.key_dense, first.value_dense)]
    kernels.append(np.asarray(attentions[1].query_dense.kernel))
    assert len({kernel.tobytes() for kernel in kernels}) == 4
    for kernel in [*kernels, np.asarray(first.output_dense.kernel)]:
        assert kernel.std() == pytest.approx(np.sqrt(2 / (192 + 192)), rel=0.02)


def test_optimisers_know_every_variable():
    """Per block: two LayerNorms, six kernels, six biases; beside them the patches, the positions and the last norm."""
    models = [encoder_of("vit_tiny", 16, 1, 0.25)]
    assert len(optimizers.kernels(models)) == 1 + 12 * 6
    excluded = optimizers.norms_and_biases(models)
    assert len(excluded) == 1 + 12 * (2 * 2 + 6) + 2
    assert [tuple(variable.shape) for variable in excluded].count((64, 48)) == 1  # the positions


def test_repeats_exactly_under_xla(monkeypatch):
    """Two of the twelve equal blocks, because XLA compiles slowly."""
    monkeypatch.setitem(vision_transformer._SIZES, Architecture.VIT_TINY, vision_transformer._Size(depth=2, heads=3))
    encoder = encoder_of("vit_tiny", 16, 3, 0.25)
    pixels = tf.constant(np.random.default_rng(0).normal(size=(64, 16, 16, 3)), tf.float32)

    @tf.function(jit_compile=True, autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(encoder(pixels, training=True) ** 3)
        return tape.gradient(value, encoder.trainable_variables)

    with op_determinism(True):
        found = [[np.asarray(gradient).tobytes() for gradient in gradients()] for _ in range(3)]
    assert found[0] == found[1] == found[2]
