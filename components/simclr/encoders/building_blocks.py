"""Layers with this project's settings, the parts of all architectures; every kernel has a seed of its own.

They are plain Keras layers, so that an encoder saved as ``.keras`` loads without this project.
"""

import itertools

import keras
from keras import layers

BATCH_NORM_MOMENTUM = 0.9  # with Keras' 0.99, statistics lag behind in short runs
BATCH_NORM_EPSILON = 1e-5  # as in the authors' code and in torchvision; Keras' default is 1e-3
LAYER_NORM_EPSILON = 1e-6  # as in vision transformers since Dosovitskiy et al. 2020; Keras' default is 1e-3

_CHANNEL_STEP = 8  # widths are multiples of this, so that vector units stay full


def scaled_width(width: int, multiplier: float) -> int:
    """``width`` times ``multiplier``, as a multiple of 8 and at least 8."""
    return max(_CHANNEL_STEP, round(width * multiplier / _CHANNEL_STEP) * _CHANNEL_STEP)


class Blocks:
    """Lays layers over features (n, ...) and returns the new features.

    Args:
        seed: of the initial weights.
        dtype_policy: of the arithmetic; weights are float32.
        is_synchronized: BatchNorm takes its statistics over all replicas.
    """

    def __init__(self, seed: int, dtype_policy: str, is_synchronized: bool):
        self._seeds = itertools.count(seed * 100_003)  # so that runs with different seeds share no layer's seed
        self.dtype_policy, self._is_synchronized = dtype_policy, is_synchronized

    def next_seed(self) -> int:
        """A seed that no other layer of this model has."""
        return next(self._seeds) % 2**31

    def convolve(
        self, features: keras.KerasTensor, channels: int, kernel: int, stride: int = 1, name: str | None = None
    ) -> keras.KerasTensor:
        """Convolution without bias; with a stride the padding is symmetric, unlike Keras' ``same``.

        (n, h, w, c) to (n, ceil(h / stride), ceil(w / stride), channels). ``kernel`` is odd. He's initial weights.

        Source: He et al. 2016, section 3.4; He et al. 2015, eq. 14, for the initial weights.
        """
        padding = "same"
        if stride > 1 and kernel > 1:
            features = layers.ZeroPadding2D(kernel // 2, dtype=self.dtype_policy)(features)
            padding = "valid"
        return layers.Conv2D(
            channels,
            kernel,
            stride,
            padding,
            use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(
                2.0, "fan_out", "untruncated_normal", seed=self.next_seed()
            ),
            dtype=self.dtype_policy,
            name=name,
        )(features)

    def normalise(
        self, features: keras.KerasTensor, is_last_of_block: bool = False, name: str | None = None
    ) -> keras.KerasTensor:
        """BatchNorm; the last one of a residual block starts with gain 0.

        It takes any shape (n, ..., c) and its statistics over all axes but the last.

        Source: Ioffe and Szegedy 2015, algorithm 1; Goyal et al. 2017, section 5.1, for the gain.
        """
        return layers.BatchNormalization(
            momentum=BATCH_NORM_MOMENTUM,
            epsilon=BATCH_NORM_EPSILON,
            gamma_initializer="zeros" if is_last_of_block else "ones",
            synchronized=self._is_synchronized,
            dtype=self.dtype_policy,
            name=name,
        )(features)

    def activate(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """ReLU."""
        return layers.ReLU(dtype=self.dtype_policy)(features)

    def max_pool(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """3x3 max-pool with stride 2, made from the maximum of shifted images, one axis after the other.

        Keras' own layer has no deterministic gradient under XLA.

        (n, h, w, c) to (n, floor((h - 3) / 2) + 1, floor((w - 3) / 2) + 1, c), without padding.

        Source: He et al. 2016, table 1.
        """
        for axis, strides in ((0, (2, 1)), (1, (1, 2))):
            shifted = []
            for offset in range(3):
                crop = [(0, 0), (0, 0)]
                crop[axis] = (offset, 2 - offset)
                window = layers.Cropping2D(crop, dtype=self.dtype_policy)(features)
                shifted.append(layers.AveragePooling2D(1, strides, dtype=self.dtype_policy)(window))
            features = layers.Maximum(dtype=self.dtype_policy)(shifted)
        return features

    def connect(self, features: keras.KerasTensor, width: int, has_bias: bool = True) -> keras.KerasTensor:
        """Dense layer over the last axis."""
        return layers.Dense(
            width,
            use_bias=has_bias,
            kernel_initializer=keras.initializers.GlorotUniform(seed=self.next_seed()),
            dtype=self.dtype_policy,
        )(features)

    def normalise_each(self, features: keras.KerasTensor) -> keras.KerasTensor:
        """LayerNorm over the last axis.

        Source: Ba et al. 2016, eq. 4.
        """
        return layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON, dtype=self.dtype_policy)(features)
