"""Names in the served SavedModel, which consumers and the Evaluator rely on."""

from components.contracts import records

SERVING_DEFAULT = "serving_default"  # the same function as EMBED
EMBED = "embed"  # {IMAGE_INPUT: (n,) bytes} -> {REPRESENTATION: (n, d) float32}
EMBED_PIXELS = "embed_pixels"  # {PIXELS_INPUT: (n, h, w, c) uint8} -> {REPRESENTATION: (n, d) float32}
CLASSIFY = "classify"  # {IMAGE_INPUT: (n,) bytes} -> {CLASSES: (n, k) bytes, SCORES: (n, k) float32}

# TFMA feeds inputs by feature name, so the input must be called like the feature.
IMAGE_INPUT = records.IMAGE
PIXELS_INPUT = "pixels"
REPRESENTATION = "representation"
# TFMA maps string labels to scores only where the outputs are exactly these two.
CLASSES = "classes"
SCORES = "scores"
