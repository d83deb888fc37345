"""The served model answers as the measured one did, and needs nothing but TensorFlow."""

import dataclasses
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.contracts import artifact_files, signatures
from components.contracts.model_facts import ModelFacts
from components.contracts.record_files import read_record
from components.features import extraction
from components.linear_evaluation import saved_model
from components.linear_evaluation.logistic_regression import LinearHead
from components.preprocessing import moments
from tests.components.labelled_shapes import CLASSES, IMAGE_CONFIG, draw_image, small_encoder, small_projection_head

# A consumer: TensorFlow and NumPy, nothing else of what is installed, and not this project.
CONSUMER = """
import importlib.abc, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("components", "pipeline", "tfx", "tensorflow_transform", "apache_beam"):
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Refuse())
import numpy as np
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
golden = np.load(sys.argv[1] + "/assets.extra/golden.npz")
ends = np.cumsum(golden["image_lengths"])
images = [golden["image_bytes"][end - length:end].tobytes() for end, length in zip(ends, golden["image_lengths"])]
given = {
    name: {key: value.numpy() for key, value in model.signatures[name](image=tf.constant(images)).items()}
    for name in ("serving_default", "embed", "classify")
}
for name in ("serving_default", "embed"):
    np.testing.assert_allclose(given[name]["representation"], golden["representations"], rtol=1e-4, atol=1e-5)
np.testing.assert_allclose(given["classify"]["scores"], golden["scores"], rtol=1e-4, atol=1e-5)
pixels = np.stack([tf.io.decode_png(image).numpy() for image in images])
embedded = model.signatures["embed_pixels"](pixels=tf.constant(pixels))["representation"].numpy()
np.testing.assert_allclose(embedded, golden["representations"], rtol=1e-3, atol=1e-4)
print("same", len(images), given["classify"]["classes"][0].tolist())
"""


def make_head(width: int, classes: int) -> LinearHead:
    rng = np.random.default_rng(0)
    return LinearHead(rng.normal(size=(width, classes)).astype(np.float32), rng.normal(size=classes).astype(np.float32))


def make_golden(parts: saved_model.ServedParts, workplace, count: int) -> saved_model.GoldenImages:
    """Golden images as evaluation sees them: through the transform graph."""
    rng = np.random.default_rng(5)
    encoded = [tf.io.encode_png(draw_image("disc", rng)).numpy() for _ in range(count)]
    prepared = extraction.Preparation(str(workplace.transform_graph_dir))(tf.constant(encoded))
    return saved_model.GoldenImages(encoded, prepared.numpy(), parts.encoder(prepared).numpy())


@pytest.fixture(scope="module")
def parts(workplace):
    graph = str(workplace.transform_graph_dir)
    mean, std = moments.channel_moments(graph)
    encoder = keras.saving.load_model(workplace.encoder_dir / artifact_files.ENCODER_FILE, compile=False)
    head = keras.saving.load_model(workplace.encoder_dir / artifact_files.PROJECTION_HEAD_FILE, compile=False)
    return saved_model.ServedParts(encoder, head, make_head(16, 3), mean, std, list(CLASSES), IMAGE_CONFIG)


@pytest.fixture(scope="module")
def exported(parts, workplace, tmp_path_factory):
    directory = tmp_path_factory.mktemp("exported") / "model"
    (directory / "variables").mkdir(parents=True)
    (directory / "variables" / "leftover").write_text("of a killed attempt")
    return directory, saved_model.export(parts, make_golden(parts, workplace, 3), str(directory))


