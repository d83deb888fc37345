"""The encoder as a TFLite file beside the SavedModel: made from its Keras encoder, held against its golden vectors.

Input and output are those of the Keras encoder: pixels that are cropped and resized already, any number of images.
Needs TensorFlow, nothing of TFX.
"""

import pathlib
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.contracts import signatures
from components.contracts.images import ImageConfig
from components.contracts.model_facts import ModelFacts
from components.contracts.record_files import read_record
from components.export.golden import read_golden, relative_difference
from components.preprocessing import image_preparation
from components.simclr.encoders import keras_files
from components.simclr.encoders.layers import leaf_layers

# Of the largest golden number. Another order of adding moves float32 by about 1e-6; an encoder that was trained in
# bfloat16, whose TFLite file adds in float32, moves by some thousandths.
MAX_RELATIVE_DIFFERENCE = 2e-2


class TFLiteError(ValueError):
    """The encoder cannot be converted, or the answers of the TFLite file differ from the SavedModel's."""


def add_to(saved_model: pathlib.Path) -> None:
    """Write ``signatures.TFLITE_FILE`` into a SavedModel's folder, and prove that it answers as the SavedModel does.

    Args:
        saved_model: folder as ``saved_model.export`` of linear evaluation writes it.

    Raises:
        TFLiteError: the conversion fails, or a golden vector differs by more than ``MAX_RELATIVE_DIFFERENCE``.
    """
    encoder = keras_files.from_bytes((saved_model / signatures.ENCODER_FILE).read_bytes())
    path = saved_model / signatures.TFLITE_FILE
    path.write_bytes(convert(encoder))
    difference = golden_difference(saved_model)
    if not difference <= MAX_RELATIVE_DIFFERENCE:  # NaN is no pass
        path.unlink()
        raise TFLiteError(
            f"export.tflite: the TFLite file of {saved_model} gives golden vectors that differ from the SavedModel's "
            f"by {difference:.3g} of their largest value, allowed is {MAX_RELATIVE_DIFFERENCE:g}"
        )


def convert(encoder: keras.Model) -> bytes:
    """The content of a TFLite file, in float32 and with TFLite's own operations only.

    Args:
        encoder: (n, s, s, c) float32 -> (n, d).

    Raises:
        TFLiteError: TFLite lacks an operation of the encoder.
    """
    model = _in_float32(encoder)
    pixels = tf.TensorSpec((None, *encoder.input_shape[1:]), tf.float32, name=signatures.PIXELS_INPUT)

    @tf.function(input_signature=[pixels], autograph=False)
    def represent(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return {signatures.REPRESENTATION: model(pixels, training=False)}

    weights = tf.Module()
    weights.variables_of_model = [
        variable.value for variable in model.variables
    ]  # the converter does not find those of a Keras model
    try:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([represent.get_concrete_function()], weights)
        return converter.convert()
    except Exception as error:  # the converter passes on exceptions of its C++ part, which have no common class
        raise TFLiteError(f"export.tflite: {encoder.name} has no TFLite form: {error}") from error


def _in_float32(model: keras.Model) -> keras.Model:
    """The same weights and layers, without half precision, which TFLite's operations do not have."""
    if all(layer.compute_dtype == "float32" for layer in leaf_layers([model])):
        return model

    def widened(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config(layer.get_config() | {"dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=widened, recursive=True)
    copy.set_weights(model.get_weights())
    return copy


def golden_difference(folder: pathlib.Path) -> float:
    """How far the TFLite file's golden vectors are from the SavedModel's; see ``golden.relative_difference``.

    Args:
        folder: holds ``signatures.TFLITE_FILE`` and what ``saved_model.export`` of linear evaluation writes.
    """
    image_config = read_record(ModelFacts, str(folder / signatures.MODEL_FACTS_FILE)).image
    stored = read_golden(folder)
    found = represent(folder / signatures.TFLITE_FILE, _pixels(stored.images, image_config))
    return relative_difference(found, stored.representations)


def _pixels(encoded: Sequence[bytes], config: ImageConfig) -> np.ndarray:
    """(n, s, s, c) float32, 0 to 255, as the Keras encoder wants them."""
    return np.stack(
        [
            image_preparation.resize_and_crop(
                image_preparation.decode_image(tf.constant(image), config.channels),
                config.size_px,
                config.center_crop_fraction,
            )
            for image in encoded
        ]
    )


def represent(path: pathlib.Path, pixels: np.ndarray) -> np.ndarray:
    """What a TFLite file gives: (n, s, s, c) float32 -> (n, d) float32."""
    interpreter = _interpreter(path)
    (given,), (returned,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(given["index"], pixels.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], pixels)
    interpreter.invoke()
    return interpreter.get_tensor(returned["index"])


def _interpreter(path: pathlib.Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the interpreter moves to a package of its own
        return tf.lite.Interpreter(model_path=str(path))
