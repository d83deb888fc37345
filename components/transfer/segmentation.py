"""Measures the mean IoU of a segmentation head on a pushed encoder, and of one on random weights.

Both heads see the same images and have the same shape, initial weights and budget; the encoder is never trained.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.contracts import configuration
from components.contracts.images import ImageConfig
from components.contracts.progress import report_progress
from components.linear_evaluation.intervals import percentile_interval
from components.preprocessing import image_preparation
from components.simclr.config import EncoderConfig
from components.transfer import masked_images, mean_iou
from components.transfer.config import SegmentationConfig
from components.transfer.feature_map import feature_maps
from components.transfer.masked_images import Pair
from components.transfer.segmentation_head import SegmentationHead

ENCODER, RANDOM_ENCODER = "encoder", "random_encoder"


@dataclasses.dataclass(frozen=True)
class PushedEncoder:
    """A version of the registry, as far as it is needed here."""

    model: keras.Model  # with its standardisation, as ``pixel_encoder.with_standardisation`` gave it
    config: EncoderConfig
    image_config: ImageConfig
    channel_mean: np.ndarray  # (c,) float32
    channel_std: np.ndarray  # (c,) float32
    prepare: Callable[[bytes], bytes]  # content of an image file -> PNG or JPEG as ingestion would have stored it


@dataclasses.dataclass(frozen=True)
class _Split:
    pairs: list[Pair]
    pixels: np.ndarray  # (n, s, s, c) float32, standardised
    masks: np.ndarray  # (n, s, s) uint8


def measure(encoder: PushedEncoder, root: pathlib.Path, config: SegmentationConfig) -> dict[str, Any]:
    """Train and test a head on the encoder and one on random weights.

    Args:
        encoder: frozen.
        root: folders of images and masks; see ``masked_images.find_pairs``. All of it is held in memory.
        config: the protocol.

    Returns:
        Plain values: counts, mean IoU and interval of both, their paired difference, IoU by class, the protocol.

    Raises:
        MaskedImagesError: an image or mask cannot be used.
        NoFeatureMapError: the encoder has no feature map.
    """
    size_px = config.size_px or encoder.image_config.size_px
    maps = feature_maps(encoder.model, encoder.config, size_px, config.seed)
    train, test = (
        _read(pairs, encoder, size_px) for pairs in masked_images.find_pairs(root, config.test_fraction, config.seed)
    )
    classes = masked_images.number_of_classes(train.masks, config.classes, config.ignored_id)
    for split in (train, test):
        masked_images.require_ids(split.pairs, split.masks, classes, config.ignored_id)
    counted = {}
    for name, model in ((ENCODER, maps.pretrained), (RANDOM_ENCODER, maps.random)):
        head = SegmentationHead(_features(model, train, config.batch_size, name), train.masks, classes, config)
        predicted = head.predict(_features(model, test, config.batch_size, name))
        counted[name] = mean_iou.overlaps(predicted, test.masks, classes, config.ignored_id)
    return {
        "classes": classes,
        "images": {"train": len(train.pairs), "test": len(test.pairs)},
        "size_px": size_px,
        "feature_map": list(maps.pretrained.output_shape[1:]),
        **_compare(counted, config),
        "config": configuration.to_mapping(config),
    }


def text(result: dict[str, Any]) -> str:
    """``measure``'s result in a few lines."""
    percent = f"{100 * result['config']['confidence']:g} %"
    images = result["images"]
    lines = [
        f"{images['test']} test images, {images['train']} train images, {result['classes']} classes, "
        f"{result['size_px']} px, feature map {' x '.join(map(str, result['feature_map']))}",
        f"mean IoU, with {percent} intervals over the test images:",
    ]
    for key, name in (
        (ENCODER, "on this encoder"),
        (RANDOM_ENCODER, "on random weights"),
        ("difference", "difference"),
    ):
        found = result[key]
        low, high = found["interval"]
        lines.append(f"  {name:18} {found['mean_iou']:.3f} ({low:.3f} to {high:.3f})")
    return "\n".join(lines)


def _read(pairs: Sequence[Pair], encoder: PushedEncoder, size_px: int) -> _Split:
    channels, fraction = encoder.image_config.channels, encoder.image_config.center_crop_fraction
    pixels = np.zeros((len(pairs), size_px, size_px, channels), np.float32)
    masks = np.zeros((len(pairs), size_px, size_px), np.uint8)
    for row, pair in enumerate(pairs):
        masks[row] = masked_images.read_mask(pair, fraction, size_px)
        pixels[row] = masked_images.read_pixels(pair, encoder.prepare, encoder.image_config, size_px)
        report_progress(row + 1, len(pairs), "images and masks")
    standardised = image_preparation.standardise(pixels, encoder.channel_mean, encoder.channel_std)
    return _Split(list(pairs), standardised.numpy(), masks)


def _features(model: keras.Model, split: _Split, batch_size: int, name: str) -> np.ndarray:
    """(n, h, w, d) float32."""
    batch = tf.TensorSpec((None, *split.pixels.shape[1:]), tf.float32)
    encode = tf.function(lambda pixels: model(pixels, training=False), input_signature=[batch], autograph=False)
    parts = []
    for start in range(0, len(split.pixels), batch_size):
        parts.append(encode(tf.constant(split.pixels[start : start + batch_size])).numpy())
        report_progress(min(start + batch_size, len(split.pixels)), len(split.pixels), f"features of {name}")
    return np.concatenate(parts)


def _compare(counted: dict[str, mean_iou.Overlaps], config: SegmentationConfig) -> dict[str, Any]:
    draws = {
        name: mean_iou.resampled_mean_ious(overlaps, config.bootstrap_resamples, config.seed)
        for name, overlaps in counted.items()
    }
    found: dict[str, Any] = {
        name: {
            "mean_iou": mean_iou.mean_iou(overlaps),
            "interval": list(percentile_interval(draws[name], config.confidence)),
            "class_iou": [None if np.isnan(iou) else float(iou) for iou in mean_iou.class_ious(overlaps)],
        }
        for name, overlaps in counted.items()
    }
    found["difference"] = {
        "mean_iou": found[ENCODER]["mean_iou"] - found[RANDOM_ENCODER]["mean_iou"],
        "interval": list(percentile_interval(draws[ENCODER] - draws[RANDOM_ENCODER], config.confidence)),
    }
    return found
