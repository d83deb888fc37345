#!/usr/bin/env bash
# WebDataset's image decoders turn a 16-bit gray PNG almost white instead of scaling it to 8 bits.
#
# Versions: webdataset==1.0.2, pillow==13.0.0, numpy==2.4.6, Python 3.10 to 3.13.
# Guess before running: "rgb8", "l8", "rgb" and "pil" keep the brightness of a 16-bit gray image, as 16-bit medical and
# scientific images are common in tar shards; the mean of a ramp from black to white would be 127.5 of 255.
# Seen: every decoder calls Pillow's convert, which cuts each value at 255. Of a ramp of 4,096 values from 0 to 65535,
# 99.6 % of the pixels come out white, without a warning:
#
#   rgb8 mean 254.5 of 255, white 99.6 %
#   l8 mean 254.5 of 255, white 99.6 %
#   rgb mean 254.5 of 255, white 99.6 %
#   pil mean 254.5 of 255, white 99.6 %
#
# Whoever trains on such shards decodes the bytes without these decoders: Pillow opens the file as mode "I;16" with all
# values. This project's WebDataset source reads the tar itself and scales 16 bits to 8.
# The script exits non-zero where a decoder behaves otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check webdataset==1.0.2 pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
import tarfile

import numpy as np
import webdataset
from PIL import Image

ramp = np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64)
encoded = io.BytesIO()
Image.fromarray(ramp).save(encoded, "png")
with tarfile.open("shard.tar", "w") as shard:
    member = tarfile.TarInfo("image.png")
    member.size = len(encoded.getvalue())
    shard.addfile(member, io.BytesIO(encoded.getvalue()))

changed = False
for decoder in ("rgb8", "l8", "rgb", "pil"):
    [sample] = webdataset.WebDataset("file:shard.tar", shardshuffle=False).decode(decoder)
    pixels = np.asarray(sample["png"], dtype=np.float64)
    pixels *= 255 if decoder == "rgb" else 1  # 0 to 1
    white = float((pixels == 255).mean())
    print(f"{decoder} mean {pixels.mean():.1f} of 255, white {white:.1%}".replace("%", " %"))
    changed |= white < 0.99
sys.exit("the behaviour has changed" if changed else 0)
PYTHON
