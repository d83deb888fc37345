"""ResNets: standardised pixels in, globally averaged features out.

They are v1.5, as in torchvision (stride in the 3x3 convolution, symmetric padding). ResNet-50 also comes as v1 (stride
in the first 1x1 convolution), for which Keras has ImageNet weights. Layers have the names of ``keras.applications``.
"""

from collections.abc import Callable

import keras
from keras import layers

from components.simclr.config import Architecture, EncoderConfig, Stem
from components.simclr.encoders.building_blocks import Blocks, scaled_width

SMALL_IMAGE_PX = 64  # for images up to this side the stem keeps the resolution

STAGE_DEPTHS = {
    Architecture.RESNET18: (2, 2, 2, 2),
    Architecture.RESNET34: (3, 4, 6, 3),
    Architecture.RESNET50: (3, 4, 6, 3),
    Architecture.RESNET50_V1: (3, 4, 6, 3),
}
_STAGE_WIDTHS = (64, 128, 256, 512)
_BOTTLENECK_EXPANSION = 4


def chosen_stem(config: EncoderConfig, size_px: int) -> Stem:
    """The stem of a ResNet, as configured or chosen by image size.

    Source: Chen et al. 2020, appendix B.9.
    """
    if config.stem is not Stem.AUTO:
        return config.stem
    return Stem.SMALL_IMAGE if size_px <= SMALL_IMAGE_PX else Stem.LARGE_IMAGE


def resnet(blocks: Blocks, pixels: keras.KerasTensor, config: EncoderConfig) -> keras.KerasTensor:
    """Lay a ResNet over ``pixels``, (n, s, s, c).

    Returns:
        (n, d); d is 512 (18, 34) or 2048 (50) times the width multiplier.

    Source: He et al. 2015; Goyal et al. 2017 for the zero-initialised last gain of each block and for v1.5.
    """
    features = _stem(blocks, pixels, config)
    block = _BLOCKS[config.architecture]
    for stage, depth in enumerate(STAGE_DEPTHS[config.architecture]):
        width = scaled_width(_STAGE_WIDTHS[stage], config.width_multiplier)
        for position in range(depth):
            stride = 2 if stage > 0 and position == 0 else 1
            features = block(blocks, features, width, stride, f"conv{stage + 2}_block{position + 1}")
    return layers.GlobalAveragePooling2D(dtype=blocks.dtype_policy)(features)


def _stem(blocks: Blocks, pixels: keras.KerasTensor, config: EncoderConfig) -> keras.KerasTensor:
    width = scaled_width(_STAGE_WIDTHS[0], config.width_multiplier)
    if chosen_stem(config, pixels.shape[1]) is Stem.SMALL_IMAGE:
        return blocks.activate(_convolve_and_normalise(blocks, pixels, width, 3, 1, "conv1"))
    features = blocks.activate(_convolve_and_normalise(blocks, pixels, width, 7, 2, "conv1"))
    # Zeros pad as well as minus infinity, because nothing is negative after the activation.
    features = layers.ZeroPadding2D(1, dtype=blocks.dtype_policy)(features)
    return blocks.max_pool(features)


def _basic_block(blocks: Blocks, features: keras.KerasTensor, width: int, stride: int, name: str) -> keras.KerasTensor:
    branch = blocks.activate(_convolve_and_normalise(blocks, features, width, 3, stride, f"{name}_1"))
    branch = _convolve_and_normalise(blocks, branch, width, 3, 1, f"{name}_2", is_last_of_block=True)
    return _join(blocks, features, branch, stride, name)


def _bottleneck(
    blocks: Blocks, features: keras.KerasTensor, width: int, stride: int, name: str, is_v1: bool = False
) -> keras.KerasTensor:
    first, second = (stride, 1) if is_v1 else (1, stride)
    branch = blocks.activate(_convolve_and_normalise(blocks, features, width, 1, first, f"{name}_1"))
    branch = blocks.activate(_convolve_and_normalise(blocks, branch, width, 3, second, f"{name}_2"))
    wide = width * _BOTTLENECK_EXPANSION
    branch = _convolve_and_normalise(blocks, branch, wide, 1, 1, f"{name}_3", is_last_of_block=True)
    return _join(blocks, features, branch, stride, name)


def _bottleneck_v1(
    blocks: Blocks, features: keras.KerasTensor, width: int, stride: int, name: str
) -> keras.KerasTensor:
    return _bottleneck(blocks, features, width, stride, name, is_v1=True)


_BLOCKS: dict[Architecture, Callable[..., keras.KerasTensor]] = {
    Architecture.RESNET18: _basic_block,
    Architecture.RESNET34: _basic_block,
    Architecture.RESNET50: _bottleneck,
    Architecture.RESNET50_V1: _bottleneck_v1,
}


def _join(
    blocks: Blocks, features: keras.KerasTensor, branch: keras.KerasTensor, stride: int, name: str
) -> keras.KerasTensor:
    """Add the shortcut; it is projected if channels or resolution change."""
    if stride > 1 or features.shape[-1] != branch.shape[-1]:
        features = _convolve_and_normalise(blocks, features, branch.shape[-1], 1, stride, f"{name}_0")
    return blocks.activate(layers.Add(dtype=blocks.dtype_policy)([features, branch]))


def _convolve_and_normalise(
    blocks: Blocks,
    features: keras.KerasTensor,
    channels: int,
    kernel: int,
    stride: int,
    name: str,
    is_last_of_block: bool = False,
) -> keras.KerasTensor:
    features = blocks.convolve(features, channels, kernel, stride, f"{name}_conv")
    return blocks.normalise(features, is_last_of_block, f"{name}_bn")
