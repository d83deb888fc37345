import dataclasses
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from components.contracts.images import Color, ImageConfig
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.decoder import Decoded, decode_image_bytes, decode_pixels, decoding_rules
from components.ingestion.decoding.refusals import Reason, RefusedImage

RULES = decoding_rules(IngestionConfig(), ImageConfig())
GRAY_RULES = dataclasses.replace(RULES, color=Color.GRAY)


def encode(image, image_format, **settings):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, image_format, **settings)
    return buffer.getvalue()


def refused(encoded, rules=RULES):
    with pytest.raises(RefusedImage) as caught:
        decode_image_bytes(encoded, rules)
    return caught.value


@pytest.mark.parametrize("image_format", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_formats_give_the_pixels(make_photo, image_format):
    pixels = make_photo(1)
    settings = {"lossless": True} if image_format == "WEBP" else {}
    decoded = decode_image_bytes(encode(pixels, image_format, **settings), RULES)
    np.testing.assert_array_equal(decoded.pixels, pixels)
    assert decoded.source_channels == 3


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP"])
def test_lossy_formats_come_close(make_photo, image_format):
    pixels = make_photo(1, (64, 48))
    decoded = decode_image_bytes(encode(pixels, image_format, quality=95), RULES)
    assert np.abs(decoded.pixels.astype(int) - pixels).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied_once(orientation, image_format):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16], upright[:16, 16:], upright[16:, :16] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    # What a camera stores so that turning it by the tag gives the upright picture (EXIF 2.3, table of Orientation).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    settings = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(image_format, {})
    if image_format == "TIFF":
        encoded = encode(np.ascontiguousarray(stored), "TIFF", tiffinfo={274: orientation})
    else:
        encoded = encode(np.ascontiguousarray(stored), image_format, exif=exif, **settings)
    pixels = decode_image_bytes(encoded, RULES).pixels
    assert pixels.shape == (32, 48, 3)
    np.testing.assert_allclose(pixels.astype(int), upright, atol=12)


def test_damaged_exif_is_ignored(make_photo):
    garbage = b"Exif\x00\x00" + bytes(range(7, 200))
    encoded = encode(make_photo(1), "JPEG", exif=garbage)
    assert decode_image_bytes(encoded, RULES).pixels.shape == (24, 20, 3)


def test_cmyk_is_not_inverted():
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixels = decode_image_bytes(encode(red, "JPEG", quality=100), RULES).pixels
    assert pixels[..., 0].min() > 240
    assert pixels[..., 1:].max() < 15


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (128, 0), (129, 1), (257 * 100, 100), (65407, 255), (65535, 255)]
)
def test_16_bit_gray_is_divided_by_257(value, expected):
    encoded = encode(np.full((10, 10), value, np.uint16), "PNG")
    decoded = decode_image_bytes(encoded, RULES)
    assert set(decoded.pixels.ravel()) == {expected}
    assert decoded.source_channels == 1


def test_a_transparent_value_of_16_bit_gray_is_laid_on_the_background():
    values = np.full((10, 10), 257 * 100, np.uint16)
    values[:5] = 257 * 100 + 1  # the same in 8 bits, but not transparent
    encoded = encode(values, "PNG", transparency=257 * 100)
    pixels = decode_image_bytes(encoded, dataclasses.replace(RULES, alpha_background=(10, 20, 30))).pixels
    assert pixels[:5].reshape(-1, 3).tolist() == [[100, 100, 100]] * 50
    assert pixels[5:].reshape(-1, 3).tolist() == [[10, 20, 30]] * 50


@pytest.mark.parametrize("color_type", [2, 4, 6])
def test_16_bit_colour_and_alpha_are_divided_by_257(color_type):
    """RGB, gray with alpha, RGBA: rounded, as gray is."""
    channels = {2: 3, 4: 2, 6: 4}[color_type]
    values = np.random.default_rng(0).integers(0, 65536, (12, 10, channels)).astype(">u2")
    values[:6] = values[:6] // 257 * 257
    if color_type in (4, 6):
        values[..., -1] = 65535
    decoded = decode_image_bytes(png_of(values, color_type), RULES)
    expected = values[..., :1].repeat(3, -1) if color_type == 4 else values[..., :3]
    np.testing.assert_array_equal(decoded.pixels, np.rint(expected / 257))
    assert decoded.largest == expected.max()
    assert decoded.source_channels == (1 if color_type == 4 else 3)


