"""Standardisation inside the model gives what standardisation in front of it gives."""

import keras
import numpy as np

from components.simclr.config import Architecture, EncoderConfig
from components.simclr.encoders import keras_files
from components.simclr.encoders.encoder import build_encoder
from components.simclr.encoders.pixel_encoder import with_standardisation


def test_pixels_are_standardised_inside_also_after_reloading():
    encoder = build_encoder(EncoderConfig(architecture=Architecture.SMALL_CNN, width_multiplier=0.25), 16, 3)
    mean, std = np.array([90.0, 120.0, 10.0], np.float32), np.array([50.0, 70.0, 0.5], np.float32)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(encoder((pixels - mean) / np.array([50.0, 70.0, 1.0], np.float32)))
    model = with_standardisation(encoder, mean, std)
    for found in (model, keras_files.from_bytes(keras_files.to_bytes(model))):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found(pixels)), expected, rtol=1e-4, atol=1e-5)
        assert len(found.trainable_variables) == len(encoder.trainable_variables)