def test_a_process_with_tensorflow_alone_gets_the_stored_vectors(exported, tmp_path):
    directory, _ = exported
    answer = subprocess.run(
        [sys.executable, "-I", "-c", CONSUMER, str(directory)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("same 3 [b'disc', b'frame', b'stripes']")


# Someone who trains the encoder further: Keras, and of this project nothing.
FINE_TUNER = """
import sys
import keras, numpy as np

assert not [name for name in sys.modules if name.startswith(("components", "pipeline", "tfx"))]
pixels, expected = (np.load(path) for path in sys.argv[2:])
encoder = keras.saving.load_model(sys.argv[1])
np.testing.assert_allclose(encoder.predict(pixels, verbose=0), expected, rtol=1e-3, atol=1e-4)
model = keras.Sequential([encoder, keras.layers.Dense(2, kernel_initializer=keras.initializers.GlorotUniform(seed=1))])
model.compile(keras.optimizers.SGD(0.003), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
before = [np.array(variable) for variable in encoder.trainable_variables]
labels = np.arange(len(pixels)) % 2
losses = [float(model.train_on_batch(pixels, labels)) for _ in range(3)]
assert losses[2] < losses[1] < losses[0], losses
moved = [not np.array_equal(a, np.asarray(b)) for a, b in zip(before, encoder.trainable_variables)]
del moved[1]  # a bias before BatchNorm, which nothing but rounding moves
print("trained", len(moved), all(moved))
"""


def test_the_encoder_is_fine_tuned_without_this_project(exported, tmp_path):
    directory, _ = exported
    pixels = np.random.default_rng(2).integers(0, 256, (8, 12, 12, 1), dtype=np.uint8)
    expected = tf.saved_model.load(str(directory)).signatures[signatures.EMBED_PIXELS](pixels=tf.constant(pixels))
    arguments = [tmp_path / "pixels.npy", tmp_path / "expected.npy"]
    np.save(arguments[0], pixels.astype(np.float32))
    np.save(arguments[1], expected[signatures.REPRESENTATION].numpy())
    command = [sys.executable, "-I", "-c", FINE_TUNER, str(directory / signatures.ENCODER_FILE), *map(str, arguments)]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "trained 5 True"


def test_signatures_are_as_promised(parts, exported):
    directory, _ = exported
    loaded = tf.saved_model.load(str(directory))
    assert set(loaded.signatures) == {"serving_default", "embed", "project", "classify", "embed_pixels"}
    rng = np.random.default_rng(1)
    drawn = [draw_image(label, rng) for label in CLASSES]
    images = tf.constant([tf.io.encode_png(pixels).numpy() for pixels in drawn])
    answer = loaded.signatures[signatures.CLASSIFY](image=images)
    assert set(answer) == {"classes", "scores"} and answer["scores"].dtype == tf.float32
    representation = loaded.signatures[signatures.EMBED](image=images)[signatures.REPRESENTATION].numpy()
    projection = loaded.signatures[signatures.PROJECT](image=images)[signatures.PROJECTION]
    assert projection.shape == (3, 6) and projection.dtype == tf.float32
    np.testing.assert_allclose(projection, parts.projection_head(representation), rtol=1e-4, atol=1e-5)
    logits = representation @ parts.head.kernel + parts.head.bias
    np.testing.assert_allclose(answer["scores"], tf.nn.softmax(logits), atol=1e-5)
    assert answer["classes"].numpy().tolist() == [[name.encode() for name in CLASSES]] * 3
    from_pixels = loaded.signatures[signatures.EMBED_PIXELS](pixels=tf.constant(np.stack(drawn)))
    np.testing.assert_allclose(from_pixels[signatures.REPRESENTATION], representation, rtol=1e-3, atol=1e-4)
    larger = loaded.signatures[signatures.EMBED_PIXELS](pixels=tf.zeros((2, 40, 31, 1), tf.uint8))
    assert larger[signatures.REPRESENTATION].shape == (2, 16)
    jpeg = tf.io.encode_jpeg(drawn[0], quality=100)
    close = loaded.signatures[signatures.EMBED](image=jpeg[tf.newaxis])[signatures.REPRESENTATION].numpy()
    np.testing.assert_allclose(close[0], representation[0], atol=0.1 * np.abs(representation).max())


def encoded_images(count: int) -> list[bytes]:
    """PNG and JPEG in turn, gray and colour, of two sizes."""
    rng = np.random.default_rng(3)
    images = []
    for index in range(count):
        pixels = draw_image(CLASSES[index % 3], rng)[: 16 - index % 5]
        pixels = np.repeat(pixels, 3, axis=2) if index % 4 == 3 else pixels
        images.append((tf.io.encode_jpeg if index % 2 else tf.io.encode_png)(pixels).numpy())
    return images


def test_a_server_answers_batches_of_any_size_as_it_answers_single_images(exported):
    """Run as TensorFlow Serving does: a session, the signature's own tensors, no Python code of the model."""
    directory, _ = exported
    images = encoded_images(256)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], str(directory))
        signature = loaded.signature_def[signatures.SERVING_DEFAULT]
        name = signature.outputs[signatures.REPRESENTATION].name
        image = signature.inputs[signatures.IMAGE_INPUT].name
        singly = np.concatenate([session.run(name, {image: [content]}) for content in images])
        assert singly.shape == (256, 16) and len(np.unique(singly.round(4), axis=0)) > 250
        for size in (2, 3, 8, 31, 64, 127, 255, 256):
            found = session.run(name, {image: np.array(images[:size], object)})
            np.testing.assert_allclose(found, singly[:size], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["serving_default", "embed", "project", "classify"])
