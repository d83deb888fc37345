"""Build the two models of a run: an encoder that ends with the kept layers of the head, and the rest of the head."""

import keras
import numpy as np

from components.simclr.config import EncoderConfig, ProjectionHeadConfig
from components.simclr.encoders.encoder import build_encoder
from components.simclr.encoders.initial_weights import load_initial_weights
from components.simclr.encoders.projection_head import build_projection_head, keep_head_layers


def build_models(
    encoder_config: EncoderConfig,
    head_config: ProjectionHeadConfig,
    size_px: int,
    mean: np.ndarray,
    std: np.ndarray,
    seed: int = 0,
    dtype_policy: str = "float32",
    is_synchronized: bool = False,
) -> tuple[keras.Model, keras.Model]:
    """Build a new encoder and projection head; the same arguments give the same weights.

    Args:
        encoder_config: architecture and initial weights.
        head_config: the projection head; its kept layers become the end of the encoder.
        size_px: side of the images.
        mean: (c,) float32, 0 to 255; pixels are standardised with it; c is 1 or 3.
        std: (c,) float32.
        seed: of the initial weights.
        dtype_policy: of the arithmetic; weights are float32.
        is_synchronized: BatchNorm takes its statistics over all replicas.

    Returns:
        Models (n, size_px, size_px, c) -> (n, d) and (n, d) -> (n, p).

    Raises:
        ValueError, RuntimeError: as ``build_encoder`` and ``load_initial_weights``.
    """
    encoder = build_encoder(encoder_config, size_px, len(mean), seed, dtype_policy, is_synchronized)
    width, own_layers = encoder.output_shape[1], len(encoder.layers)
    head = build_projection_head(head_config, width, seed, dtype_policy, is_synchronized)
    encoder = keep_head_layers(encoder, head_config, seed, dtype_policy, is_synchronized)
    load_initial_weights(encoder_config, encoder, own_layers, mean, std)
    return encoder, head
