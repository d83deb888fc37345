"""Pairs are found or the file that is wrong is named; image and mask show the same place."""

import numpy as np
import pytest
from PIL import Image

from components.contracts.images import Color, ImageConfig
from components.transfer import masked_images
from components.transfer.masked_images import MaskedImagesError, Pair

GRAY = ImageConfig(size_px=24, color=Color.GRAY, center_crop_fraction=1.0)


def write(folder, name, ids, image=None):
    for kind, pixels in (("images", ids * 40 if image is None else image), ("masks", ids)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / kind / f"{name}.png")
    return Pair(folder / "images" / f"{name}.png", folder / "masks" / f"{name}.png")


def blocks(height, width):
    return (np.arange(height)[:, None] // 12 * 2 + np.arange(width) // 12) % 6


def test_a_part_is_held_out_by_name_and_seed(tmp_path):
    for index in range(20):
        write(tmp_path, f"{index:02d}", blocks(8, 8))
    train, test = masked_images.find_pairs(tmp_path, 0.25, seed=0)
    assert (len(train), len(test)) == (15, 5)
    assert {pair.image for pair in train}.isdisjoint(pair.image for pair in test)
    assert all(pair.image.stem == pair.mask.stem for pair in train + test)
    assert masked_images.find_pairs(tmp_path, 0.25, seed=0) == (train, test)
    assert masked_images.find_pairs(tmp_path, 0.25, seed=1) != (train, test)


def test_train_and_test_folders_are_taken_as_they_are(tmp_path):
    write(tmp_path / "train", "a", blocks(8, 8))
    with pytest.raises(MaskedImagesError, match=r"test.images: expected a folder"):
        masked_images.find_pairs(tmp_path, 0.25, seed=0)
    write(tmp_path / "test", "b", blocks(8, 8))
    train, test = masked_images.find_pairs(tmp_path, 0.25, seed=0)
    assert [pair.image.stem for pair in train] == ["a"] and [pair.image.stem for pair in test] == ["b"]


def test_what_is_missing_is_named(tmp_path):
    pair = write(tmp_path, "a", blocks(8, 8))
    with pytest.raises(MaskedImagesError, match="at least two images are needed"):
        masked_images.find_pairs(tmp_path, 0.25, seed=0)
    write(tmp_path, "b", blocks(8, 8)).mask.unlink()
    with pytest.raises(MaskedImagesError, match=r"there is no mask of the same name for .*images.b\.png$"):
        masked_images.find_pairs(tmp_path, 0.25, seed=0)
    pair.image.unlink()
    write(tmp_path, "b", blocks(8, 8))
    with pytest.raises(MaskedImagesError, match=r"there is no image of the same name for .*masks.a\.png$"):
        masked_images.find_pairs(tmp_path, 0.25, seed=0)
    with pytest.raises(MaskedImagesError, match="expected a folder"):
        masked_images.find_pairs(tmp_path / "nowhere", 0.25, seed=0)
    (tmp_path / "images" / "b.jpg").write_bytes(b"")
    with pytest.raises(MaskedImagesError, match="have the same name but for the ending"):
        masked_images.find_pairs(tmp_path, 0.25, seed=0)


@pytest.mark.parametrize("fraction", [1.0, 0.5])
@pytest.mark.parametrize("size", [(48, 72), (72, 48), (24, 24)])
def test_image_and_mask_show_the_same_place(tmp_path, size, fraction):
    pair = write(tmp_path, "a", blocks(*size))
    config = ImageConfig(size_px=24, color=Color.GRAY, center_crop_fraction=fraction)
    pixels = masked_images.read_pixels(pair, lambda content: content, config, 24)
    mask = masked_images.read_mask(pair, fraction, 24)
    assert pixels.shape == (24, 24, 1) and mask.shape == (24, 24) and len(np.unique(mask)) >= 3
    assert (np.abs(pixels[..., 0] - mask * 40.0) < 25).mean() > 0.9  # but for the borders of blocks, which blur


def test_a_turned_photograph_is_measured_upright(tmp_path):
    pair = write(tmp_path, "a", blocks(24, 36))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((36, 24), np.uint8)).save(pair.image, exif=exif)
    assert masked_images.read_mask(pair, 1.0, 24).shape == (24, 24)


def test_what_is_wrong_with_a_file_is_said(tmp_path):
    pair = write(tmp_path, "a", blocks(24, 24), np.zeros((24, 30)))
    with pytest.raises(MaskedImagesError, match=r"a\.png is 24 x 24 px, but its image .*a\.png is 30 x 24 px"):
        masked_images.read_mask(pair, 1.0, 24)
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save(pair.mask)
    with pytest.raises(MaskedImagesError, match=r"a\.png: expected a PNG with one 8-bit channel .*found PNG RGB"):
        masked_images.read_mask(pair, 1.0, 24)
    pair.mask.write_bytes(b"no image")
    with pytest.raises(MaskedImagesError, match="cannot identify image file"):
        masked_images.read_mask(pair, 1.0, 24)

    def refuse(content):
        raise ValueError("not an image that ingestion accepts")

    with pytest.raises(MaskedImagesError, match=r"images.a\.png: not an image that ingestion accepts"):
        masked_images.read_pixels(pair, refuse, GRAY, 24)


def test_class_ids(tmp_path):
    pairs = [write(tmp_path, name, blocks(24, 24)) for name in "ab"]
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[0, 0, 0], masks[1, 0, 0] = 3, 255
    assert masked_images.number_of_classes(masks, None, 255) == 4
    assert masked_images.number_of_classes(masks, 7, 255) == 7
    with pytest.raises(MaskedImagesError, match=r"hold one class only, \[0\]"):
        masked_images.number_of_classes(masks[1:], None, 255)
    masked_images.require_ids(pairs, masks, 4, 255)
    with pytest.raises(MaskedImagesError, match=r"b\.png: class id 255 is out of range, expected 0 to 3$"):
        masked_images.require_ids(pairs, masks, 4, None)
    with pytest.raises(MaskedImagesError, match=r"a\.png: class id 3 is out of range, expected 0 to 2, or 255"):
        masked_images.require_ids(pairs, masks, 3, 255)
