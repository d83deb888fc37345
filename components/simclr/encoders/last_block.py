"""Which layers of an encoder are its last block: what fine-tuning trains between the classifier alone and everything.

Told by structure: a residual block ends where its shortcut is added.
"""

import keras

from components.simclr.config import Architecture
from components.simclr.encoders.resnet import STAGE_DEPTHS

_WITH_KERNEL = (keras.layers.Dense, keras.layers.Conv2D)


def last_block(architecture: Architecture, encoder: keras.Model) -> list[keras.layers.Layer]:
    """The last residual block (of transformers attention and MLP), else the last layer with a kernel; and what follows.

    Layers of the projection head that were kept follow, and belong to it.

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
