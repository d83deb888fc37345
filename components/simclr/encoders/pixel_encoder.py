"""An encoder that standardises its pixels itself: plain pixels in, representations out, still trainable.

So nobody who fine-tunes an encoder can standardise in another way than pretraining did. It has only plain Keras layers.
"""

import keras
import numpy as np
from keras import layers

from components.contracts.images import MIN_CHANNEL_STD


def with_standardisation(encoder: keras.Model, mean: np.ndarray, std: np.ndarray) -> keras.Model:
    """Put the standardisation of pixels in front of an encoder; the layers are shared, not copied.

    Args:
        encoder: (n, s, s, c) float32, standardised -> (n, d).
        mean: (c,) float32, 0 to 255.
        std: (c,) float32; at least ``MIN_CHANNEL_STD`` is used, as in ``image_preparation.standardise``.

    Returns:
        A model (n, s, s, c) float32, 0 to 255 -> (n, d).
    """
    pixels = keras.Input(encoder.input_shape[1:], name="pixels", dtype="float32")
    variance = np.maximum(np.asarray(std, np.float64), MIN_CHANNEL_STD) ** 2
    standardise = layers.Normalization(
        mean=[float(value) for value in mean], variance=variance.tolist(), name="standardise", dtype="float32"
    )
    return keras.Model(pixels, encoder(standardise(pixels)), name="encoder")
