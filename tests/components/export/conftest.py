"""A small real SavedModel with the signatures of the contracts."""

import pathlib

import numpy as np
import pytest

from . import model_registry_server

CLASSES = ["cat", "dog", "hen"]
SIZE_PX = 12


def save_model(folder: pathlib.Path, seed: int, content_digest: str) -> pathlib.Path:
    import tensorflow as tf

    from components.contracts import signatures
    from components.contracts.images import ImageConfig
    from components.contracts.record_files import write_record
    from tests.components.example_records import model_facts

    generator = np.random.default_rng(seed)

    class SmallEncoder(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(generator.normal(size=(SIZE_PX * SIZE_PX * 3, 8)).astype(np.float32))
            self.projection = tf.Variable(generator.normal(size=(8, 4)).astype(np.float32))
            self.head = tf.Variable(generator.normal(size=(8, len(CLASSES))).astype(np.float32))

        def represent(self, pixels):  # (n, h, w, 3) uint8 -> (n, 8)
            resized = tf.image.resize(tf.cast(pixels, tf.float32), (SIZE_PX, SIZE_PX))
            return tf.reshape(resized / 255, (-1, SIZE_PX * SIZE_PX * 3)) @ self.kernel

        def represent_bytes(self, encoded):
            def one(item):
                pixels = tf.io.decode_image(item, channels=3, expand_animations=False)
                pixels.set_shape((None, None, 3))
                return self.represent(pixels[tf.newaxis])[0]

            return tf.map_fn(one, encoded, fn_output_signature=tf.TensorSpec((8,), tf.float32))

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name=signatures.IMAGE_INPUT)])
        def embed(self, image):
            return {signatures.REPRESENTATION: self.represent_bytes(image)}

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name=signatures.IMAGE_INPUT)])
        def project(self, image):
            return {signatures.PROJECTION: self.represent_bytes(image) @ self.projection}

        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, name=signatures.PIXELS_INPUT)])
        def embed_pixels(self, pixels):
            return {signatures.REPRESENTATION: self.represent(pixels)}

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name=signatures.IMAGE_INPUT)])
        def classify(self, image):
            scores = tf.nn.softmax(self.represent_bytes(image) @ self.head)
            classes = tf.tile(tf.constant([CLASSES]), (tf.shape(scores)[0], 1))
            return {signatures.CLASSES: classes, signatures.SCORES: scores}

    module = SmallEncoder()
    tf.saved_model.save(
        module,
        str(folder),
        signatures={
            signatures.SERVING_DEFAULT: module.embed,
            signatures.EMBED: module.embed,
            signatures.PROJECT: module.project,
            signatures.EMBED_PIXELS: module.embed_pixels,
            signatures.CLASSIFY: module.classify,
        },
    )
    facts = model_facts(content_digest, tuple(CLASSES), 8, ImageConfig(size_px=SIZE_PX))
    (folder / "assets.extra").mkdir()
    (folder / signatures.ENCODER_FILE).write_bytes(b"a Keras file")
    write_record(str(folder / signatures.MODEL_FACTS_FILE), facts)
    pixels = generator.integers(0, 256, (3, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    images = [tf.io.encode_png(image).numpy() for image in pixels]
    np.savez(
        folder / signatures.GOLDEN_FILE,
        **{
            signatures.GOLDEN_IMAGE_BYTES: np.frombuffer(b"".join(images), np.uint8),
            signatures.GOLDEN_IMAGE_LENGTHS: np.array([len(image) for image in images]),
            signatures.GOLDEN_REPRESENTATIONS: module.embed(tf.constant(images))[signatures.REPRESENTATION].numpy(),
            signatures.GOLDEN_SCORES: module.classify(tf.constant(images))[signatures.SCORES].numpy(),
        },
    )
    return folder


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory) -> dict[str, pathlib.Path]:
    """Two models with different weights, by content digest."""
    root = tmp_path_factory.mktemp("models")
    return {digest: save_model(root / digest[:4], seed, digest) for seed, digest in enumerate(("a" * 64, "b" * 64))}


@pytest.fixture
def model_registry(monkeypatch):
    """A server of Kubeflow Model Registry, and the token it wants in the environment."""
    monkeypatch.setenv("SIMCLR_MODEL_REGISTRY_TOKEN", model_registry_server.TOKEN)
    running = model_registry_server.ModelRegistryServer()
    yield running
    running.stop()
    assert not running.complaints


@pytest.fixture
def root(tmp_path):
    return tmp_path / "registry"


@pytest.fixture
def models(tmp_path):
    """Folders that look like SavedModels; their content is all that matters here."""
    folders = {}
    for name in ("one", "two", "three"):
        folder = tmp_path / "models" / name
        (folder / "variables").mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(name.encode() * 1000)
        (folder / "variables" / "variables.data").write_bytes(name.encode() * 20_000)
        folders[name] = folder
    return folders
