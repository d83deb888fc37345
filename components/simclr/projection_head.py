"""The projection head: representations in, the projections that the loss compares out.

Dense layers with BatchNorm and ReLU between them; thrown away after pretraining, but exported beside the encoder.
"""

import keras
from keras import layers

from components.simclr.building_blocks import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM
from components.simclr.config import ProjectionHeadConfig


def build_projection_head(
    config: ProjectionHeadConfig,
    representation_width: int,
    seed: int = 0,
    dtype_policy: str = "float32",
    is_synchronized: bool = False,
) -> keras.Model:
    """A new head; the same arguments give the same weights.

    Args:
        config: depth and widths; with 0 layers projections are the representations themselves.
        representation_width: d of the encoder.
        seed: of the initial weights.
        dtype_policy: of the arithmetic; weights are float32.
        is_synchronized: BatchNorm takes its statistics over all replicas.

    Returns:
        A model (n, d) -> (n, output_width).

    Source: Chen et al. 2020, section 4.2 and the authors' ``model_util.py``: no biases, BatchNorm after each layer,
    without shift after the last.
    """
    representation = keras.Input((representation_width,), name="representation")
    values = layers.Activation("linear", dtype=dtype_policy)(representation)
    for index in range(config.layers):
        is_last = index == config.layers - 1
        width = config.output_width if is_last else config.hidden_width or representation_width
        initializer = keras.initializers.VarianceScaling(
            1.0 if is_last else 2.0, "fan_in", "untruncated_normal", seed=(seed * 100_003 + 50_000 + index) % 2**31
        )
        values = layers.Dense(width, use_bias=False, kernel_initializer=initializer, dtype=dtype_policy)(values)
        if not is_last or config.final_batch_norm:
            values = layers.BatchNormalization(
                momentum=BATCH_NORM_MOMENTUM,
                epsilon=BATCH_NORM_EPSILON,
                center=not is_last,
                synchronized=is_synchronized,
                dtype=dtype_policy,
            )(values)
        if not is_last:
            values = layers.ReLU(dtype=dtype_policy)(values)
    return keras.Model(representation, values, name="projection_head")
