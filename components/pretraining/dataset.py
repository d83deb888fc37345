"""View records in, training batches out: uint8 views in pairs and the draws of their augmentations.

What step s sees is a pure function of (seed, s, the records): images are ordered, stored views chosen and augmentations
drawn from their digests. There is no shuffle buffer whose state an interruption could lose.
"""

import collections
import dataclasses
import functools
import pathlib
import struct
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent import futures
from typing import TypeVar

import numpy as np
import tensorflow as tf

from components.contracts import records
from components.contracts.paths import is_uri
from components.preprocessing.opencv_decoding import decode_rgb
from components.pretraining.config import PretrainingConfig
from components.simclr.augmentation import augmentations, draws, uint8_crops
from components.simclr.augmentation.policies import CropPolicy
from components.simclr.augmentation.slots import Slot

Prepared = TypeVar("Prepared")

_LENGTH = struct.Struct("<Q")
_HEADER_BYTES = 12  # length and its checksum
_FOOTER_BYTES = 4  # checksum of the data


@dataclasses.dataclass(frozen=True)
class Location:
    """File and bytes of a record."""

    path: str
    offset: int  # of its data, bytes
    size: int  # bytes


class ViewRecords:
    """Random access to the records of one split, sorted by digest, whatever the sharding.

    Args:
        split_dir: folder of uncompressed TFRecord shards; a remote one is copied to ``scratch_dir`` first.
        scratch_dir: a local folder.

    Raises:
        ValueError: no shards, or a shard that ends within a record.
    """

    def __init__(self, split_dir: str, scratch_dir: str):
        shards = _local_shards(split_dir, scratch_dir)
        found = [(digest, location) for shard in shards for digest, location in _scan(shard)]
        found.sort(key=lambda pair: (pair[0], pair[1].path, pair[1].offset))
        self.digests = [digest for digest, _ in found]
        self._locations = [location for _, location in found]

    def __len__(self) -> int:
        return len(self._locations)

    def read(self, index: int) -> tf.train.Example:
        """The record at ``index``."""
        location = self._locations[index]
        with open(location.path, "rb") as shard:
            shard.seek(location.offset)
            return tf.train.Example.FromString(shard.read(location.size))

    def encoded_views(self, index: int) -> list[bytes]:
        """The PNG or JPEG bytes of the views of the record at ``index``."""
        return list(self.read(index).features.feature[records.VIEWS].bytes_list.value)

    def label(self, index: int) -> str:
        """The class name in the record at ``index``; eval records have one."""
        return self.read(index).features.feature[records.LABEL].bytes_list.value[0].decode()


def _local_shards(split_dir: str, scratch_dir: str) -> list[str]:
    names = sorted(tf.io.gfile.listdir(split_dir)) if tf.io.gfile.isdir(split_dir) else []
    shards = [f"{split_dir}/{name}" for name in names if not name.startswith(".")]
    if not shards:
        raise ValueError(f"no view records in {split_dir}")
    if not is_uri(split_dir):
        return shards
    tf.io.gfile.makedirs(scratch_dir)
    local = [str(pathlib.Path(scratch_dir) / pathlib.PurePosixPath(shard).name) for shard in shards]
    for remote, copy in zip(shards, local, strict=True):
        tf.io.gfile.copy(remote, copy, overwrite=True)
    return local


def _scan(path: str) -> Iterator[tuple[bytes, Location]]:
    """Digest and location of each record; reads the file once, front to back."""
    with open(path, "rb") as shard:
        while header := shard.read(_HEADER_BYTES):
            size = _LENGTH.unpack_from(header)[0] if len(header) == _HEADER_BYTES else 0
            offset = shard.tell()
            data = shard.read(size)
            if len(header) < _HEADER_BYTES or len(data) < size or len(shard.read(_FOOTER_BYTES)) < _FOOTER_BYTES:
                raise ValueError(f"{path} ends within a record at byte {offset}: it was not written to its end")
            digest = tf.train.Example.FromString(data).features.feature[records.DIGEST].bytes_list.value
            if not digest:
                raise ValueError(f"{path}: the record at byte {offset} has no {records.DIGEST}")
            yield digest[0], Location(path, offset, size)


@dataclasses.dataclass(frozen=True)
class Batch:
    """One step's worth: n images, so 2n views; all first views come before all second ones."""

    images: np.ndarray  # (2n, s, s, c) uint8
    drawn: dict[str, np.ndarray]  # of ``draw_online``, first axis 2n