def test_a_transparent_colour_of_16_bits_is_laid_on_the_background():
    values = np.full((10, 10, 3), (200, 40000, 65535), ">u2")
    values[:5] = 257 * 100
    encoded = png_of(values, 2)
    start = encoded.index(b"IDAT") - 4
    key = struct.pack(">HHH", 200, 40000, 65535)
    chunk = struct.pack(">I", 6) + b"tRNS" + key + struct.pack(">I", zlib.crc32(b"tRNS" + key))
    rules = dataclasses.replace(RULES, alpha_background=(10, 20, 30))
    pixels = decode_image_bytes(encoded[:start] + chunk + encoded[start:], rules).pixels
    assert pixels[:5].reshape(-1, 3).tolist() == [[100, 100, 100]] * 50
    assert pixels[5:].reshape(-1, 3).tolist() == [[10, 20, 30]] * 50


def test_16_bit_tiff_and_pgm():
    values = np.full((10, 10), 257 * 77, np.uint16)
    pgm = b"P5 10 10 65535\n" + values.astype(">u2").tobytes()
    for encoded in (encode(values, "TIFF"), pgm):
        assert set(decode_image_bytes(encoded, RULES).pixels.ravel()) == {77}


def tiff(values, photometric=1, *, compression=1, planar=1, bits=None, sample_format=1, extra=(), tags=(), order="<"):
    """A TIFF of (h, w, bands) in one strip, or one for each band; ``tags`` are further (tag, values) of 4 bytes."""
    height, width, bands = values.shape
    planes = [values] if planar == 1 else list(np.moveaxis(values, 2, 0))
    packed = [plane.astype(values.dtype.newbyteorder(order)).tobytes() for plane in planes]
    packed = [zlib.compress(each) if compression == 8 else each for each in packed]
    offsets = [8 + sum(map(len, packed[:at])) for at in range(len(packed))]
    fields = {
        256: [width], 257: [height], 258: [bits or values.dtype.itemsize * 8] * bands, 259: [compression],
        262: [photometric], 273: offsets, 277: [bands], 278: [height], 279: [len(each) for each in packed],
        284: [planar], 339: [sample_format] * bands, **({338: list(extra)} if extra else {}), **dict(tags),
    }  # fmt: skip
    body = b"".join(packed)
    body += b"\0" * (len(body) % 2)
    table, blob = [], b""
    for tag, found in sorted(fields.items()):
        content = struct.pack(f"{order}{len(found)}I", *found)
        if len(content) > 4:
            blob += content
            content = struct.pack(f"{order}I", 8 + len(body) + len(blob) - len(content))
        table.append(struct.pack(f"{order}HHI", tag, 4, len(found)) + content)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(f"{order}H", len(table)) + b"".join(table) + b"\0\0\0\0"
    return mark + struct.pack(f"{order}I", 8 + len(body) + len(blob)) + body + blob + directory


