"""The largest images that are allowed, and files that claim more: memory and time have a bound for each.

Each is decoded in a process of its own, because a process never reports less memory than it once had. Only
`make test-fuzz` runs them.
"""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.fuzz  # minutes

MAX_GROWTH_MIB = 1024
MAX_SECONDS = 30
SIDE = 8000  # 64 million pixels, the most that the default settings allow

# The child makes a file before it looks at its memory, so what making took counts for the start. The pictures are flat:
# a few kilobytes unpack to hundreds of megabytes.
CHILD = """
import io, json, resource, struct, sys, time, zlib
import numpy as np
from PIL import Image
from components.contracts.images import ImageConfig
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.decoder import decode_image_bytes, decoding_rules
from components.ingestion.decoding.refusals import RefusedImage

def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

def png(side, bits, kind, bytes_per_pixel):
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + side * bytes_per_pixel)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, bits, kind, 0, 0, 0)
    return b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")

def saved(mode, *arguments, **settings):
    buffer = io.BytesIO()
    Image.new(mode, (SIDE, SIDE)).save(buffer, *arguments, **settings)
    return buffer.getvalue()

def scans(number):
    encoded = saved("L", "JPEG", progressive=True)
    at = encoded.rindex(b"\\xff\\xda")
    return encoded[:at] + encoded[at:-2] * number + encoded[-2:]

SIDE = {side}
encoded = {make}
current = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
open("/proc/self/clear_refs", "w").write("5")  # the highest memory counts from here
rules = decoding_rules(IngestionConfig(), ImageConfig())
started = time.process_time()
try:
    decode_image_bytes(encoded, rules)
    outcome = "read"
except RefusedImage as refused:
    outcome = refused.reason.value
seconds = time.process_time() - started
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps([outcome, (int(peak) * 1024 - current) / 2**20, seconds]))
"""
FILES = {
    "gray PNG": ("png(SIDE, 8, 0, 1)", "read"),
    "PNG with transparency": ("png(SIDE, 8, 6, 4)", "read"),
    "gray PNG of 16 bits": ("png(SIDE, 16, 0, 2)", "read"),
    "gray PNG of 16 bits with transparency": ("png(SIDE, 16, 4, 4)", "read"),
    "PNG of 16 bits with transparency": ("png(SIDE, 16, 6, 8)", "read"),
    "JPEG": ('saved("RGB", "JPEG")', "read"),
    "CMYK JPEG": ('saved("CMYK", "JPEG")', "read"),
    "progressive JPEG of some more scans": ("scans(12)", "read"),
    "progressive JPEG of very many scans": ("scans(890)", "too_costly"),
    "WebP": ('saved("RGB", "WEBP", lossless=True, method=0)', "read"),
    "GIF": ('saved("P", "GIF")', "read"),
    "TIFF": ('saved("RGB", "TIFF", compression="tiff_adobe_deflate")', "read"),
    "TIFF of 16 bits": ('saved("I;16", "TIFF", compression="tiff_adobe_deflate")', "read"),
    "PNG that claims more": ("png(8001, 8, 0, 1)", "too_many_pixels"),
}


@pytest.mark.parametrize("name", FILES)
def test_memory_and_time_have_a_bound(name):
    make, expected = FILES[name]
    code = CHILD.replace("{side}", str(SIDE)).replace("{make}", make)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    outcome, mebibytes, seconds = json.loads(done.stdout)
    print(f"{name}: {outcome}, {mebibytes:.0f} MiB above the start, {seconds:.1f} s")
    assert outcome == expected
    assert mebibytes < MAX_GROWTH_MIB
    assert seconds < MAX_SECONDS
