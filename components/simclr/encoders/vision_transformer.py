"""Small vision transformers: standardised pixels in, the mean of the last tokens out.

They are pre-norm with GELU and have no BatchNorm. The image size decides the patch size, and mean pooling replaces a
class token. Position embeddings are learned, starting from sines and cosines in both directions.
"""

import dataclasses

import keras
import numpy as np
from keras import layers

from components.simclr.config import Architecture, EncoderConfig
from components.simclr.encoders.building_blocks import Blocks, scaled_width

_MOST_PATCHES_PER_SIDE = 14  # patches of 16 px at 224 px, as in Dosovitskiy et al. 2020
_FEWEST_PATCHES_PER_SIDE = 4
_HEAD_WIDTH = 64
_MLP_EXPANSION = 4
_LONGEST_WAVE = 10_000.0  # in patches, Vaswani et al. 2017


@dataclasses.dataclass(frozen=True)
class _Size:
    depth: int
    heads: int


_SIZES = {Architecture.VIT_TINY: _Size(depth=12, heads=3), Architecture.VIT_SMALL: _Size(depth=12, heads=6)}


def patch_px(size_px: int) -> int:
    """The side of a patch: the smallest that divides the image into at most 14 patches per side.

    Raises:
        ValueError: that would leave fewer than 4 per side.
    """
    patch = next(px for px in range(1, size_px + 1) if size_px % px == 0 and size_px // px <= _MOST_PATCHES_PER_SIDE)
    if size_px // patch < _FEWEST_PATCHES_PER_SIDE:
        raise ValueError(
            f"a vision transformer cannot cut images of {size_px} px into {_FEWEST_PATCHES_PER_SIDE} to "
            f"{_MOST_PATCHES_PER_SIDE} equal patches per side: choose another image.size_px, such as "
            f"{max(8, size_px // 16 * 16)}"
        )
    return patch


def vision_transformer(blocks: Blocks, pixels: keras.KerasTensor, config: EncoderConfig) -> keras.KerasTensor:
    """Lay a vision transformer over ``pixels``, (n, s, s, c).

    The width multiplier scales the width of the attention heads, not their number.

    Returns:
        (n, d); d is 192 (tiny) or 384 (small) times the width multiplier.

    Raises:
        ValueError: see ``patch_px``.

    Source: Dosovitskiy et al. 2020; sizes of Touvron et al. 2020; mean pooling as in Beyer et al. 2022.
    """
    size = _SIZES[config.architecture]
    head_width = scaled_width(_HEAD_WIDTH, config.width_multiplier)
    tokens = _embed_patches(blocks, pixels, size.heads * head_width)  # (n, t, d)
    for _ in range(size.depth):
        attended = _attend(blocks, blocks.normalise_each(tokens), size.heads, head_width)
        tokens = layers.Add(dtype=blocks.dtype_policy)([tokens, attended])
        hidden = blocks.connect(blocks.normalise_each(tokens), _MLP_EXPANSION * tokens.shape[-1])
        hidden = layers.Activation("gelu", dtype=blocks.dtype_policy)(hidden)
        tokens = layers.Add(dtype=blocks.dtype_policy)([tokens, blocks.connect(hidden, tokens.shape[-1])])
    return layers.GlobalAveragePooling1D(dtype=blocks.dtype_policy)(blocks.normalise_each(tokens))


def _embed_patches(blocks: Blocks, pixels: keras.KerasTensor, width: int) -> keras.KerasTensor:
    """(n, s, s, c) -> (n, t, width): embed the patches and add a vector for each place.

    One plain Keras layer does both: all patches share its kernel, and each patch has a bias of its own.
    """
    _, size_px, _, channels = pixels.shape
    patch, policy = patch_px(size_px), blocks.dtype_policy
    per_side = size_px // patch
    patches = layers.Reshape((per_side, patch, per_side, patch, channels), dtype=policy)(pixels)
    patches = layers.Permute((1, 3, 2, 4, 5), dtype=policy)(patches)
    patches = layers.Reshape((per_side**2, patch * patch * channels), dtype=policy)(patches)
    embed = layers.EinsumDense(
        "ntp,pd->ntd",
        output_shape=(per_side**2, width),
        bias_axes="td",
        kernel_initializer=keras.initializers.GlorotUniform(seed=blocks.next_seed()),
        dtype=policy,
    )
    tokens = embed(patches)
    embed.bias.assign(position_embeddings(per_side, width))
    return tokens


def position_embeddings(per_side: int, width: int) -> np.ndarray:
    """Sines and cosines of row and column at geometric wavelengths; rows and columns take half of the width each.

    Args:
        per_side: patches per side.
        width: a multiple of 4.

    Returns:
        (per_side ** 2, width) float32, rows in the order of the patches.

    Source: Vaswani et al. 2017, section 3.5; in two dimensions as in Chen et al. 2021 (MoCo v3).
    """
    quarter = width // 4
    frequencies = _LONGEST_WAVE ** -(np.arange(quarter) / quarter)
    angles = np.arange(per_side)[:, None] * frequencies  # (per_side, width / 4)
    along = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)  # (per_side, width / 2)
    rows, columns = np.repeat(along, per_side, axis=0), np.tile(along, (per_side, 1))
    return np.concatenate([rows, columns], axis=1).astype(np.float32)


def _attend(blocks: Blocks, tokens: keras.KerasTensor, heads: int, head_width: int) -> keras.KerasTensor:
    attention = layers.MultiHeadAttention(heads, head_width, dtype=blocks.dtype_policy)
    attended = attention(tokens, tokens)
    # Keras would use one seed for all four kernels, so that queries equalled keys, and would misread their fans.
    into_heads, out_of_heads = (tokens.shape[-1], heads * head_width), (heads * head_width, tokens.shape[-1])
    for layer in (attention.query_dense, attention.key_dense, attention.value_dense):
        _initialise(layer.kernel, into_heads, blocks.next_seed())
    _initialise(attention.output_dense.kernel, out_of_heads, blocks.next_seed())
    return attended


def _initialise(kernel: keras.Variable, fans: tuple[int, int], seed: int) -> None:
    values = keras.initializers.GlorotUniform(seed=seed)(fans, dtype="float32")
    kernel.assign(keras.ops.reshape(values, kernel.shape))
