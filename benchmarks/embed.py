"""Images per second of a pushed model as its users call it, compared with its bare encoder."""

import pathlib
import tempfile
from collections.abc import Callable

import cv2
import keras
import numpy as np
import tensorflow as tf

from benchmarks import measuring
from benchmarks.table import Report, Row
from components.contracts import signatures
from components.contracts.images import Color, ImageConfig
from components.export import publishing, registry
from components.export.consumer import load_encoder
from components.export.image_files import decoding_settings
from components.ingestion.config import IngestionConfig
from components.linear_evaluation import saved_model
from components.linear_evaluation.logistic_regression import LinearHead
from components.preprocessing import image_preparation
from components.simclr.config import Architecture, EncoderConfig, ProjectionHeadConfig
from components.simclr.encoders.models import build_models

# Architecture, image, side of the files in pixels, their kind, batch.
_CASES = (
    (Architecture.SMALL_CNN, ImageConfig(size_px=24, color=Color.GRAY, center_crop_fraction=1.0), 24, ".png", 256),
    (Architecture.RESNET18, ImageConfig(size_px=32), 36, ".png", 64),
    (Architecture.RESNET50, ImageConfig(size_px=224), 256, ".jpg", 8),
)


def measure(report: Report, turns: int) -> None:
    """Compare the ``embed`` signature and ``load_encoder(...).embed`` with the encoder on prepared pixels."""
    for case in _CASES:
        with tempfile.TemporaryDirectory() as folder:
            _measure_case(report, turns, pathlib.Path(folder), *case)


def _measure_case(
    report: Report,
    turns: int,
    folder: pathlib.Path,
    architecture: Architecture,
    image_config: ImageConfig,
    file_px: int,
    kind: str,
    batch: int,
) -> None:
    encoder, embed, embed_files = _served(architecture, image_config, folder)
    encoded = _encoded_images(batch, file_px, kind, image_config.channels)
    prepared = tf.random.stateless_normal((batch, *encoder.input_shape[1:]), (0, 1))
    bare = tf.function(lambda pixels: encoder(pixels, training=False))
    sides = {
        "bare": lambda: bare(prepared).numpy(),
        "signature": lambda: embed(encoded),
        "files": lambda: embed_files(encoded, batch),
    }
    timings = measuring.alternate(sides, turns)
    case = f"{architecture.value}, {image_config.size_px} px, {batch} x {kind}"
    for side in ("signature", "files"):
        report(_row(f"{case}: {side}", batch, timings, side))


def _row(case: str, batch: int, timings: dict[str, measuring.Timing], side: str) -> Row:
    ours, bare = timings[side], timings["bare"]
    extra = (ours.best - bare.best) / batch * 1e3
    return Row(
        case,
        f"{batch / ours.best:,.1f} images/s",
        f"bare encoder {batch / bare.best:,.1f}",
        bare.best / ours.best,
        remark=f"{extra:.2f} ms more per image; CPU time {bare.cpu / ours.cpu:.2f}; "
        f"spread {ours.spread:.2f}, {bare.spread:.2f}",
    )


def _served(
    architecture: Architecture, image_config: ImageConfig, folder: pathlib.Path
) -> tuple[keras.Model, Callable[[list[bytes]], np.ndarray], Callable[[list[bytes], int], np.ndarray]]:
    """An untrained encoder, its ``embed`` signature and its consumer's ``embed``, from a registry in ``folder``."""
    mean, std = (np.full(image_config.channels, value, np.float32) for value in (127.0, 60.0))
    encoder, head = build_models(
        EncoderConfig(architecture=architecture), ProjectionHeadConfig(), image_config.size_px, mean, std
    )
    linear = LinearHead(np.zeros((encoder.output_shape[1], 2), np.float32), np.zeros(2, np.float32))
    parts = saved_model.ServedParts(encoder, head, linear, mean, std, ["a", "b"], image_config)
    digest = saved_model.export(parts, _golden(parts), str(folder / "model"))
    publishing.push(
        folder,
        "encoder",
        folder / "model",
        content_digest=digest,
        source="benchmark",
        decoding=decoding_settings(IngestionConfig(), image_config, None),
        span=None,
        blessing=None,
        describe=lambda number: {registry.MODEL_CARD_FILE: ""},
        lock_timeout_seconds=60,
    )
    loaded = load_encoder(folder / "encoder")
    signature = tf.saved_model.load(str(folder / "model")).signatures[signatures.EMBED]
    return encoder, lambda encoded: signature(image=tf.constant(encoded))["representation"].numpy(), loaded.embed


def _golden(parts: saved_model.ServedParts) -> saved_model.GoldenImages:
    config = parts.image_config
    encoded = _encoded_images(2, config.size_px, ".png", config.channels)
    pixels = tf.stack([image_preparation.decode_image(tf.constant(image), config.channels) for image in encoded])
    resized = image_preparation.resize_and_crop(pixels, config.size_px, config.center_crop_fraction)
    prepared = image_preparation.standardise(resized, parts.channel_mean, parts.channel_std)
    return saved_model.GoldenImages(encoded, prepared.numpy(), parts.encoder(prepared, training=False).numpy())


def _encoded_images(count: int, side_px: int, kind: str, channels: int) -> list[bytes]:
    """Smooth colours with a little noise; JPEG and PNG compress them about as well as photographs."""
    generator = np.random.default_rng(0)
    encoded = []
    for _ in range(count):
        coarse = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        smooth = cv2.resize(coarse, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
        pixels = np.clip(smooth + generator.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)
        encoded.append(cv2.imencode(kind, pixels[..., :channels])[1].tobytes())
    return encoded
