"""The labelled images of a split, in the order of linear evaluation, and the views of them that training sees.

They are written to a local uncompressed file once, from which any image can be read without keeping all in memory.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from components.contracts import records
from components.contracts.images import ImageConfig
from components.features import extraction
from components.preprocessing import image_preparation
from components.pretraining import dataset
from components.pretraining.config import PretrainingConfig
from components.simclr.augmentation import draws
from components.simclr.augmentation.slots import Slot

_BATCH = 256  # images prepared and predicted together


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """n images in the order of ``features.extraction.LabelledFeatures``."""

    digests: np.ndarray  # (n,) str
    labels: np.ndarray  # (n,) str, class names
    groups: np.ndarray  # (n,) str, equal for images that belong together; the digest of an image without a group
    stored: dataset.ViewRecords
    places: np.ndarray  # (n,) int, index of each image in ``stored``


def store(files: Sequence[str], folder: str, split: str) -> LabelledImages:
    """Copy every labelled image of a split into ``folder``.

    Args:
        files: gzip TFRecord files of image records.
        folder: a local folder that does not exist yet.
        split: named in errors.

    Raises:
        ValueError: no image of the split has a label.
    """
    pathlib.Path(folder).mkdir(parents=True)
    facts: list[tuple[str, str, str]] = []
    with tf.io.TFRecordWriter(f"{folder}/images.tfrecord") as writer:
        for batch in extraction.record_dataset(files).batch(64).map(extraction.parse_records):
            columns = (batch[name].numpy() for name in (records.IMAGE, records.DIGEST, records.LABEL, records.GROUP))
            for image, digest, label, group in zip(*columns, strict=True):
                if label:
                    writer.write(_view_record(digest, image))
                    facts.append((digest.decode(), label.decode(), (group or digest).decode()))
    if not facts:
        raise ValueError(f"no image of split {split!r} has a label; found {list(files)}")
    digests, labels, groups = (np.array(column) for column in zip(*facts, strict=True))
    order = np.lexsort((labels, digests))  # the order of linear evaluation
    place_of = np.empty(len(digests), np.int64)
    place_of[np.argsort(digests, kind="stable")] = np.arange(len(digests))  # the order of ViewRecords
    stored = dataset.ViewRecords(folder, folder)
    return LabelledImages(digests[order], labels[order], groups[order], stored, place_of[order])


def _view_record(digest: bytes, image: bytes) -> bytes:
    features_of_record = {records.DIGEST: digest, records.VIEWS: image}
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for name, value in features_of_record.items()
            }
        )
    ).SerializeToString()


def prepared(images: LabelledImages, rows: np.ndarray, image_config: ImageConfig) -> Iterator[np.ndarray]:
    """Batches of images prepared as in evaluation, in the order of ``rows``: (b, s, s, c) float32, 0 to 255."""
    prepare = _preparation(image_config)
    for start in range(0, len(rows), _BATCH):
        places = images.places[rows[start : start + _BATCH]]
        yield prepare(tf.constant([images.stored.encoded_views(place)[0] for place in places])).numpy()


@functools.cache
def _preparation(config: ImageConfig) -> Callable[[tf.Tensor], tf.Tensor]:
    def prepare_one(encoded: tf.Tensor) -> tf.Tensor:
        pixels = image_preparation.decode_image(encoded, config.channels)
        return image_preparation.resize_and_crop(pixels, config.size_px, config.center_crop_fraction)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
    def prepare(encoded: tf.Tensor) -> tf.Tensor:
        shape = (config.size_px, config.size_px, config.channels)
        return tf.map_fn(prepare_one, encoded, fn_output_signature=tf.TensorSpec(shape, tf.float32))

    return prepare


class TrainingViews:
    """Batches for training: two views of each image, drawn as pretraining draws them.

    Args:
        images: labelled images of train.
        config: as of pretraining, with crops drawn here: batch size, seed, crop and augmentation.
        image_config: size and colour.
    """

    def __init__(self, images: LabelledImages, config: PretrainingConfig, image_config: ImageConfig):
        self._images, self._config = images, config
        self._keys = draws.image_keys(images.digests)
        self._pairs = dataset.ViewPairs(images.stored, config, image_config.size_px, image_config.channels, 0)

    def batches(self, rows: np.ndarray, first_step: int, last_step: int) -> Iterator[tuple[np.ndarray, dataset.Batch]]:
        """For each step, the rows in its batch, all of them from ``rows``, and their views.

        Passes over ``rows``, each in another order, follow one another without a gap, so a batch can hold an image more
        than once if there are few.
        """
        order_of = functools.lru_cache(maxsize=4)(lambda epoch: rows[self._order(rows, epoch)])
        size = self._config.global_batch_size

        def prepare(step: int) -> tuple[np.ndarray, dataset.Batch]:
            epochs, positions = np.divmod(np.arange(step * size, (step + 1) * size), len(rows))
            chosen = np.array([order_of(int(epoch))[at] for epoch, at in zip(epochs, positions, strict=True)])
            return chosen, self._pairs.views_of(self._images.places[chosen], epochs)

        return dataset.prepared_ahead(prepare, first_step, last_step, self._config)

    def _order(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        keys = draws.view_keys(self._config.seed, self._keys[rows], epoch, 0)
        return np.argsort(draws.bits(keys, Slot.ORDER), kind="stable")