class ViewPairs:
    """Batches of the train split by step number.

    Args:
        view_records: the train split.
        config: batch size, seed, augmentation and crop.
        size_px: side of the views.
        channels: 1 or 3.
        views_per_image: K stored crops in each record, or 0 for the one stored image, cropped here.

    Raises:
        ValueError: fewer images than a batch, a single stored view, or a crop policy where it is not needed or missing
            where it is.
    """

    def __init__(
        self, view_records: ViewRecords, config: PretrainingConfig, size_px: int, channels: int, views_per_image: int
    ):
        _check_views(config, views_per_image)
        self._records, self._config = view_records, config
        self._size_px, self._channels, self._views_per_image = size_px, channels, views_per_image
        self._image_keys = draws.image_keys(view_records.digests)
        self._decoded = _DecodedViews(view_records, channels, config.cache_megabytes << 20)
        self.num_images = len(view_records)
        self.steps_per_epoch = config.steps_per_epoch(len(view_records))
        self._order_of = functools.lru_cache(maxsize=4)(self._order)

    def batch(self, step: int, num_images: int | None = None) -> Batch:
        """The batch of a step, or its first ``num_images`` images; steps count from 0."""
        epoch, position = divmod(step, self.steps_per_epoch)
        size = self._config.global_batch_size
        rows = self._order_of(epoch)[position * size : (position + 1) * size]
        return self.views_of(rows[:num_images], epoch)

    def views_of(self, rows: np.ndarray, epoch: int | np.ndarray) -> Batch:
        """The two views that images have in an epoch, or each in its own; ``rows`` are positions in the records."""
        image_keys = self._image_keys[rows]
        keys = [draws.view_keys(self._config.seed, image_keys, epoch, view) for view in (0, 1)]
        crop = self._config.crop
        views = self._choose_stored(rows, keys[0]) if crop is None else self._crop_online(crop, rows, keys)
        drawn = augmentations.draw_online(
            self._config.augmentation, np.concatenate(keys), self._size_px, self._channels
        )
        return Batch(np.stack(views), drawn)

    def _order(self, epoch: int) -> np.ndarray:
        keys = draws.view_keys(self._config.seed, self._image_keys, epoch, 0)
        return np.argsort(draws.bits(keys, Slot.ORDER), kind="stable")

    def _choose_stored(self, rows: np.ndarray, keys: np.ndarray) -> list[np.ndarray]:
        """Two different stored crops of each image."""
        count = self._views_per_image
        first = draws.integers(keys, Slot.VIEW_PAIR, 0, count)
        second = (first + draws.integers(keys, Slot.VIEW_PAIR + 1, 1, count)) % count
        pairs = [
            self._decoded.get(int(row), (int(one), int(other)))
            for row, one, other in zip(rows, first, second, strict=True)
        ]
        return [pair[side] for side in (0, 1) for pair in pairs]

    def _crop_online(self, crop: CropPolicy, rows: np.ndarray, keys: list[np.ndarray]) -> list[np.ndarray]:
        images = [self._decoded.get(int(row), (0,))[0] for row in rows]
        heights, widths = (np.array([image.shape[axis] for image in images]) for axis in (0, 1))
        return [
            uint8_crops.random_resized_crop(image, box, self._size_px)
            for view_keys in keys
            for image, box in zip(images, augmentations.draw_crops(crop, view_keys, heights, widths), strict=True)
        ]

    def iterate(self, first_step: int, last_step: int) -> Generator[Batch, None, None]:
        """Batches of steps ``first_step`` to ``last_step - 1``, prepared ahead by threads."""
        return prepared_ahead(self.batch, first_step, last_step, self._config)


def prepared_ahead(
    prepare: Callable[[int], Prepared], first_step: int, last_step: int, config: PretrainingConfig
) -> Generator[Prepared, None, None]:
    """Results of ``prepare`` for ``first_step`` to ``last_step - 1``, in order, prepared ahead by threads."""
    with futures.ThreadPoolExecutor(config.input_threads, thread_name_prefix="views") as pool:
        waiting: collections.deque[futures.Future[Prepared]] = collections.deque()
        try:
            for step in range(first_step, last_step):
                waiting.append(pool.submit(prepare, step))
                if len(waiting) > config.prefetch_batches:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _check_views(config: PretrainingConfig, views_per_image: int) -> None:
    if views_per_image == 1:
        raise ValueError("a positive pair needs two views: views.views_per_image must be 0 or at least 2, found 1")
    if views_per_image == 0 and config.crop is None:
        raise ValueError("views.views_per_image is 0, so training crops: set pretraining.crop (area and aspect)")
    if views_per_image > 0 and config.crop is not None:
        raise ValueError(
            f"the stored views are crops already (views.views_per_image is {views_per_image}): set "
            "pretraining.crop to null, or views.views_per_image to 0"
        )


class _DecodedViews:
    """Decodes views, and keeps as many as fit into ``limit_bytes``: small data sets are decoded once."""

    def __init__(self, view_records: ViewRecords, channels: int, limit_bytes: int):
        self._records, self._channels = view_records, channels
        self._kept: dict[tuple[int, int], np.ndarray] = {}
        self._free_bytes = limit_bytes
        self._lock = threading.Lock()

    def get(self, index: int, views: Sequence[int]) -> list[np.ndarray]:
        """Some views of one record, each (h, w, c) uint8, not to be changed."""
        kept = {view: self._kept[index, view] for view in views if (index, view) in self._kept}
        encoded = [] if len(kept) == len(views) else self._records.encoded_views(index)
        return [kept[view] if view in kept else self._decode(index, view, encoded) for view in views]

    def _decode(self, index: int, view: int, encoded: Sequence[bytes]) -> np.ndarray:
        if view >= len(encoded):
            raise ValueError(f"record {self._records.digests[index]!r} has {len(encoded)} views, view {view} was drawn")
        decoded = decode_rgb(encoded[view], self._channels)
        with self._lock:
            if (index, view) not in self._kept and decoded.nbytes <= self._free_bytes:
                self._kept[index, view] = decoded
                self._free_bytes -= decoded.nbytes
        return decoded


@dataclasses.dataclass(frozen=True)
class WatchImages:
    """A labelled, unaugmented part of train, for watching only."""

    pixels: np.ndarray  # (m, s, s, c) uint8, prepared as in evaluation
    labels: list[str]


def read_watch_images(
    view_records: ViewRecords, size_px: int, channels: int, center_crop_fraction: float, max_images: int
) -> WatchImages:
    """The first ``max_images`` of the eval split in the order of their digests, prepared as in evaluation."""
    from components.preprocessing import image_preparation

    count = min(len(view_records), max_images)
    pixels = np.empty((count, size_px, size_px, channels), np.uint8)
    for index in range(count):
        image = image_preparation.decode_image(view_records.encoded_views(index)[0], channels)
        prepared = image_preparation.resize_and_crop(image, size_px, center_crop_fraction)
        pixels[index] = np.rint(prepared.numpy())
    return WatchImages(pixels, [view_records.label(index) for index in range(count)])