def test_a_bad_image_in_a_batch_is_named_by_its_index(exported, name):
    directory, _ = exported
    signature = tf.saved_model.load(str(directory)).signatures[name]
    good = encoded_images(8)
    png, jpeg = good[0], good[1]
    flipped = png[:-20] + bytes([png[-20] ^ 0xFF]) + png[-19:]
    for bad in (b"no image", b"", png[: len(png) // 2], flipped, jpeg[: len(jpeg) // 2]):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"image \[2\] of the batch of 8 .*cannot be decoded"):
            signature(image=tf.constant([*good[:2], bad, *good[3:]]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"image \[0 3\] of the batch of 4 "):
        signature(image=tf.constant([b"no image", png, jpeg, b""]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"image \[0\] of the batch of 1 "):
        signature(image=tf.constant([b"no image"]))


def test_leftovers_are_gone_and_facts_are_there(parts, exported):
    directory, digest = exported
    assert not (directory / "variables" / "leftover").exists()
    facts = read_record(ModelFacts, str(directory / signatures.MODEL_FACTS_FILE))
    assert facts.content_digest == digest == parts.content_digest()
    assert facts.class_names == tuple(CLASSES) and facts.dimensions == 16
    assert facts.image == IMAGE_CONFIG


def test_the_digest_is_of_content_alone(parts, workplace, tmp_path):
    again = keras.saving.load_model(workplace.encoder_dir / artifact_files.ENCODER_FILE, compile=False)
    same = dataclasses.replace(parts, encoder=again)
    assert same.content_digest() == parts.content_digest()
    head = LinearHead(parts.head.kernel.copy(), parts.head.bias + np.float32(1e-3))
    others = [
        dataclasses.replace(parts, encoder=small_encoder(0)),
        dataclasses.replace(parts, projection_head=_shifted(small_projection_head())),
        dataclasses.replace(parts, head=head),
        dataclasses.replace(parts, channel_mean=parts.channel_mean + 1),
        dataclasses.replace(parts, class_names=["a", "b", "c"]),
        dataclasses.replace(parts, image_config=dataclasses.replace(IMAGE_CONFIG, center_crop_fraction=0.9)),
    ]
    digests = {other.content_digest() for other in others}
    assert len(digests) == len(others) and parts.content_digest() not in digests


def _shifted(head: keras.Model) -> keras.Model:
    head.layers[-1].moving_mean.assign_add(np.full(6, 0.01, np.float32))
    return head


def test_batch_norm_statistics_are_content(parts, workplace):
    encoder = keras.saving.load_model(workplace.encoder_dir / artifact_files.ENCODER_FILE, compile=False)
    norm = next(layer for layer in encoder.layers if isinstance(layer, keras.layers.BatchNormalization))
    norm.moving_mean.assign_add(np.full(norm.moving_mean.shape, 0.01, np.float32))
    assert dataclasses.replace(parts, encoder=encoder).content_digest() != parts.content_digest()


def test_a_model_that_sees_or_answers_otherwise_than_evaluation_is_refused(parts, workplace, tmp_path):
    golden = make_golden(parts, workplace, 2)
    wrong = dataclasses.replace(golden, representations=golden.representations + 0.5)
    with pytest.raises(ValueError, match="answers differently than in evaluation"):
        saved_model.export(parts, wrong, str(tmp_path / "model"))
    cropped = dataclasses.replace(IMAGE_CONFIG, center_crop_fraction=0.9)
    for other in ({"channel_std": parts.channel_std * 1.01}, {"image_config": cropped}):
        with pytest.raises(ValueError, match="prepares images differently than in evaluation"):
            saved_model.export(dataclasses.replace(parts, **other), golden, str(tmp_path / "model"))


def test_half_precision_encoders_answer_in_float32(parts, workplace, tmp_path):
    pixels = keras.Input((12, 12, 1))
    hidden = keras.layers.Conv2D(4, 3, dtype="mixed_bfloat16")(pixels)
    pooled = keras.layers.GlobalAveragePooling2D(dtype="mixed_bfloat16")(hidden)
    models = {"encoder": keras.Model(pixels, pooled), "projection_head": small_projection_head(4)}
    half = dataclasses.replace(parts, head=make_head(4, 3), **models)
    golden = make_golden(half, workplace, 2)
    golden = dataclasses.replace(golden, representations=golden.representations.astype(np.float32))
    saved_model.export(half, golden, str(pathlib.Path(tmp_path, "model")))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    answer = loaded.signatures[signatures.EMBED](image=tf.constant(list(golden.encoded)))
    assert answer[signatures.REPRESENTATION].dtype == tf.float32
