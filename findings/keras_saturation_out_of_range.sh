#!/usr/bin/env bash
# Keras' RandomSaturation leaves the range of the pixels by far when that is 0 to 255.
#
# Versions: keras==3.15.1 on jax==0.10.2, numpy==2.4.6 (Keras 3.12.4 on TensorFlow 2.16.2 behaves alike).
# Guess before running: an image of 0 to 255, with value_range=(0, 255), comes back within 0 to 255, as it comes back
# within 0 to 1 with value_range=(0, 1).
# Seen: the layer clips the saturation, a share from 0 to 1 in HSV, to value_range. With (0, 1) that is right; with
# (0, 255) a saturation of up to 255 passes, and pixels become negative by tens of thousands, without a warning:
#
#   value_range (0, 1): 0.0 to 0.9
#   value_range (0, 255): -55626.0 to 219.0
#
# Networks that standardise pixels are then fed outliers of hundreds of standard deviations. Scale images to 0..1 before
# this layer and RandomColorJitter, which contains it, or clip behind them.
# The script exits non-zero where the layer behaves otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.10.2 numpy==2.4.6
KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import sys

import keras
import numpy as np

images = np.repeat(np.random.default_rng(0).integers(30, 220, (1, 32, 32, 3)).astype("float32"), 256, 0)
found = {}
for top in (1, 255):
    layer = keras.layers.RandomSaturation((0.5, 1.0), value_range=(0, top), seed=1)
    changed = np.asarray(layer(images * (top / 255), training=True))
    found[top] = changed.min() / top, changed.max() / top
    print(f"value_range (0, {top}): {changed.min():.1f} to {changed.max():.1f}")
is_same = found[1][0] >= 0 and found[1][1] <= 1 and found[255][0] < -1
sys.exit(0 if is_same else "the behaviour has changed")
PYTHON
