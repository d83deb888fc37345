"""Names what a file is that is no image of a format that is read, by its first bytes, for the message to people."""

_AT_START = (
    (b"version https://git-lfs", "a pointer of Git LFS; fetch the file itself by `git lfs pull`"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\x01\0", "an icon"),
    (b"\x76\x2f\x31\x01", "an OpenEXR image"),
    (b"SIMPLE  =", "a FITS file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzipped file"),
    (b"FUJIFILMCCD", "a camera's raw file"),
    (b"IIRO", "a camera's raw file"),
    (b"IIRS", "a camera's raw file"),
    (b"IIU\0", "a camera's raw file"),
    (b"\0\x05\x16\x07", "an AppleDouble file, which a Mac wrote beside the file of that name"),
)
_BRANDS = {
    b"avif": "an AVIF image", b"avis": "an AVIF image", b"heic": "a HEIC image", b"heix": "a HEIC image",
    b"mif1": "a HEIF image", b"msf1": "a HEIF image", b"crx ": "a camera's raw file",
}  # fmt: skip
_DICOM_AT = 128


def kind_of(encoded: bytes) -> str:
    """What the file is, such as "an AVIF image"; empty if that is not known."""
    for start, kind in _AT_START:
        if encoded.startswith(start):
            return kind
    if encoded[4:8] == b"ftyp":
        return _BRANDS.get(encoded[8:12], "a video or an image in its container")
    if encoded[_DICOM_AT : _DICOM_AT + 4] == b"DICM":
        return "a DICOM file"
    text = encoded[:200].lstrip().lower()
    if text.startswith((b"<html", b"<!doctype html")):
        return "an HTML page, as servers send it in place of a file"
    return "an SVG drawing" if b"<svg" in text else ""
