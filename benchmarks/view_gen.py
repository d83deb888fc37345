"""ViewGen on stored images, through Beam, beside a bare loop of OpenCV and the same crops on the same images."""

import hashlib
import pathlib
import tempfile

import cv2
import numpy as np
import tensorflow as tf
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_artifacts

from benchmarks import beam_job, measuring
from benchmarks.development_data import photographs
from benchmarks.table import Report
from components.augmentation import executor
from components.augmentation.config import ViewsConfig
from components.contracts import artifact_files, records
from components.contracts.configuration import to_json
from components.contracts.files import IMAGE_RECORDS
from components.contracts.images import ImageConfig
from components.simclr.augmentation import draws, uint8_crops
from components.simclr.augmentation.crops import draw_crops

_PHOTOGRAPHS, _SOURCE_PX = 64, 256
_CONFIG = ViewsConfig()
_COUNTS = {32: 4096, 96: 4096, 224: 2048}  # images by side of their views; enough to make Beam's start a small part


def measure(report: Report, turns: int) -> None:
    """Views per second of CPU time on one core; the bare loop decodes, crops and encodes."""
    measuring.pin_to_one_core()
    cv2.setNumThreads(1)
    photos = [cv2.imencode(".jpg", image)[1].tobytes() for image in photographs(_PHOTOGRAPHS, _SOURCE_PX)]
    for size_px, count in _COUNTS.items():
        with tempfile.TemporaryDirectory() as folder:
            half, whole = (_Run(pathlib.Path(folder, str(number)), photos, number) for number in (count // 2, count))
            sides = {
                "all": lambda whole=whole, size_px=size_px: whole.make_views(size_px),
                "half": lambda half=half, size_px=size_px: half.make_views(size_px),
                "bare": lambda size_px=size_px, count=count: _bare(photos * (count // _PHOTOGRAPHS), size_px),
            }
            timings = measuring.alternate(sides, turns)
        made = {"all": whole.views, "half": half.views, "bare": count * _CONFIG.views_per_image}
        beam_job.compare(report, f"{count:,} of {_SOURCE_PX} to {size_px} px", "views", 0.8, made, timings)


class _Run:
    """ViewGen on one file of image records."""

    def __init__(self, folder: pathlib.Path, photos: list[bytes], count: int):
        self._folder = folder
        self._examples = standard_artifacts.Examples()
        self._examples.uri = str(folder / "examples")
        self._examples.split_names = artifact_utils.encode_split_names([records.TRAIN])
        split = folder / "examples" / f"Split-{records.TRAIN}"
        split.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(split / "data.gz"), IMAGE_RECORDS) as writer:
            for number in range(count):
                writer.write(_record(photos[number % len(photos)], number))
        self.views = 0  # made by the last run; images that are held out for watching get none

    def make_views(self, size_px: int) -> None:
        views = standard_artifacts.Examples()
        views.uri = str(self._folder / "views")
        context = base_beam_executor.BaseBeamExecutor.Context(
            ["--runner=FnApiRunner", "--sdk_container_image=none"],  # or TFX packs itself up, for seconds
            tmp_dir=str(self._folder / "tmp"),
            unique_id="1",
        )
        parameters = {
            artifact_files.CONFIG: to_json(_CONFIG),
            artifact_files.IMAGE_CONFIG: to_json(ImageConfig(size_px=size_px)),
        }
        executor.Executor(context).Do(
            {executor.EXAMPLES: [self._examples]}, {executor.VIEWS_OUTPUT: [views]}, parameters
        )
        self.views = views.get_int_custom_property(executor.TRAIN_RECORDS) * _CONFIG.views_per_image


def _record(photo: bytes, number: int) -> bytes:
    """The same photograph under another digest, so that it is cropped elsewhere."""
    example = tf.train.Example()
    digest = hashlib.sha256(photo + number.to_bytes(8, "big")).hexdigest()
    for name, value in ((records.DIGEST, digest.encode()), (records.IMAGE, photo), (records.LABEL, b"photo")):
        example.features.feature[name].bytes_list.value.append(value)
    for name in (records.HEIGHT, records.WIDTH):
        example.features.feature[name].int64_list.value.append(_SOURCE_PX)
    return example.SerializeToString()


def _bare(encoded: list[bytes], size_px: int) -> list[bytes]:
    count = _CONFIG.views_per_image
    images = np.repeat(np.arange(len(encoded), dtype=np.uint64), count)
    keys = draws.view_keys(0, images, 0, np.tile(np.arange(count), len(encoded)))
    sides = np.full(len(keys), _SOURCE_PX)
    boxes = draw_crops(_CONFIG.crop, keys, sides, sides).reshape(len(encoded), count, 4)
    kind, options = (".png", []) if size_px <= 64 else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, _CONFIG.jpeg_quality])
    views = []
    for data, image_boxes in zip(encoded, boxes, strict=True):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        crops = [uint8_crops.random_resized_crop(pixels, box, size_px) for box in image_boxes]
        views += [cv2.imencode(kind, crop, options)[1].tobytes() for crop in crops]
    return views
