"""The projection head: representations in, the projections that the loss compares out.

It has dense layers with BatchNorm and ReLU between them. Its first layers may become the end of the encoder, as in
SimCLR v2. The rest serves only pretraining; it is exported beside the encoder.
"""

from collections.abc import Iterable

import keras
from keras import layers

from components.simclr.config import ProjectionHeadConfig
from components.simclr.encoders.building_blocks import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM


def build_projection_head(
    config: ProjectionHeadConfig,
    encoder_width: int,
    seed: int = 0,
    dtype_policy: str = "float32",
    is_synchronized: bool = False,
) -> keras.Model:
    """Build the layers of a new head that are not kept; the same arguments give the same weights.

    Args:
        config: depth and widths; with 0 layers the projections are the representations themselves.
        encoder_width: width of the encoder's own output, before any kept layers.
        seed: of the initial weights.
        dtype_policy: of the arithmetic; weights are float32.
        is_synchronized: BatchNorm takes its statistics over all replicas.

    Returns:
        A model (n, d) -> (n, output_width); d is the width of the representation.

    Source: Chen et al. 2020, section 4.2 and the authors' ``model_util.py``: no biases, BatchNorm after each layer,
    without shift after the last.
    """
    stack = _Stack(config, encoder_width, seed, dtype_policy, is_synchronized)
    representation = keras.Input((stack.width_after(config.kept_layers),), name="representation")
    values = layers.Activation("linear", dtype=dtype_policy)(representation)
    projection = stack.lay(values, range(config.kept_layers, config.layers))
    return keras.Model(representation, projection, name="projection_head")


def keep_head_layers(
    encoder: keras.Model,
    config: ProjectionHeadConfig,
    seed: int = 0,
    dtype_policy: str = "float32",
    is_synchronized: bool = False,
) -> keras.Model:
    """Put the kept layers of the head on top of an encoder, each with its BatchNorm and ReLU.

    The result, followed by ``build_projection_head`` of the same arguments, is the encoder with the whole head, however
    many layers are kept.

    Args:
        encoder: (n, s, s, c) -> (n, encoder_width); its layers are shared, not copied.
        config: says how many layers are kept; with 0 the result is ``encoder`` itself.
        seed: as for ``build_projection_head``.
        dtype_policy: as for ``build_projection_head``.
        is_synchronized: as for ``build_projection_head``.

    Returns:
        A model (n, s, s, c) -> (n, d); its output is the representation.

    Source: Chen et al. 2020 (SimCLR v2), section 3.
    """
    if not config.kept_layers:
        return encoder
    stack = _Stack(config, encoder.output_shape[1], seed, dtype_policy, is_synchronized)
    representation = stack.lay(encoder.output, range(config.kept_layers))
    return keras.Model(encoder.input, representation, name=encoder.name)


class _Stack:
    """Lays the layers of a head, which have indices from 0; each layer has a seed of its own."""

    def __init__(
        self, config: ProjectionHeadConfig, encoder_width: int, seed: int, dtype_policy: str, is_synchronized: bool
    ):
        self._config, self._encoder_width, self._seed = config, encoder_width, seed
        self._dtype_policy, self._is_synchronized = dtype_policy, is_synchronized

    def width_after(self, count: int) -> int:
        """The width after the first ``count`` layers."""
        if count == 0:
            return self._encoder_width
        if count == self._config.layers:
            return self._config.output_width
        return self._config.hidden_width or self._encoder_width

    def lay(self, values: keras.KerasTensor, indices: Iterable[int]) -> keras.KerasTensor:
        """Lay the layers of these indices over ``values``, with the BatchNorm and ReLU that belong to each."""
        for index in indices:
            is_last = index == self._config.layers - 1
            values = self._connect(values, index, is_last)
            if not is_last or self._config.final_batch_norm:
                values = self._normalise(values, has_shift=not is_last)
            if not is_last:
                values = layers.ReLU(dtype=self._dtype_policy)(values)
        return values

    def _connect(self, values: keras.KerasTensor, index: int, is_last: bool) -> keras.KerasTensor:
        initializer = keras.initializers.VarianceScaling(
            1.0 if is_last else 2.0,
            "fan_in",
            "untruncated_normal",
            seed=(self._seed * 100_003 + 50_000 + index) % 2**31,
        )
        return layers.Dense(
            self.width_after(index + 1), use_bias=False, kernel_initializer=initializer, dtype=self._dtype_policy
        )(values)

    def _normalise(self, values: keras.KerasTensor, has_shift: bool) -> keras.KerasTensor:
        return layers.BatchNormalization(
            momentum=BATCH_NORM_MOMENTUM,
            epsilon=BATCH_NORM_EPSILON,
            center=has_shift,
            synchronized=self._is_synchronized,
            dtype=self._dtype_policy,
        )(values)
