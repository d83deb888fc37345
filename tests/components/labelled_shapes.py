"""Images of shapes, which are their classes, in the files that the steps before linear evaluation write."""

import dataclasses
import functools
import hashlib
import pathlib

import apache_beam as beam
import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from components.contracts import artifact_files, configuration, records
from components.contracts.images import Color, ImageConfig
from components.preprocessing import transform_module
from tests.components.tf_examples import make_example, write_examples

IMAGE_CONFIG = ImageConfig(size_px=12, color=Color.GRAY, center_crop_fraction=1.0)
CLASSES = ("disc", "frame", "stripes")


def draw_image(label: str, rng: np.random.Generator) -> np.ndarray:
    """(16, 14, 1) uint8: a noisy shape at a random place."""
    rows, columns = np.mgrid[:16, :14]
    top, left = rng.uniform(5, 10, 2)
    distance = np.hypot(rows - top, columns - left)
    shape = {"disc": distance < 4, "frame": abs(distance - 4) < 1, "stripes": (rows + int(top)) % 4 < 2}[label]
    return (shape[..., np.newaxis] * 60 + rng.uniform(0, 190, (16, 14, 1))).astype(np.uint8)


def image_record(label: str | None, rng: np.random.Generator) -> tf.train.Example:
    pixels = draw_image(label or "disc", rng)
    return make_example(
        {
            records.IMAGE: tf.io.encode_png(pixels).numpy(),
            records.DIGEST: hashlib.sha256(pixels.tobytes()).hexdigest().encode(),
            records.LABEL: label and label.encode(),
        }
    )


def write_transform_graph(encoded_images: list[bytes], labels: list[str], image_config: ImageConfig, directory: str):
    spec = {
        records.IMAGE: tf.io.FixedLenFeature((), tf.string),
        records.LABEL: tf.io.VarLenFeature(tf.string),
    }
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    rows = [
        {records.IMAGE: image, records.LABEL: [label.encode()]}
        for image, label in zip(encoded_images, labels, strict=True)
    ]
    preprocessing_fn = functools.partial(
        transform_module.preprocessing_fn,
        custom_config={artifact_files.IMAGE_CONFIG: configuration.to_json(image_config)},
    )
    with (
        beam.Pipeline(runner="FnApiRunner") as pipeline,
        tft_beam.Context(temp_dir=f"{directory}.tmp", force_tf_compat_v1=False),
    ):
        data = pipeline | beam.Create(rows)
        transform_fn = (data, metadata) | tft_beam.AnalyzeDataset(preprocessing_fn)
        transform_fn | tft_beam.WriteTransformFn(directory)


def small_encoder(seed: int, classes: int | None = None) -> keras.Model:
    """Two convolutions with BatchNorm; with ``classes`` a trainable classifier on top."""
    initializer = [keras.initializers.GlorotUniform(seed=seed + index) for index in range(3)]
    pixels = keras.Input((12, 12, 1))
    hidden = keras.layers.Conv2D(8, 3, strides=2, kernel_initializer=initializer[0])(pixels)
    hidden = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.5)(hidden))
    hidden = keras.layers.ReLU()(keras.layers.Conv2D(16, 3, kernel_initializer=initializer[1])(hidden))
    representation = keras.layers.GlobalAveragePooling2D()(hidden)
    if classes is None:
        return keras.Model(pixels, representation)
    return keras.Model(pixels, keras.layers.Dense(classes, kernel_initializer=initializer[2])(representation))


def small_projection_head(width: int = 16) -> keras.Model:
    representation = keras.Input((width,))
    projection = keras.layers.Dense(6, kernel_initializer=keras.initializers.GlorotUniform(seed=9))(representation)
    return keras.Model(representation, keras.layers.BatchNormalization(momentum=0.5)(projection))


@dataclasses.dataclass(frozen=True)
class Workplace:
    """Folders of the outputs of earlier steps."""

    examples_dir: pathlib.Path  # Split-train, Split-test
    encoder_dir: pathlib.Path
    transform_graph_dir: pathlib.Path

    def files(self, split: str) -> list[str]:
        return sorted(str(path) for path in (self.examples_dir / f"Split-{split}").iterdir())


def make_workplace(root: pathlib.Path, train_per_class: int = 40, test_per_class: int = 30) -> Workplace:
    rng = np.random.default_rng(7)
    splits = {
        split: [image_record(label, rng) for label in CLASSES for _ in range(count)]
        for split, count in ((records.TRAIN, train_per_class), (records.TEST, test_per_class))
    }
    for split, examples in splits.items():
        for shard in range(2):
            write_examples(
                root / "examples" / f"Split-{split}" / f"data_tfrecord-{shard:05}-of-00002.gz", examples[shard::2]
            )
    images = [example.features.feature[records.IMAGE].bytes_list.value[0] for example in splits[records.TRAIN]]
    labels = [example.features.feature[records.LABEL].bytes_list.value[0].decode() for example in splits[records.TRAIN]]
    write_transform_graph(images, labels, IMAGE_CONFIG, str(root / "transform_graph"))
    (root / "encoder").mkdir()
    small_encoder(0).save(root / "encoder" / artifact_files.INITIAL_ENCODER_FILE)
    _trained_encoder(images, labels).save(root / "encoder" / artifact_files.ENCODER_FILE)
    small_projection_head().save(root / "encoder" / artifact_files.PROJECTION_HEAD_FILE)
    return Workplace(root / "examples", root / "encoder", root / "transform_graph")


def _trained_encoder(images: list[bytes], labels: list[str]) -> keras.Model:
    """An encoder that is better than its initial self. For speed it is trained with labels."""
    classifier = small_encoder(0, classes=len(CLASSES))
    pixels = np.stack([tf.io.decode_png(image).numpy() for image in images])
    prepared = (tf.image.resize(tf.cast(pixels[:, 1:15], tf.float32), (12, 12)) - 80.0) / 60.0
    targets = np.array([CLASSES.index(label) for label in labels])
    optimizer = keras.optimizers.Adam(0.02)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(targets, classifier(prepared, training=True))
        variables = classifier.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))

    for _ in range(40):
        step()
    return keras.Model(classifier.inputs, classifier.layers[-2].output)
