"""What consumers get: the vectors of the pipeline, for every kind of file that ingestion accepts."""

import dataclasses
import io
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components.contracts import records, signatures
from components.contracts.images import ImageConfig
from components.export import publishing, registry
from components.export.consumer import UnusableImageError, load_encoder
from components.export.image_files import decoding_settings
from components.ingestion.config import IngestionConfig, StoredFormat
from components.ingestion.decoding import decoder, stored_record
from components.ingestion.reading.source import SourceImage

DIGEST, OTHER_DIGEST = "a" * 64, "b" * 64
INGESTION = IngestionConfig(stored_short_side_px=16, min_side_px=8, max_file_bytes=2**20)
IMAGE = ImageConfig(size_px=12)


def push(
    root: pathlib.Path,
    folder: pathlib.Path,
    digest: str,
    ingestion: IngestionConfig = INGESTION,
    white_level: int | None = None,
) -> None:
    publishing.push(
        root,
        "encoder",
        folder,
        content_digest=digest,
        source="test",
        decoding=decoding_settings(ingestion, IMAGE, white_level),
        span=None,
        blessing=None,
        describe=lambda number: {registry.MODEL_CARD_FILE: "card"},
        lock_timeout_seconds=5,
    )


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory, saved_models):
    root = tmp_path_factory.mktemp("registry")
    push(root, saved_models[OTHER_DIGEST], OTHER_DIGEST)
    push(root, saved_models[DIGEST], DIGEST)
    return root


@pytest.fixture(scope="module")
def encoder(models_folder):
    return load_encoder(models_folder / "encoder")


def picture(mode: str = "RGB", width: int = 40, height: int = 24) -> Image.Image:
    """Structure in both directions, so that a turn or a mirror image gives another vector."""
    down, right = np.mgrid[0:height, 0:width]
    pixels = np.stack([255 * right / width, 255 * down / height, 120 + 60 * np.sin(right / 3)], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8)).convert(mode)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def with_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def deep_gray() -> bytes:
    down, right = np.mgrid[0:24, 0:40]
    return saved(Image.fromarray((right * 1600 + down * 3).astype(np.uint16)), "PNG")


FILES = {
    "jpeg": lambda: saved(picture(), "JPEG", quality=90),
    "gray jpeg": lambda: saved(picture("L"), "JPEG", quality=90),
    "cmyk jpeg": lambda: saved(picture("CMYK"), "JPEG", quality=90),
    "turned jpeg": lambda: saved(picture(), "JPEG", quality=90, exif=with_orientation(6)),
    "png": lambda: saved(picture(), "PNG"),
    "transparent png": lambda: saved(picture("RGBA"), "PNG"),
    "palette png": lambda: saved(picture("P"), "PNG"),
    "16-bit png": deep_gray,
    "webp": lambda: saved(picture(), "WEBP"),
    "gif": lambda: saved(picture("P"), "GIF"),
    "bmp": lambda: saved(picture(), "BMP"),
    "tiff": lambda: saved(picture(), "TIFF"),
    "ppm": lambda: saved(picture(), "PPM"),
}


def stored(encoded: bytes, ingestion: IngestionConfig) -> bytes:
    """The image in the record that ingestion writes for a file."""
    decoded = decoder.decode_image_bytes(encoded, decoder.decoding_rules(ingestion, IMAGE))
    [record] = stored_record.make_records([(decoded, SourceImage("a", encoded, None, None))], ingestion)
    return tf.train.Example.FromString(record.serialized).features.feature[records.IMAGE].bytes_list.value[0]


def test_every_format_is_covered():
    kinds = {Image.open(io.BytesIO(make())).format for make in FILES.values()}
    assert kinds == set(decoder.FORMATS)


@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_the_vector_of_its_stored_record(encoder, saved_models, name):
    encoded = FILES[name]()
    model = tf.saved_model.load(str(saved_models[DIGEST]))
    record = tf.constant([stored(encoded, INGESTION)])
    expected = model.signatures[signatures.EMBED](image=record)[signatures.REPRESENTATION].numpy()
    np.testing.assert_array_equal(encoder.embed([encoded]), expected)


def test_lossy_storage_is_repeated_too(tmp_path, saved_models):
    ingestion = IngestionConfig(stored_short_side_px=16, stored_format=StoredFormat.JPEG, jpeg_quality=30)
    push(tmp_path, saved_models[DIGEST], DIGEST, ingestion)
    encoder, encoded = load_encoder(tmp_path / "encoder"), FILES["png"]()
    assert encoder.prepare(encoded) == stored(encoded, ingestion)
    assert encoder.prepare(encoded) != stored(encoded, INGESTION)


def test_white_is_what_ingestion_found(tmp_path, saved_models):
    """The version carries the level, so that a consumer's image of 12 bits is as bright as those of training."""
    push(tmp_path, saved_models[DIGEST], DIGEST, white_level=4095)
    ramp = np.linspace(0, 4095, 24 * 40).astype(np.uint16).reshape(24, 40)
    encoded = saved(Image.fromarray(ramp), "PNG")
    encoder = load_encoder(tmp_path / "encoder")
    assert encoder.prepare(encoded) == stored(encoded, dataclasses.replace(INGESTION, white_level=4095))
    assert encoder.prepare(encoded) != stored(encoded, INGESTION)


