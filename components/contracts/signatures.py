"""Names of signatures, inputs, outputs and files in the served SavedModel; consumers and the Evaluator rely on them."""

from components.contracts import records

SERVING_DEFAULT = "serving_default"  # the same function as EMBED
EMBED = "embed"  # {IMAGE_INPUT: (n,) bytes} -> {REPRESENTATION: (n, d) float32}
EMBED_PIXELS = "embed_pixels"  # {PIXELS_INPUT: (n, h, w, c) uint8} -> {REPRESENTATION: (n, d) float32}
PROJECT = "project"  # {IMAGE_INPUT: (n,) bytes} -> {PROJECTION: (n, p) float32}, what pretraining compared
CLASSIFY = "classify"  # {IMAGE_INPUT: (n,) bytes} -> {CLASSES: (n, k) bytes, SCORES: (n, k) float32}

# TFMA feeds inputs by feature name, so the input must have the name of the feature.
IMAGE_INPUT = records.IMAGE
PIXELS_INPUT = "pixels"
REPRESENTATION = "representation"
PROJECTION = "projection"
# TFMA maps string labels to scores only if the outputs are exactly these two.
CLASSES = "classes"
SCORES = "scores"

# Files inside the SavedModel, in a folder that TensorFlow Serving ignores.
MODEL_FACTS_FILE = "assets.extra/model_facts.json"  # see ``model_facts``
# A trainable Keras model without custom objects: (n, size_px, size_px, c) float32 pixels, 0 to 255 -> (n, d) float32.
ENCODER_FILE = "assets.extra/encoder.keras"
# The same encoder as a TFLite file, if ``export.tflite`` asks for one; any batch size.
TFLITE_FILE = "assets.extra/encoder.tflite"
GOLDEN_FILE = "assets.extra/golden.npz"  # inputs, and the model's outputs for them at the time of the export
RECORD_FILE = "assets.extra/record.json"  # how this version was made and how good it is
# The model's prediction for each test image, for the paired comparison with a later model.
PREDICTIONS_FILE = "assets.extra/test_predictions.npz"

# Arrays of PREDICTIONS_FILE: m test images.
PREDICTED_DIGESTS = "digests"  # (m,) of the pixels
PREDICTED_CLASSES = "classes"  # (m,) names of the likeliest classes

# Arrays of GOLDEN_FILE: g train images, k classes, d dimensions.
GOLDEN_IMAGE_BYTES = "image_bytes"  # uint8, the encoded images one after the other
GOLDEN_IMAGE_LENGTHS = "image_lengths"  # (g,) int64, bytes of each
GOLDEN_REPRESENTATIONS = "representations"  # (g, d) float32
GOLDEN_SCORES = "scores"  # (g, k) float32