def test_white_is_zero_of_16_bits_is_inverted():
    values = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16, 1)
    decoded = decode_image_bytes(tiff(values, 0), GRAY_RULES)
    np.testing.assert_array_equal(decoded.pixels, 255 - values // 257)


def test_a_tiff_of_12_bits_uses_its_whole_range():
    """Pillow gives 0 to 4095, so white would be almost black."""
    values = (np.arange(256) * 4095 // 255).reshape(16, 16)
    packed = np.stack(
        [values[:, ::2] >> 4, (values[:, ::2] & 15) << 4 | values[:, 1::2] >> 8, values[:, 1::2] & 255], -1
    )
    encoded = tiff(packed.reshape(16, 24, 1).astype(np.uint8), bits=12, tags=[(256, [16])])
    decoded = decode_image_bytes(encoded, GRAY_RULES)
    np.testing.assert_allclose(decoded.pixels.ravel().astype(int), np.arange(256), atol=1)
    assert decoded.largest is None  # the file says which value is white


@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_16_bit_colour_tiffs(planar, order, orientation):
    """Pillow takes the planes of an uncompressed file for 8 bits."""
    values = np.random.default_rng(0).integers(0, 65536, (20, 24, 3)).astype(np.uint16)
    encoded = tiff(values, 2, planar=planar, order=order, tags=[(274, [orientation])])
    expected = np.rint(values / 257) if orientation == 1 else np.rot90(np.rint(values / 257), -1)
    np.testing.assert_array_equal(decode_image_bytes(encoded, RULES).pixels, expected)


def test_other_16_bit_colour_tiffs():
    values = np.random.default_rng(0).integers(0, 65536, (20, 24, 4)).astype(np.uint16)
    expected = np.rint(values[..., :3] / 257)
    for encoded in (tiff(values, 2, extra=[0]), tiff(values[..., :3], 2, compression=8)):
        np.testing.assert_array_equal(decode_image_bytes(encoded, RULES).pixels, expected)
    values[..., 3] = 65535
    for compression in (1, 8):
        encoded = tiff(values, 2, extra=[2], compression=compression)
        np.testing.assert_array_equal(decode_image_bytes(encoded, RULES).pixels, expected)


@pytest.mark.parametrize("white", [1023, 4095, 65535])
def test_the_white_level_becomes_255(white):
    """Gray, colour and arrays alike; values above are cut."""
    rules = dataclasses.replace(RULES, white_level=white)
    gray = np.linspace(0, white, 256).round().astype(np.uint16).reshape(16, 16)
    gray[0, 1] = 65535
    expected = np.minimum(np.rint(gray * (255 / white)), 255)[..., None].repeat(3, -1)
    colour = gray[..., None].repeat(3, -1)
    for decoded in (
        decode_image_bytes(encode(gray, "PNG"), rules),
        decode_image_bytes(png_of(colour.astype(">u2"), 2), rules),
        decode_image_bytes(tiff(colour, 2, planar=2), rules),
        decode_pixels(gray, rules),
    ):
        np.testing.assert_array_equal(decoded.pixels, expected)
        assert decoded.largest == 65535
    eight = decode_image_bytes(encode(np.full((16, 16), 9, np.uint8), "PNG"), rules)
    assert (eight.largest, set(eight.pixels.ravel())) == (None, {9})


def two_pages(first, second):
    """Two TIFFs as the pages of one; the second follows in the chain."""
    shift = len(first)
    head = struct.unpack("<I", second[4:8])[0]
    number = struct.unpack_from("<H", second, head)[0]
    moved = bytearray(second)
    for at in range(head + 2, head + 2 + 12 * number, 12):
        tag, _, count, value = struct.unpack_from("<HHII", moved, at)
        if count > 1 or tag == 273:
            struct.pack_into("<I", moved, at + 8, value + shift)
            if tag == 273 and count > 1:
                raise NotImplementedError
    joined = bytearray(first + moved)
    struct.pack_into("<I", joined, len(first) - 4, head + shift)
    return bytes(joined)


def test_a_page_that_is_a_small_copy_is_no_picture(make_photo):
    small, full = make_photo(1, (20, 24)), make_photo(2, (40, 48))
    reduced = tiff(small, 2, tags=[(254, [1])])
    np.testing.assert_array_equal(decode_image_bytes(two_pages(reduced, tiff(full, 2)), RULES).pixels, full)
    np.testing.assert_array_equal(decode_image_bytes(two_pages(tiff(full, 2), reduced), RULES).pixels, full)
    refusal = refused(reduced)
    assert refusal.reason is Reason.UNSUPPORTED_PIXELS
    assert "small copies of a picture only" in str(refusal)


def test_raw_files_of_cameras_are_refused(make_photo):
    """Their first page is a small JPEG or RGB picture, and reads like any other."""
    small = make_photo(1)
    digital_negative = tiff(small, 2, tags=[(50706, [1])])
    sensor = two_pages(tiff(small, 2), tiff(small[..., :1], 32803))
    canon = bytearray(two_pages(tiff(small, 2), tiff(small, 2)))
    canon[8:10] = b"CR"
    for encoded in (digital_negative, sensor, bytes(canon)):
        refusal = refused(encoded)
        assert refusal.reason is Reason.UNSUPPORTED_PIXELS
        assert "a camera's raw file" in str(refusal)


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (lambda: tiff(np.zeros((16, 16, 13), np.uint16)), "a TIFF of 13 bands of 16 bits; gray, colour"),
        (lambda: tiff(np.zeros((16, 16, 13), np.uint16), compression=8, planar=2), "a TIFF of 13 bands of 16 bits; "),
        (lambda: tiff(np.zeros((16, 16, 3), np.uint8)), "a TIFF of 3 bands of 8 bits; gray, colour"),
        (lambda: tiff(np.zeros((16, 16, 7), np.uint8), 2, extra=[0] * 4), "a TIFF of 7 bands of 8 bits"),
        (lambda: tiff(np.zeros((16, 16, 3), np.uint16), 2, compression=8, planar=2), "compressed band by band"),
        (lambda: tiff(np.zeros((16, 16, 1), np.int16), sample_format=2), "one band of 16 bits with a sign; 8-bit or"),
        (lambda: tiff(np.zeros((16, 16, 1), np.float32), sample_format=3), "32 bits as floating-point numbers; 8-bit"),
        (lambda: tiff(np.zeros((16, 16, 1), np.uint16), sample_format=3), "16 bits as floating-point numbers; 8-bit"),
        (lambda: tiff(np.zeros((16, 16, 1), np.uint16), bits=10), "one band of 10 bits, which cannot be read"),
        (lambda: tiff(np.zeros((16, 16, 3), np.uint8), 2, compression=50001), "compressed by WebP (50001), which"),
        (lambda: tiff(np.zeros((16, 16, 1), np.uint8), compression=34887), "compressed by LERC (34887), which"),
    ],
)
def test_a_tiff_that_is_not_read_is_described(encoded, message):
    refusal = refused(encoded())
    assert refusal.reason is Reason.UNSUPPORTED_PIXELS
    assert message in str(refusal)


