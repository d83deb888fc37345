#!/usr/bin/env bash
# Keras' RandomSaturation and RandomColorJitter make half of all images gray when the factor is one number.
#
# Versions: keras==3.15.1 on jax==0.10.2, numpy==2.4.6 (Keras 3.12.4 on TensorFlow 2.16.2 behaves alike).
# Guess before running: as the documentation says, a single number f draws the factor between 0.0 (gray) and f, so that
# images lose colour by various amounts and hardly any loses all of it.
# Seen: the factor is drawn between -f and f, and a negative one gives saturation 0. So half of the images are exactly
# gray, whatever f is, and for f up to 0.5 no image gains colour. A SimCLR recipe that hands its jitter strength 0.4 to
# RandomColorJitter drops the colour of every second view before RandomGrayscale has drawn anything:
#
#   RandomSaturation(0.1): gray 55 %, more colour than before 0 %
#   RandomSaturation(0.5): gray 55 %, more colour than before 0 %
#   RandomColorJitter(saturation_factor=0.4): gray 55 %, more colour than before 0 %
#   RandomColorJitter(saturation_factor=(0.3, 0.7)): gray 0 %, more colour than before 45 %
#
# A pair around 0.5, which changes nothing, is what a symmetric jitter needs. This project draws its own augmentations.
# The script exits non-zero where a layer behaves otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import sys

import keras
import numpy as np

image = np.random.default_rng(0).integers(30, 220, (1, 32, 32, 3)).astype("float32")


def colour(images):
    """Mean difference between the largest and the smallest channel, of each image."""
    return (images.max(-1) - images.min(-1)).mean((1, 2))


def shares(name, layer):
    found = colour(np.asarray(layer(np.repeat(image, 256, 0), training=True)))
    gray, more = (found < 0.01).mean(), (found > colour(image) + 0.1).mean()
    print(f"{name}: gray {gray:.0%}, more colour than before {more:.0%}".replace("%", " %"))
    return gray, more


pixels = {"value_range": (0, 255), "seed": 1}
one_number = [
    shares("RandomSaturation(0.1)", keras.layers.RandomSaturation(0.1, **pixels)),
    shares("RandomSaturation(0.5)", keras.layers.RandomSaturation(0.5, **pixels)),
    shares("RandomColorJitter(saturation_factor=0.4)", keras.layers.RandomColorJitter(saturation_factor=0.4, **pixels)),
]
name, pair = "RandomColorJitter(saturation_factor=(0.3, 0.7))", (0.3, 0.7)
gray, more = shares(name, keras.layers.RandomColorJitter(saturation_factor=pair, **pixels))
same = all(0.4 < share < 0.6 and none == 0 for share, none in one_number) and gray == 0 and 0.4 < more < 0.6
sys.exit(0 if same else "the behaviour has changed")
PYTHON
