"""The last block of every architecture, by the variables it holds."""

import keras
import numpy as np
import pytest

from components.simclr.config import Architecture, EncoderConfig, ProjectionHeadConfig
from components.simclr.encoders.encoder import build_encoder
from components.simclr.encoders.last_block import last_block
from components.simclr.encoders.projection_head import keep_head_layers


def _parameters(layers):
    return sum(int(np.prod(variable.shape)) for layer in layers for variable in layer.trainable_variables)


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        # Of width 1/8: two 3x3 convolutions of 64 channels with gains and shifts.
        (Architecture.RESNET18, 2 * (9 * 64 * 64 + 2 * 64)),
        # 256 to 64, 64 to 64, 64 to 256.
        (Architecture.RESNET50, 256 * 64 + 9 * 64 * 64 + 64 * 256 + 2 * (64 + 64 + 256)),
        (Architecture.RESNET50_V1, 256 * 64 + 9 * 64 * 64 + 64 * 256 + 2 * (64 + 64 + 256)),
        # Three heads of width 8: attention with biases, MLP of four times the width, two norms and the last.
        (Architecture.VIT_TINY, 4 * (24 * 24 + 24) + 2 * 4 * 24 * 24 + 4 * 24 + 24 + 3 * 2 * 24),
        (Architecture.SMALL_CNN, 9 * 8 * 16 + 2 * 16),
        (Architecture.MLP, 128 * 64 + 2 * 64),
    ],
)
def test_what_the_last_block_holds(architecture, expected):
    encoder = build_encoder(EncoderConfig(architecture=architecture, width_multiplier=0.125), 32, 1)
    block = last_block(architecture, encoder)
    assert _parameters(block) == expected
    assert block == encoder.layers[-len(block) :]


def test_kept_layers_of_the_head_belong_to_it():
    encoder = build_encoder(EncoderConfig(width_multiplier=0.125), 32, 1)
    alone = _parameters(last_block(Architecture.RESNET18, encoder))
    kept = keep_head_layers(encoder, ProjectionHeadConfig(layers=3, hidden_width=10, kept_layers=1))
    assert _parameters(last_block(Architecture.RESNET18, kept)) == alone + 64 * 10 + 2 * 10
    assert isinstance(kept.layers[-1], keras.layers.ReLU)
