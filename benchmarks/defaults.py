"""The measurements behind the defaults of pretraining: train with one setting changed, then run a linear probe."""

import dataclasses
import gc
import hashlib
import pathlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from benchmarks import views
from benchmarks.development_data import folder
from benchmarks.table import Report, Row
from components.augmentation.config import ViewsConfig
from components.augmentation.stored_image import StoredImage
from components.contracts import configuration
from components.contracts.images import Color, ImageConfig
from components.pretraining.config import PretrainingConfig
from components.pretraining.dataset import ViewPairs, ViewRecords
from components.pretraining.training_step import ImageShape, TrainingStep
from components.simclr.encoders.batch_norm import estimate_batch_norm_statistics

_SEEDS = (0, 1, 2)
_LABEL_DRAWS = 5
_BATCH_NORM_IMAGES = 1024
_MAX_CACHE_MEGABYTES = 2048
_VIEWS = "views_per_image"  # the only setting here that belongs to ViewGen and not to pretraining
# One change to the defaults per row, by its name in the table.
_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "defaults": {},
    "temperature 0.05": {"loss": {"temperature": 0.05}},
    "temperature 0.2": {"loss": {"temperature": 0.2}},
    "temperature 0.5": {"loss": {"temperature": 0.5}},
    "head of 1 layer": {"projection_head": {"layers": 1}},
    "head of 3 layers": {"projection_head": {"layers": 3}},
    "projection 64 wide": {"projection_head": {"output_width": 64}},
    "projection 256 wide": {"projection_head": {"output_width": 256}},
    "no final BatchNorm": {"projection_head": {"final_batch_norm": False}},
    "batch 128": {"global_batch_size": 128},
    "batch 512": {"global_batch_size": 512},
    "no warm-up": {"schedule": {"warmup_epochs": 0.0}},
    "warm-up twice as long": {"schedule": {"warmup_epochs": 6.0}},
    "learning rate 0.001": {"optimizer": {"learning_rate": 0.001}},
    "learning rate 0.01": {"optimizer": {"learning_rate": 0.01}},
    "no weight decay": {"optimizer": {"weight_decay": 0.0}},
    "weight decay 0.01": {"optimizer": {"weight_decay": 0.01}},
    "lars 0.075 sqrt": {"optimizer": {"name": "lars", "learning_rate": 0.075, "scaling": "sqrt"}},
    "sgd 0.03 linear": {"optimizer": {"name": "sgd", "learning_rate": 0.03, "scaling": "linear"}},
    "0 views stored": {_VIEWS: 0},
    "2 views stored": {_VIEWS: 2},
    "8 views stored": {_VIEWS: 8},
    "16 views stored": {_VIEWS: 16},
}


@dataclasses.dataclass(frozen=True)
class _Data:
    """Images to train and to test on, and the settings that suit them."""

    train: np.ndarray  # (n, s, s, c) uint8
    train_labels: np.ndarray  # (n,) int
    test: np.ndarray  # (m, s, s, c) uint8
    test_labels: np.ndarray  # (m,) int
    labelled: float  # part of the train labels that the probe sees
    pretraining: Mapping[str, Any]  # settings that go with these images
    crop: Mapping[str, Any]