def test_no_file_holds_a_consumer_up(encoder, tmp_path):
    """A pipe, a device without end and a large file are refused, each by itself; the others are embedded."""
    good = tmp_path / "good.png"
    good.write_bytes(FILES["png"]())
    os.mkfifo(tmp_path / "pipe.png")
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(INGESTION.max_file_bytes + 1)
    files = [tmp_path / "pipe.png", good, pathlib.Path("/dev/zero"), tmp_path / "large.png", good]
    [batch] = encoder.stream(files)
    assert batch.images == [good, good]
    assert [error.index for error in batch.refused] == [0, 2, 3]
    assert [str(error).split(": ")[1] for error in batch.refused] == [
        "a pipe, socket, folder or device, not a regular file",
        "a pipe, socket, folder or device, not a regular file",
        f"{INGESTION.max_file_bytes + 1} bytes, at most {INGESTION.max_file_bytes} expected",
    ]
    with pytest.raises(UnusableImageError, match=f"at most {INGESTION.max_file_bytes} expected"):
        encoder.embed([bytes(INGESTION.max_file_bytes + 1)])


def test_orientation_is_applied(encoder):
    upright, turned = encoder.embed([FILES["jpeg"](), FILES["turned jpeg"]()])
    assert np.abs(upright - turned).max() > 0.1


def test_paths_batches_and_order(encoder, tmp_path):
    paths = []
    for index, name in enumerate(FILES):
        paths.append(tmp_path / f"{index}.bin")  # no suffix helps
        paths[-1].write_bytes(FILES[name]())
    whole = encoder.embed(paths)
    assert (whole.shape, whole.dtype) == ((len(FILES), 8), np.float32)
    np.testing.assert_allclose(encoder.embed([str(path) for path in paths], batch_size=5), whole, rtol=1e-5)
    np.testing.assert_allclose(encoder.embed(paths[::-1]), whole[::-1], rtol=1e-5)
    assert encoder.embed([]).shape == (0, 8)


def test_projections(encoder, saved_models):
    images = [FILES["png"](), FILES["turned jpeg"]()]
    model = tf.saved_model.load(str(saved_models[DIGEST]))
    prepared = tf.constant([encoder.prepare(image) for image in images])
    expected = model.signatures[signatures.PROJECT](image=prepared)[signatures.PROJECTION].numpy()
    np.testing.assert_allclose(encoder.project(images), expected, rtol=1e-5)
    assert encoder.project([]).shape == (0, 4)


def test_the_keras_file_comes_with_the_version(encoder, saved_models):
    assert encoder.keras_file.read_bytes() == (saved_models[DIGEST] / signatures.ENCODER_FILE).read_bytes()


def test_classes(encoder):
    found = encoder.classify([make() for make in FILES.values()])
    assert found.class_names == encoder.class_names == ["cat", "dog", "hen"]
    assert found.scores.shape == (len(FILES), 3)
    np.testing.assert_allclose(found.scores.sum(axis=1), 1, rtol=1e-5)
    assert found.labels == [found.class_names[index] for index in np.argmax(found.scores, axis=1)]


def test_a_bad_image_is_named_with_its_place(encoder, tmp_path):
    good = FILES["png"]()
    with pytest.raises(UnusableImageError, match=r"image 2 \(9 bytes\): not one of JPEG") as caught:
        encoder.embed([good, good, b"not image"], batch_size=2)
    assert caught.value.index == 2
    with pytest.raises(UnusableImageError, match=r"image 0 \(.*missing\.png\): .*No such file"):
        encoder.embed([tmp_path / "missing.png"])


def test_names_lead_to_versions(models_folder):
    folder = models_folder / "encoder"
    assert load_encoder(folder).version == 2
    assert load_encoder(str(folder), alias="previous").content_digest == OTHER_DIGEST
    assert load_encoder(folder, alias="1").version == 1
    assert load_encoder(folder / "1").version == 1
    with pytest.raises(registry.RegistryError, match=r"did you mean .*/encoder"):
        load_encoder(models_folder)
    with pytest.raises(registry.RegistryError, match="has no version '7'"):
        load_encoder(folder, alias="7")


_WITHOUT_TFX = """
import sys
for name in ("tfx", "apache_beam", "ml_metadata", "tensorflow_transform", "jinja2"):
    sys.modules[name] = None  # importing it now fails
from components.export.consumer import load_encoder
encoder = load_encoder(sys.argv[1])
print(encoder.version, encoder.embed([sys.argv[2]]).tobytes().hex())
"""


def test_a_python_without_tfx_gets_the_same_vectors(models_folder, encoder, tmp_path):
    path = tmp_path / "image"
    path.write_bytes(FILES["webp"]())
    project = pathlib.Path(registry.__file__).parents[2]
    command = [sys.executable, "-c", _WITHOUT_TFX, str(models_folder / "encoder"), str(path)]
    found = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(project)}, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    version, vector = found.stdout.split()
    assert version == "2"
    np.testing.assert_allclose(np.frombuffer(bytes.fromhex(vector), np.float32), encoder.embed([path])[0], rtol=1e-5)