def test_1_bit_becomes_0_and_255():
    checks = np.indices((16, 16)).sum(axis=0) % 2 == 1
    pixels = decode_image_bytes(encode(Image.fromarray(checks), "PNG"), RULES).pixels
    np.testing.assert_array_equal(pixels, np.where(checks, 255, 0)[..., np.newaxis].repeat(3, -1))


def test_palette_is_expanded(make_photo):
    palette = Image.fromarray(make_photo(3)).quantize(8)
    np.testing.assert_array_equal(
        decode_image_bytes(encode(palette, "PNG"), RULES).pixels, np.asarray(palette.convert("RGB"))
    )


def test_a_palette_of_grays_counts_as_gray():
    gray = Image.new("P", (16, 16), 1)
    gray.putpalette([0, 0, 0, 90, 90, 90])
    assert decode_image_bytes(encode(gray, "PNG"), RULES).source_channels == 1
    gray.putpalette([0, 0, 0, 90, 90, 91])
    assert decode_image_bytes(encode(gray, "PNG"), RULES).source_channels == 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB key", "L key"])
def test_transparency_is_laid_on_the_background(mode):
    rules = dataclasses.replace(RULES, alpha_background=(10, 20, 30))
    if mode == "P":
        image = Image.new("P", (16, 16), 1)
        image.putpalette([0, 0, 0, 200, 0, 0])
        encoded = encode(image, "PNG", transparency=1)
    elif mode.endswith("key"):
        color = (200, 0, 0) if mode == "RGB key" else 200
        encoded = encode(Image.new(mode.split()[0], (16, 16), color), "PNG", transparency=color)
    else:
        encoded = encode(Image.new(mode, (16, 16), (200, 0, 0, 0) if mode == "RGBA" else (200, 0)), "PNG")
    pixels = decode_image_bytes(encoded, rules).pixels
    assert pixels.reshape(-1, 3).tolist() == [[10, 20, 30]] * 256