def digits(report: Report, turns: int) -> None:
    """Handwritten digits at 24 px, probe on a tenth of the labels; ``turns`` is not used."""
    del turns
    bundle = load_digits()
    pixels = np.rint(bundle.images * 255 / 16).astype(np.uint8)
    images = np.stack([cv2.resize(image, (24, 24), interpolation=cv2.INTER_LINEAR) for image in pixels])[..., None]
    order = np.argsort([hashlib.sha256(image.tobytes()).digest() for image in images])
    train, test = np.split(order, [len(order) * 3 // 4])
    labels = bundle.target
    crop = {"area_min": 0.6, "aspect_min": 0.8, "aspect_max": 1.25}
    settings = {"epochs": 30, "schedule": {"warmup_epochs": 3.0}, "augmentation": {"preset": "digits"}}
    _measure(report, _Data(images[train], labels[train], images[test], labels[test], 0.1, settings, crop))


def cifar10(report: Report, turns: int) -> None:
    """2,000 images of CIFAR-10, probe on all of their labels and on 2,000 others; ``turns`` is not used."""
    del turns
    root = folder("cifar10")
    train, train_labels = _binary_images(root / "data_batch_1.bin")
    test, test_labels = _binary_images(root / "test_batch.bin")
    crop = {"area_min": 0.2}
    settings = {"epochs": 30, "schedule": {"warmup_epochs": 3.0}, "augmentation": {"preset": "small_images"}}
    _measure(report, _Data(train, train_labels, test, test_labels, 1.0, settings, crop))


def _binary_images(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    rows = np.fromfile(path, np.uint8).reshape(-1, 1 + 3 * 32 * 32)[:2000]
    return np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), rows[:, 0].astype(int)


def _measure(report: Report, data: _Data) -> None:
    reference: np.ndarray | None = None
    for name, change in _CHANGES.items():
        found = [_train(data, change, seed) for seed in _SEEDS]
        before, after, rates = np.transpose(found)
        if reference is None:
            reference = after
            report(Row("before training", _mean_and_std(before)))
        difference = after - reference
        compared = f"{difference.mean():+.3f} ± {difference.std(ddof=1):.3f}" if change else ""
        report(Row(name, _mean_and_std(after), compared, remark=f"{_mean_and_std(rates, ',.0f')} images/CPU second"))


def _train(data: _Data, change: Mapping[str, Any], seed: int) -> tuple[float, float, float]:
    """Accuracy before and after training, and images per CPU second."""
    keras.utils.clear_session()
    gc.collect()
    count = change.get(_VIEWS, ViewsConfig().views_per_image)
    settings = _merged(
        {
            "encoder": {"architecture": "small_cnn"},
            "seed": seed,
            "crop": None if count else data.crop,
            "cache_megabytes": _MAX_CACHE_MEGABYTES,
            **data.pretraining,
        },
        {key: value for key, value in change.items() if key != _VIEWS},
    )
    config = configuration.from_mapping(PretrainingConfig, settings, "benchmark")
    size_px, channels = data.train.shape[2:]
    image_config = ImageConfig(size_px=size_px, color=Color.RGB if channels == 3 else Color.GRAY)
    view_settings = {_VIEWS: count, "seed": seed, "crop": data.crop}
    views_config = configuration.from_mapping(ViewsConfig, view_settings, "benchmark")
    train = data.train.astype(np.float32)
    image = ImageShape(size_px, channels, train.mean((0, 1, 2)), train.std((0, 1, 2)))
    with tempfile.TemporaryDirectory() as views_dir:
        views.write(views_dir, _stored(data.train), views_config, image_config)
        pairs = ViewPairs(ViewRecords(views_dir, views_dir), config, size_px, channels, count)
        steps = config.epochs * pairs.steps_per_epoch
        warmup_steps = round(config.schedule.warmup_epochs * pairs.steps_per_epoch)
        step = TrainingStep(config, image, warmup_steps, steps, ["/CPU:0"])
        before = _probe(step, data, image)
        started = time.process_time()
        for batch in pairs.iterate(0, steps):
            step.run(batch)
        rate = steps * config.global_batch_size / (time.process_time() - started)
    return before, _probe(step, data, image), rate


def _merged(settings: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` with ``change`` over them; a section that is in both keeps the keys that do not change."""
    joined = {key: {**settings.get(key, {}), **value} for key, value in change.items() if isinstance(value, Mapping)}
    return {**settings, **change, **joined}


def _stored(images: np.ndarray) -> list[StoredImage]:
    height, width, channels = images.shape[1:]
    stored = []
    for pixels in images:
        encoded = cv2.imencode(".png", pixels[:, :, ::-1] if channels == 3 else pixels)[1].tobytes()
        stored.append(StoredImage(hashlib.sha256(pixels.tobytes()).hexdigest().encode(), encoded, height, width))
    return stored


def _probe(step: TrainingStep, data: _Data, image: ImageShape) -> float:
    """Test accuracy of a linear probe; the mean over several draws if the probe sees only a part of the labels."""
    some = data.train[:_BATCH_NORM_IMAGES].astype(np.float32)
    estimate_batch_norm_statistics(step.encoder, [(some - image.mean) / image.std])
    train, test = step.embed(data.train), step.embed(data.test)
    mean, std = train.mean(0), train.std(0) + 1e-6
    found = []
    for draw in range(_LABEL_DRAWS if data.labelled < 1 else 1):
        rows = np.random.default_rng(draw).permutation(len(train))[: round(len(train) * data.labelled)]
        classifier = LogisticRegression(C=0.1, max_iter=300).fit((train[rows] - mean) / std, data.train_labels[rows])
        found.append(classifier.score((test - mean) / std, data.test_labels))
    return float(np.mean(found))


def _mean_and_std(values: Sequence[float], form: str = ".3f") -> str:
    return f"{np.mean(values):{form}} ± {np.std(values, ddof=1):{form}}"
