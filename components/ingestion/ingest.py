"""One ingestion from start to end: a data root in, the content of an Examples artifact and its summary out.

The caller says where to write and how to make a Beam pipeline.
"""

import dataclasses
import hashlib
import json
import logging
import posixpath
import time
from collections.abc import Callable, Iterable, Iterator

import apache_beam as beam
import tensorflow as tf

from components.contracts import artifact_files, files
from components.contracts.images import ImageConfig
from components.contracts.ingestion_record import IngestionSummary, NearDuplicate
from components.contracts.progress import report_progress
from components.contracts.record_files import read_record, write_record
from components.ingestion import staging
from components.ingestion.beam.transforms import IngestImages
from components.ingestion.config import AUTO, IngestionConfig, NearDuplicates
from components.ingestion.decoding.decoder import decoding_rules
from components.ingestion.decoding.refusals import UNDECODABLE, Reason, Refusal
from components.ingestion.outcome import Outcome
from components.ingestion.planning import Plan, make_plan
from components.ingestion.reading.plug_ins import open_source
from components.ingestion.staging import StagedBytes
from components.ingestion.summary import (
    check,
    check_groups,
    count_reasons,
    summarize,
    warnings,
    warnings_of_white,
)
from components.ingestion.work_order import WorkOrder

_logger = logging.getLogger(__name__)
_OUTCOME_FILE = "outcome.json"  # in staging
_FIRST_PAIRS = 20  # of near-duplicates, in the summary; the file beside it holds all


def ingest(
    root: str,
    output_uri: str,
    config: IngestionConfig,
    image_config: ImageConfig,
    make_pipeline: Callable[[], beam.Pipeline],
) -> IngestionSummary:
    """Read all images below ``root`` and write splits, quarantine file and summary below ``output_uri``.

    Files that an earlier, killed attempt left below ``output_uri`` are removed first. The summary is written last.

    Args:
        root: the data root, with the span filled in.
        output_uri: folder that belongs to this run alone.
        config: settings.
        image_config: colours of the stored images.
        make_pipeline: a new Beam pipeline, to be run here.

    Returns:
        The summary, as written to ``artifact_files.INGESTION_SUMMARY_FILE``.

    Raises:
        SourceError: the data root is missing, empty, or not laid out as expected.
        IngestionError: pretraining and linear evaluation cannot work with the images; see ``summary.check``.
    """
    started = time.monotonic()
    _remove_leftovers(output_uri)
    folder = staging.create_folder(output_uri)
    try:
        source = open_source(root, config)
        plan = make_plan(source, folder)
        rules = decoding_rules(config, image_config)
        order = WorkOrder(root, output_uri, folder, plan.images, source.has_groups, config, rules)
        outcome_path = posixpath.join(folder, _OUTCOME_FILE)
        outcome = _run(order, plan, outcome_path, make_pipeline)
        if config.white_level == AUTO and outcome.deep.white != rules.white_level:
            order = order._replace(rules=dataclasses.replace(rules, white_level=outcome.deep.white))
            _logger.info("all images of 16 bits use fewer: reading again with %d as white", outcome.deep.white)
            _remove_leftovers(output_uri, keep=posixpath.basename(folder))
            outcome = _run(order, plan, outcome_path, make_pipeline)
        return _finish(order, plan, outcome, image_config, started)
    finally:
        staging.remove_folder(folder)


def _run(order: WorkOrder, plan: Plan, outcome_path: str, make_pipeline: Callable[[], beam.Pipeline]) -> Outcome:
    with make_pipeline() as pipeline:
        _ = pipeline | IngestImages(order, plan.portions, outcome_path)
    if plan.images:
        report_progress(plan.images, plan.images, "images decoded")
    return read_record(Outcome, outcome_path)