def test_half_transparent_is_half_way():
    image = Image.new("RGBA", (16, 16), (200, 100, 0, 128))
    rules = dataclasses.replace(RULES, alpha_background=(0, 0, 0))
    np.testing.assert_allclose(decode_image_bytes(encode(image, "PNG"), rules).pixels[0, 0], (100, 50, 0), atol=1)


def test_first_frame_of_animations(make_photo):
    first, second = Image.fromarray(make_photo(1)), Image.fromarray(make_photo(2))
    for image_format, settings in (("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {})):
        encoded = encode(first, image_format, save_all=True, append_images=[second], **settings)
        np.testing.assert_array_equal(decode_image_bytes(encoded, RULES).pixels, np.asarray(first))
    gif = encode(first.quantize(16), "GIF", save_all=True, append_images=[second.quantize(16)])
    assert decode_image_bytes(gif, RULES).pixels.shape == (24, 20, 3)


def test_gray_config_gives_one_channel(make_photo):
    pixels = make_photo(1)
    decoded = decode_image_bytes(encode(pixels, "PNG"), GRAY_RULES)
    luma = pixels @ np.array([0.299, 0.587, 0.114])  # ITU-R 601
    assert decoded.pixels.shape == (24, 20, 1)
    assert decoded.source_channels == 3
    np.testing.assert_allclose(decoded.pixels[..., 0], luma, atol=1)


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (1200, 900), (257, 256), (256, 256), (100, 90)])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_shrinks_to_the_short_side_and_never_enlarges(make_photo, size, image_format):
    height, width = size
    scale = min(1, 256 / min(size))
    decoded = decode_image_bytes(encode(make_photo(1, size), image_format), RULES)
    assert decoded.pixels.shape == (round(height * scale), round(width * scale), 3)


def test_shrinking_is_antialiased():
    stripes = np.zeros((1024, 1024), np.uint8)
    stripes[:, ::2] = 255  # too fine to be shown at a quarter of the size: a mean gray must come out
    pixels = decode_image_bytes(encode(stripes, "PNG"), RULES).pixels
    assert pixels.shape == (256, 256, 3)
    np.testing.assert_allclose(pixels[:, 2:-2], 127.5, atol=1)


def test_a_shrunk_jpeg_looks_like_the_picture(make_photo):
    pixels = make_photo(5, (1030, 1546))  # sides that 1/2 and 1/4 do not divide
    encoded = encode(pixels, "JPEG", quality=98, subsampling=0)
    expected = np.asarray(Image.fromarray(pixels).resize((384, 256), Image.Resampling.BICUBIC), np.int64)
    decoded = decode_image_bytes(encoded, RULES).pixels
    assert decoded.shape == (256, 384, 3)
    assert np.abs(decoded - expected).mean() < 1.5


