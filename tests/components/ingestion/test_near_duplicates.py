import io

import numpy as np
import pytest
from PIL import Image

from components.ingestion.near_duplicates import bands_of, find_pairs, perceptual_hashes


def picture(make_photo, seed, size=(120, 90)):
    return Image.fromarray(make_photo(seed, size, cells=12))


def hash_of(image):
    pixels = np.asarray(image)
    [hash_] = perceptual_hashes([pixels.reshape(*pixels.shape[:2], -1)])
    return hash_


def distance(one, other):
    return bin(hash_of(one) ^ hash_of(other)).count("1")


def as_jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: as_jpeg(image, 40),
        lambda image: image.resize((image.width // 2, image.height // 2)),
        lambda image: image.resize((2 * image.width, 2 * image.height)),
        lambda image: image.convert("L"),
        lambda image: image.point(lambda value: round(value * 0.85)),
        lambda image: image.crop((1, 1, image.width, image.height)),
    ],
)
def test_copies_of_a_picture_have_nearly_its_hash(make_photo, change):
    for seed in range(12):
        image = picture(make_photo, seed)
        assert distance(image, change(image)) <= 6


def test_other_pictures_have_other_hashes(make_photo):
    images = [picture(make_photo, seed) for seed in range(40)]
    distances = [distance(one, other) for index, one in enumerate(images) for other in images[:index]]
    assert min(distances) > 6
    assert 25 < np.mean(distances) < 39
    assert min(distance(image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) for image in images) > 6


def test_the_hash_is_that_of_the_definition():
    """The DCT as a double sum over 32 x 32 pixels, bits in the order of rows, highest first."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    places = np.arange(32)
    amplitudes = [
        sum(
            pixels[y, x] * np.cos(np.pi * v * (2 * y + 1) / 64) * np.cos(np.pi * u * (2 * x + 1) / 64)
            for y in places
            for x in places
        )
        for v in range(8)
        for u in range(8)
    ]
    median = np.median(amplitudes[1:])
    expected = "".join("1" if amplitude > median else "0" for amplitude in amplitudes)
    assert f"{hash_of(pixels):064b}" == expected


def test_flat_images_have_no_hash():
    for level in (0, 128, 255):
        assert hash_of(np.full((30, 40, 3), level, np.uint8)) is None
    noise = np.random.default_rng(0).integers(127, 129, (200, 200), dtype=np.uint8)  # averages out
    assert hash_of(noise) is None


def near(hash_, bits, generator):
    for at in generator.choice(64, bits, replace=False):
        hash_ ^= 1 << int(at)
    return hash_


@pytest.mark.parametrize("max_bits", [0, 3, 6, 7])
def test_hashes_within_the_bound_share_a_band(max_bits):
    generator = np.random.default_rng(0)
    for _ in range(300):
        hash_ = int(generator.integers(0, 2**64, dtype=np.uint64))
        other = near(hash_, max_bits, generator)
        bands = list(bands_of(np.array([hash_, other], np.uint64), max_bits))
        assert len(bands) == max_bits + 1
        assert any(one == two for one, two in bands)


@pytest.mark.parametrize("block", [1, 2**18])
@pytest.mark.parametrize("max_bits", [0, 4, 7])
def test_the_bands_together_find_what_comparing_all_finds(monkeypatch, block, max_bits):
    monkeypatch.setattr("components.ingestion.near_duplicates._COMPARISONS_AT_ONCE", block)
    generator = np.random.default_rng(max_bits)
    test = generator.integers(0, 2**64, 40, dtype=np.uint64)
    hashes = [near(int(generator.choice(test)), bits % 12, generator) for bits in range(120)]
    hashes += [int(value) for value in generator.integers(0, 2**64, 200, dtype=np.uint64)]
    expected = {}
    for row, hash_ in enumerate(hashes):
        bits, first = min((bin(hash_ ^ int(other)).count("1"), index) for index, other in enumerate(test))
        if bits <= max_bits:
            expected[row] = (bits, first)
    found = {}
    for band in range(max_bits + 1):
        for row, test_row, bits in find_pairs(np.array(hashes, np.uint64), test, band, max_bits):
            found[row] = min(found.get(row, (64, 0)), (bits, test_row))
    assert found == expected
    assert len(expected) >= 10 * (max_bits + 1)
