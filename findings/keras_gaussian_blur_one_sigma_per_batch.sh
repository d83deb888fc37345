#!/usr/bin/env bash
# Keras' RandomGaussianBlur draws one blur for the whole batch, unequal along the two axes, and skips half of the images.
#
# Versions: keras==3.15.1 on jax==0.10.2, numpy==2.4.6 (Keras 3.12.4 on TensorFlow 2.16.2 behaves alike).
# Guess before running: as the documentation says, sigma is sampled "for each image", and factor=1.0 blurs every image;
# the kernel is round, as SimCLR's blur is.
# Seen: sigma is drawn once per call, as two numbers, one along each axis. All blurred images of a batch get the very
# same kernel, and it is not round. factor=1.0 is a probability drawn between 0 and 1, so half of the images stay as
# they are; factor=(1.0, 1.0) blurs all of them:
#
#   factor 1.0: blurred 55 %, different kernels 1
#   factor (1.0, 1.0): blurred 100 %, different kernels 1
#   spread of one bright pixel: 2.27 px down, 1.29 px across
#
# A recipe that expects a fresh sigma in each view gets one sigma a step. This project draws sigma for each view.
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

points = np.zeros((256, 33, 33, 3), "float32")
points[:, 16, 16] = 255.0


def blurred(factor):
    layer = keras.layers.RandomGaussianBlur(
        factor=factor, kernel_size=15, sigma=(0.5, 2.5), value_range=(0, 255), seed=3
    )
    images = np.asarray(layer(points, training=True))
    return images[[not np.array_equal(image, points[0]) for image in images]]


shares, kernels = [], []
for factor in (1.0, (1.0, 1.0)):
    images = blurred(factor)
    shares.append(len(images) / len(points))
    kernels.append(len({image.tobytes() for image in images}))
    print(f"factor {factor}: blurred {shares[-1]:.0%}, different kernels {kernels[-1]}".replace("%", " %"))
kernel = images[0, :, :, 0] / images[0, :, :, 0].sum()
squares = (np.arange(33) - 16.0) ** 2
down, across = np.sqrt(kernel.sum(1) @ squares), np.sqrt(kernel.sum(0) @ squares)
print(f"spread of one bright pixel: {down:.2f} px down, {across:.2f} px across")
is_same = 0.4 < shares[0] < 0.6 and shares[1] == 1 and kernels == [1, 1] and abs(down - across) > 0.05
sys.exit(0 if is_same else "the behaviour has changed")
PYTHON
