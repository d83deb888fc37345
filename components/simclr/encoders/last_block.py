"""Find the last block of an encoder, for fine-tuning that trains more than the classifier but less than everything.

The structure of the encoder tells: a residual block ends where its shortcut is added.
"""

import keras

from components.simclr.config import Architecture
from components.simclr.encoders.resnet import STAGE_DEPTHS

_WITH_KERNEL = (keras.layers.Dense, keras.layers.Conv2D)


def last_block(architecture: Architecture, encoder: keras.Model) -> list[keras.layers.Layer]:
    """The layers of the last block, and all layers after it.

    The last block is the last residual block of a ResNet, the last attention and MLP of a transformer, and otherwise
    the last layer with a kernel. Kept layers of the projection head come after the last block.

    Args:
        architecture: of ``encoder``.
        encoder: as ``encoder.build_encoder`` or ``projection_head.keep_head_layers`` made it.
    """
    additions = [index for index, layer in enumerate(encoder.layers) if isinstance(layer, keras.layers.Add)]
    if architecture in STAGE_DEPTHS:
        return encoder.layers[additions[-2] + 1 :]
    if additions:
        return encoder.layers[additions[-3] + 1 :]
    return encoder.layers[max(i for i, layer in enumerate(encoder.layers) if isinstance(layer, _WITH_KERNEL)) :]