def _finish(
    order: WorkOrder, plan: Plan, outcome: Outcome, image_config: ImageConfig, started: float
) -> IngestionSummary:
    """Check what the pipeline found and write quarantine file and summary."""
    tally = outcome.tally
    refused = [
        Refusal(*json.loads(line)) for content in _read(order, outcome.refusals) for line in content.splitlines()
    ]
    refusals = sorted([*plan.refusals, *refused])
    _log_undecodable(refusals)
    _check_sums(order, plan, outcome, len(refused))
    check_groups(outcome.contradictions, order.root)
    check(tally, refusals, plan.classes, order.config, order.root)
    found = [
        *plan.notes,
        *warnings(tally, refusals, order.config, image_config.color),
        *warnings_of_white(outcome.deep, order.config.white_level, order.rules.white_level),
    ]
    for sentence in found:
        _logger.warning("%s", sentence)
    pairs = _write_near_duplicates(order, outcome)
    shards = outcome.shards
    summary = summarize(
        tally,
        count_reasons(refusals),
        root=order.root,
        source=order.config.source,
        content_digest=hashlib.sha256(json.dumps(shards).encode()).hexdigest(),
        shards={split: sum(name.startswith(f"Split-{split}/") for name, _, _ in shards) for split in tally.splits},
        warnings=tuple(found),
        white_level=order.rules.white_level if outcome.deep.by_bits else None,
        bits_of_deep_images=dict(outcome.deep.by_bits),
        near_duplicate_pairs=tuple(pairs),
        seconds=time.monotonic() - started,
    )
    quarantine = "".join(json.dumps(refusal._asdict(), ensure_ascii=False) + "\n" for refusal in refusals)
    files.write_bytes(posixpath.join(order.output_uri, artifact_files.QUARANTINE_FILE), quarantine.encode())
    write_record(posixpath.join(order.output_uri, artifact_files.INGESTION_SUMMARY_FILE), summary)
    return summary


def _read(order: WorkOrder, parts: Iterable[StagedBytes]) -> Iterator[bytes]:
    reader = staging.StagingReader(order.staging_folder)
    yield from map(reader.read, parts)
    reader.close()


def _check_sums(order: WorkOrder, plan: Plan, outcome: Outcome, refused: int) -> None:
    written = sum(shard.records for shard in outcome.shards)
    loaded, kept = outcome.loaded, outcome.tally.total
    if loaded.items != plan.items or not loaded.images - refused == kept == written:
        raise RuntimeError(
            f"{order.output_uri}: images went astray: {loaded.images} listed in {loaded.items} of {plan.items} "
            f"items, {refused} refused, {kept} kept, {written} written"
        )


def _log_undecodable(refusals: list[Refusal]) -> None:
    for refusal in refusals:
        if Reason(refusal.reason) in UNDECODABLE:
            _logger.info("left out: %s (%s: %s)", refusal.path, refusal.reason, refusal.message)


def _write_near_duplicates(order: WorkOrder, outcome: Outcome) -> list[NearDuplicate]:
    """Write all pairs and return the first few; there is no file if none were sought."""
    if order.config.near_duplicates is NearDuplicates.OFF:
        return []
    first: list[NearDuplicate] = []
    path = posixpath.join(order.output_uri, artifact_files.NEAR_DUPLICATES_FILE)
    with tf.io.gfile.GFile(path + ".part", "wb") as file:
        file.write(b"")  # makes the file
        for content in _read(order, (pairs.lines for pairs in outcome.near_duplicates)):
            file.write(content)
            lines = content.splitlines()[: _FIRST_PAIRS - len(first)]
            first += [NearDuplicate(**json.loads(line)) for line in lines]
    tf.io.gfile.rename(path + ".part", path, overwrite=True)
    return first


def _remove_leftovers(output_uri: str, keep: str | None = None) -> None:
    tf.io.gfile.makedirs(output_uri)
    for name in tf.io.gfile.listdir(output_uri):
        if name.rstrip("/") == keep:
            continue
        path = posixpath.join(output_uri, name.rstrip("/"))
        if tf.io.gfile.isdir(path):
            tf.io.gfile.rmtree(path)
        else:
            tf.io.gfile.remove(path)