def test_orientation_and_shrinking_go_together(make_photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    encoded = encode(make_photo(5, (600, 900)), "JPEG", exif=exif)
    assert decode_image_bytes(encoded, RULES).pixels.shape == (384, 256, 3)


def test_metadata_does_not_reach_the_result(make_photo):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    decoded = decode_image_bytes(encode(make_photo(1), "JPEG", comment=b"secret", icc_profile=profile), RULES)
    assert decoded.image.info == {}


def png(width, height, bit_depth=8, color_type=2, rows=b"\0" * 9):
    """A PNG with this header; by default it claims a size it does not have."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, bit_depth, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png_of(values, color_type):
    """A PNG of (h, w, c) big-endian 16-bit values, no row filtered."""
    height, width = values.shape[:2]
    return png(width, height, 16, color_type, b"".join(b"\0" + row.tobytes() for row in values))


@pytest.mark.parametrize("size", [(8001, 8000), (12000, 12000), (20000, 20000), (65500, 65500)])
def test_too_many_pixels_are_refused_by_the_header(size):
    assert refused(png(*size)).reason is Reason.TOO_MANY_PIXELS


def test_webp_canvas_is_checked_before_it_is_opened(monkeypatch):
    opened = []
    monkeypatch.setattr(Image, "open", lambda *args, **kwargs: opened.append(args))
    extended = b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (16382).to_bytes(3, "little") * 2
    lossless = b"RIFF\x20\0\0\0WEBPVP8L\x0a\0\0\0\x2f" + (16382 | 16382 << 14).to_bytes(4, "little") + b"\0" * 8
    lossy = b"RIFF\x20\0\0\0WEBPVP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383)
    for encoded in (extended, lossless, lossy):
        refusal = refused(encoded)
        assert refusal.reason is Reason.TOO_MANY_PIXELS
        assert "16383x16383" in str(refusal)
    assert opened == []


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ((7, 30), Reason.TOO_SMALL),
        ((1, 1), Reason.TOO_SMALL),
        ((8, 161), Reason.TOO_ELONGATED),
        ((400, 8), Reason.TOO_ELONGATED),
    ],
)
def test_small_and_elongated_images_are_refused(make_photo, size, reason):
    refusal = refused(encode(make_photo(1, size), "PNG"))
    assert refusal.reason is reason
    assert f"{size[1]}x{size[0]}" in str(refusal)


def test_limits_themselves_are_allowed(make_photo):
    assert decode_image_bytes(encode(make_photo(1, (8, 160)), "PNG"), RULES).pixels.shape == (8, 160, 3)


def test_unknown_content_is_refused(make_photo):
    jpeg = encode(make_photo(1), "JPEG")
    for content in (b"plain text", b"PK\x03\x04" + b"\0" * 60, b"<html>no</html>", b"\0" * 512 + jpeg):
        assert refused(content).reason is Reason.UNKNOWN_FORMAT
    assert refused(b"").reason is Reason.EMPTY_FILE


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<html>expired link</html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        (b"\0\0\0\x20ftypavif" + bytes(300), "an AVIF image, not one of JPEG, PNG"),
        (b"\0\0\0\x18ftypheic" + bytes(300), "a HEIC image"),
        (bytes(128) + b"DICM" + bytes(400), "a DICOM file"),
        (b"just text", "not one of JPEG, PNG"),
    ],
)
def test_what_is_no_image_is_named(content, kind):
    refusal = refused(content)
    assert refusal.reason is Reason.UNKNOWN_FORMAT
    assert str(refusal).startswith(kind)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_files_are_refused(make_photo, image_format):
    image = Image.fromarray(make_photo(1, (200, 200)))
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))
    image = Image.blend(image, noise, 0.5)
    encoded = encode(image.quantize(256) if image_format == "GIF" else image, image_format)
    assert decode_image_bytes(encoded, RULES).pixels.shape == (200, 200, 3)
    assert refused(encoded[: len(encoded) // 2]).reason in (Reason.TRUNCATED, Reason.CORRUPT, Reason.UNKNOWN_FORMAT)


def test_a_wrong_checksum_of_pixel_data_is_refused(make_photo):
    encoded = bytearray(encode(make_photo(1), "PNG"))
    at = (
        encoded.index(b"IDAT")
        + 4
        + struct.unpack(">I", encoded[encoded.index(b"IDAT") - 4 : encoded.index(b"IDAT")])[0]
    )
    encoded[at] ^= 1  # first byte of the checksum; the pixels are as they were
    assert refused(bytes(encoded)).reason is Reason.CORRUPT


def png_chunk(name, content, damage=0):
    checksum = zlib.crc32(name + content) ^ damage
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


@pytest.mark.parametrize(
    "chunk",
    [
        png_chunk(b"iCCP", b"large\0\0" + zlib.compress(b"\0" * 3_000_000)),
        png_chunk(b"zTXt", b"large\0\0" + zlib.compress(b"a" * 3_000_000)),
        png_chunk(b"tEXt", b"damaged\0text", damage=1),
        png_chunk(b"iCCP", b"damaged"),
        png_chunk(b"eXIf", b"damaged", damage=1),
        png_chunk(b"abCd", b"unknown"),
    ],
)
def test_chunks_without_pixels_decide_nothing(make_photo, chunk):
    pixels = make_photo(1)
    encoded = encode(pixels, "PNG")
    at = encoded.index(b"IDAT") - 4
    for damaged in (encoded[:at] + chunk + encoded[at:], encoded[:-12] + chunk + encoded[-12:], encoded[:-12]):
        np.testing.assert_array_equal(decode_image_bytes(damaged, RULES).pixels, pixels)


def test_damage_in_pixels_and_palette_is_refused(make_photo):
    palette = encode(Image.fromarray(make_photo(3)).quantize(8), "PNG")
    for name, encoded in ((b"PLTE", palette), (b"IHDR", palette), (b"IDAT", palette)):
        damaged = bytearray(encoded)
        damaged[encoded.index(name) + 5] ^= 1
        assert refused(bytes(damaged)).reason is Reason.CORRUPT
    assert refused(palette[: palette.index(b"IDAT") + 10]).reason is Reason.TRUNCATED


def many_scans(make_photo, number):
    """A progressive JPEG whose last scan is repeated."""
    encoded = encode(make_photo(1, (64, 48)), "JPEG", progressive=True)
    at = encoded.rindex(b"\xff\xda")
    return encoded[:at] + encoded[at:-2] * number + encoded[-2:]


def test_a_jpeg_of_very_many_scans_is_refused(make_photo):
    assert decode_image_bytes(many_scans(make_photo, 50), RULES).pixels.shape == (64, 48, 3)
    refusal = refused(many_scans(make_photo, 2000))
    assert refusal.reason is Reason.TOO_COSTLY
    assert "scans of 48x64 pixels" in str(refusal)


def test_a_tile_larger_than_allowed_is_refused():
    encoded = tiff(np.zeros((16, 16, 1), np.uint8), tags=[(322, [60000]), (323, [60000])])
    refusal = refused(encoded)
    assert refusal.reason is Reason.TOO_MANY_PIXELS
    assert "tiles of 3600000000 pixels" in str(refusal)


def test_trailing_bytes_are_ignored(make_photo):
    encoded = encode(make_photo(1), "JPEG")
    np.testing.assert_array_equal(
        decode_image_bytes(encoded + b"\xaa" * 4096, RULES).pixels, decode_image_bytes(encoded, RULES).pixels
    )


def test_floats_and_32_bit_integers_are_refused():
    for pixels in (np.full((16, 16), np.nan, np.float32), np.ones((16, 16), np.int32)):
        refusal = refused(encode(pixels, "TIFF"))
        assert refusal.reason is Reason.UNSUPPORTED_PIXELS
        assert "8-bit or 16-bit expected" in str(refusal)


@pytest.mark.parametrize("shape", [(24, 20), (24, 20, 1)])
def test_gray_arrays(make_photo, shape):
    pixels = make_photo(1, gray=True)
    decoded = decode_pixels(pixels.reshape(shape), RULES)
    np.testing.assert_array_equal(decoded.pixels, pixels[..., np.newaxis].repeat(3, -1))
    assert decoded.source_channels == 1
    np.testing.assert_array_equal(decode_pixels(pixels.reshape(shape), GRAY_RULES).pixels[..., 0], pixels)


def test_colour_and_16_bit_arrays(make_photo):
    pixels = make_photo(1)
    assert isinstance(decode_pixels(pixels, RULES), Decoded)
    np.testing.assert_array_equal(decode_pixels(pixels, RULES).pixels, pixels)
    gray = make_photo(1, gray=True)
    np.testing.assert_array_equal(decode_pixels(gray.astype(np.uint16) * 257, GRAY_RULES).pixels[..., 0], gray)


@pytest.mark.parametrize("pixels", [np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9), np.float32), np.zeros(9, np.uint8)])
def test_other_arrays_are_refused(pixels):
    with pytest.raises(RefusedImage, match="expected, found") as caught:
        decode_pixels(pixels, RULES)
    assert caught.value.reason is Reason.UNSUPPORTED_PIXELS


def test_array_and_file_of_the_same_picture_agree(make_photo):
    pixels = make_photo(1, (300, 500))
    np.testing.assert_array_equal(
        decode_pixels(pixels, RULES).pixels, decode_image_bytes(encode(pixels, "PNG"), RULES).pixels
    )
