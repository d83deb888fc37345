"""One ingestion from start to end: a data root in, the content of an Examples artifact and its summary out.

Knows nothing of TFX: whoever calls says where to write and how to make a Beam pipeline.
"""

import hashlib
import json
import logging
import posixpath
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import tensorflow as tf

from components.contracts import artifacts
from components.contracts.images import ImageConfig
from components.contracts.progress import report_progress
from components.ingestion import beam_transforms, staging
from components.ingestion.beam_transforms import IngestImages, WorkOrder
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding import decoding_rules
from components.ingestion.refusals import UNDECODABLE, Reason, Refusal
from components.ingestion.sources.registry import open_source
from components.ingestion.summary import Tally, check, count_reasons, summarize, warnings

_logger = logging.getLogger(__name__)


_IMAGES_PER_PORTION = 32


class _Plan(NamedTuple):
    portions_file: str  # in staging; one JSON list (a Place of some items) per line
    images: int
    classes: set[str]
    refusals: list[Refusal]


def ingest(
    root: str,
    output_uri: str,
    config: IngestionConfig,
    image_config: ImageConfig,
    make_pipeline: Callable[[], beam.Pipeline],
) -> dict[str, Any]:
    """Read all images below ``root`` and write splits, quarantine file and summary below ``output_uri``.

    What an earlier, killed attempt left below ``output_uri`` is removed first. The summary is written last.

    Args:
        root: the data root, with the span filled in.
        output_uri: folder that belongs to this run alone.
        config: settings.
        image_config: colours of the stored images.
        make_pipeline: a new Beam pipeline, to be run here.

    Returns:
        The summary, as written to ``artifacts.INGESTION_SUMMARY_FILE``.

    Raises:
        SourceError: the data root is missing, empty, or not laid out as expected.
        IngestionError: the images can't carry pretraining and a probe; see ``summary.check``.
    """
    started = time.monotonic()
    _remove_leftovers(output_uri)
    folder = staging.create_folder(output_uri)
    try:
        plan = _plan(root, config, folder)
        order = WorkOrder(root, output_uri, folder, plan.images, config, decoding_rules(config, image_config))
        with make_pipeline() as pipeline:
            portions = pipeline | "PortionsFile" >> beam.Create([plan.portions_file]) | beam.FlatMap(_read_portions)
            _ = portions | IngestImages(order)
        report_progress(plan.images, plan.images, "images decoded") if plan.images else None
        return _finish(order, plan, image_config, started)
    finally:
        staging.remove_folder(folder)


def _plan(root: str, config: IngestionConfig, folder: str) -> _Plan:
    """List the source: units of work into staging, in portions; what is left out into the plan."""
    images, classes, refusals = 0, set(), []
    portion, portion_images = [], 0
    items = staging.StagingWriter(folder)
    portions_file = staging.new_path(folder)
    with tf.io.gfile.GFile(portions_file, "w") as portions:

        def close_portion() -> None:
            if portion:
                portions.write(json.dumps(items.append("".join(portion).encode())) + "\n")
                portion.clear()

        for entry in open_source(root, config).items():
            if isinstance(entry, Refusal):
                refusals.append(entry)
                continue
            portion.append(json.dumps(entry) + "\n")  # ASCII, so that any file name survives
            images += entry.count
            portion_images += entry.count
            if entry.label is not None:
                classes.add(entry.label)
            if portion_images >= _IMAGES_PER_PORTION:
                close_portion()
                portion_images = 0
        close_portion()
    items.close()
    return _Plan(portions_file, images, classes, refusals)


def _read_portions(path: str) -> Iterator[tuple]:
    with tf.io.gfile.GFile(path) as file:
        for line in file:
            yield tuple(json.loads(line))


def _finish(order: WorkOrder, plan: _Plan, image_config: ImageConfig, started: float) -> dict[str, Any]:
    """Check what the pipeline found and write quarantine file and summary."""
    shards, tally, refused = _read_findings(order.staging_folder)
    refusals = sorted([*plan.refusals, *refused])
    _log_undecodable(refusals)
    check(tally, refusals, plan.classes, order.config, order.root)
    written = sum(records for _, records, _ in shards)
    if written != tally.total:
        raise RuntimeError(f"{order.output_uri}: {tally.total} records expected, {written} written")
    found = warnings(tally, refusals, order.config, image_config.color)
    for sentence in found:
        _logger.warning("%s", sentence)
    facts = {
        "root": order.root,
        "source": order.config.source.value,
        "content_digest": hashlib.sha256(json.dumps(shards).encode()).hexdigest(),
        "shards": {split: sum(name.startswith(f"Split-{split}/") for name, _, _ in shards) for split in tally.splits},
        "warnings": found,
        "seconds": time.monotonic() - started,
    }
    summary = summarize(tally, count_reasons(refusals), facts)
    quarantine = "".join(json.dumps(refusal._asdict(), ensure_ascii=False) + "\n" for refusal in refusals)
    _write(posixpath.join(order.output_uri, artifacts.QUARANTINE_FILE), quarantine)
    _write(
        posixpath.join(order.output_uri, artifacts.INGESTION_SUMMARY_FILE),
        json.dumps(summary, indent=2, ensure_ascii=False),
    )
    return summary


def _log_undecodable(refusals: list[Refusal]) -> None:
    for refusal in refusals:
        if Reason(refusal.reason) in UNDECODABLE:
            _logger.info("left out: %s (%s: %s)", refusal.path, refusal.reason, refusal.message)


def _read_findings(folder: str) -> tuple[list[tuple[str, int, str]], Tally, list[Refusal]]:
    """What the pipeline left: output files in order of their names, the tally, and the refusals."""
    shards, tally, refusals = [], Tally(), []
    for path in tf.io.gfile.glob(posixpath.join(folder, beam_transforms.FINDINGS_PREFIX + "*")):
        for kind, value in map(json.loads, staging.read_whole(path).splitlines()):
            if kind == beam_transforms.SHARD:
                shards.append(tuple(value))
            elif kind == beam_transforms.TALLY:
                tally = Tally.from_json(value)
            else:
                refusals.append(Refusal(*value))
    return sorted(shards), tally, refusals


def _remove_leftovers(output_uri: str) -> None:
    tf.io.gfile.makedirs(output_uri)
    for name in tf.io.gfile.listdir(output_uri):
        path = posixpath.join(output_uri, name.rstrip("/"))
        if tf.io.gfile.isdir(path):
            tf.io.gfile.rmtree(path)
        else:
            tf.io.gfile.remove(path)


def _write(path: str, text: str) -> None:
    """Whole or not at all."""
    with tf.io.gfile.GFile(path + ".part", "w") as file:
        file.write(text)
    tf.io.gfile.rename(path + ".part", path, overwrite=True)
