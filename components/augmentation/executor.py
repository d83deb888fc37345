"""ViewGen's executor: image records in, view records and ``views_summary.json`` out."""

import hashlib
import logging
import time
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.augmentation import beam_transforms, shards, survey
from components.augmentation.config import ViewsConfig
from components.contracts import artifact_files, artifacts, configuration, records
from components.contracts.files import read_json
from components.contracts.images import ImageConfig
from components.contracts.record_files import write_record
from components.contracts.views_record import ViewsRecord

_logger = logging.getLogger(__name__)

EXAMPLES = "examples"
VIEWS_OUTPUT = "views"
TRAIN_RECORDS, EVAL_RECORDS, VIEW_BYTES = "train_records", "eval_records", "view_bytes"  # properties of the output

_SCRATCH_FOLDER = ".incomplete"  # hidden, so that readers do not take its files for shards


class Executor(base_beam_executor.BaseBeamExecutor):
    """Estimates the size of the output from a sample, refuses one that is too large, then writes the views."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Make the views.

        Args:
            input_dict: ``examples``: image records with split train, perhaps unlabeled; test is never opened.
            output_dict: ``views``: one Examples artifact, splits train and eval.
            exec_properties: canonical JSON of ``config`` and ``image_config``.

        Raises:
            ConfigError: a parameter does not parse.
            ValueError: no labelled image, none left to train on, too many bytes, or other records than were written.
            CorruptRecordError: a stored record is damaged.
        """
        started = time.monotonic()
        config = configuration.from_json(ViewsConfig, exec_properties[artifact_files.CONFIG], "ViewGen config")
        image_config = configuration.from_json(
            ImageConfig, exec_properties[artifact_files.IMAGE_CONFIG], "ViewGen image_config"
        )
        views = artifact_utils.get_single_instance(output_dict[VIEWS_OUTPUT])
        files = _input_files(input_dict[EXAMPLES])
        _logger.info("ViewGen: config %s, %d files, %s", configuration.digest(config)[:12], len(files), views.uri)
        scratch_dir = _clear(views.uri)
        smallest_rank = survey.smallest_rank(files, config.eval_fraction)
        estimated = survey.check_size(files, config, image_config)
        _logger.info("ViewGen will write about %d bytes", estimated)
        split_dirs = {split: _split_dir(views.uri, split) for split in (records.TRAIN, records.EVAL)}
        worker = beam_transforms.WriteFile(split_dirs, scratch_dir, config, image_config, smallest_rank)
        totals = self._write(files, worker, shards.join(scratch_dir, "totals.json"))
        _check_count(totals, input_dict[EXAMPLES])
        _check_train(totals.splits, config)
        summary = _summary(totals.splits, config, image_config)
        _publish(views, summary, time.monotonic() - started)
        _logger.info("ViewGen: wrote %s in %.1f s to %s; left out, because their group is held out and they have no "
                     "label: %d images",
                     summary.images, time.monotonic() - started, views.uri, totals.left_out)  # fmt: skip

    def _write(
        self, files: list[survey.InputFile], worker: beam_transforms.WriteFile, path: str
    ) -> beam_transforms.FileTotals:
        with self._make_beam_pipeline() as pipeline:
            _ = pipeline | beam_transforms.WriteViews(files, worker, path)
        return beam_transforms.FileTotals.from_mapping(read_json(path))


def _input_files(examples: list[types.Artifact]) -> list[survey.InputFile]:
    """Files of the splits that views are made of, over all artifacts.

    Raises:
        ValueError: an artifact has no split train.
    """
    files: list[survey.InputFile] = []
    for artifact in examples:
        splits = artifact_utils.decode_split_names(artifact.split_names)
        if records.TRAIN not in splits:
            raise ValueError(f"{artifact.uri} has splits {splits}, but no {records.TRAIN}")
        for split in (records.TRAIN, records.UNLABELED):
            if split in splits:
                folder = artifact_utils.get_split_uri([artifact], split)
                files.extend(
                    survey.InputFile(path, split, tf.io.gfile.stat(path).length) for path in shards.list_files(folder)
                )
    return files


def _check_count(totals: beam_transforms.FileTotals, examples: list[types.Artifact]) -> None:
    """Raise if files were lost between two steps; nobody would notice a smaller training set."""
    splits = (records.TRAIN, records.UNLABELED)
    counts = [artifacts.record_count(artifact, split) for artifact in examples for split in splits]
    expected = sum(count or 0 for count in counts)
    found = sum(each.records for each in totals.splits.values()) + totals.left_out
    if expected and found != expected:
        raise ValueError(f"{expected} images expected in {', '.join(each.uri for each in examples)}, found {found}")


def _check_train(totals: dict[str, beam_transforms.SplitTotals], config: ViewsConfig) -> None:
    if not totals[records.TRAIN].records:
        raise ValueError(
            f"all {totals[records.EVAL].records} images of split train are held out for watching: lower "
            f"views.eval_fraction ({config.eval_fraction:g}) or bring more images"
        )


def _split_dir(uri: str, split: str) -> str:
    return shards.join(uri, f"Split-{split}")


def _clear(uri: str) -> str:
    """Remove the files of a killed attempt, make the folders, and return the folder for incomplete files."""
    for name in (f"Split-{records.TRAIN}", f"Split-{records.EVAL}", _SCRATCH_FOLDER):
        folder = shards.join(uri, name)
        if fileio.exists(folder):
            fileio.rmtree(folder)
        fileio.makedirs(folder)
    marker = shards.join(uri, artifact_files.VIEWS_SUMMARY_FILE)
    if fileio.exists(marker):
        fileio.remove(marker)
    return shards.join(uri, _SCRATCH_FOLDER)


def _summary(
    totals: dict[str, beam_transforms.SplitTotals], config: ViewsConfig, image_config: ImageConfig
) -> ViewsRecord:
    hasher = hashlib.sha256()
    for split in (records.TRAIN, records.EVAL):
        hasher.update(f"{totals[split].digest_sum:064x}".encode())
    return ViewsRecord(
        content_digest=hasher.hexdigest(),
        images={split: totals[split].records for split in (records.TRAIN, records.EVAL)},
        bytes=sum(each.size_bytes for each in totals.values()),
        views_per_image=config.views_per_image,
        size_px=image_config.size_px,
        channels=image_config.channels,
    )


def _publish(views: types.Artifact, summary: ViewsRecord, seconds: float) -> None:
    """Write the properties, then the summary file, whose presence says that the output is complete."""
    views.split_names = artifact_utils.encode_split_names([records.TRAIN, records.EVAL])
    examples_utils.set_payload_format(views, example_gen_pb2.FORMAT_TF_EXAMPLE)
    views.set_string_custom_property(artifact_files.CONTENT_DIGEST, summary.content_digest)
    views.set_int_custom_property(TRAIN_RECORDS, summary.images[records.TRAIN])
    views.set_int_custom_property(EVAL_RECORDS, summary.images[records.EVAL])
    views.set_int_custom_property(VIEW_BYTES, summary.bytes)
    views.set_float_custom_property(artifact_files.SECONDS, seconds)
    write_record(shards.join(views.uri, artifact_files.VIEWS_SUMMARY_FILE), summary)
    fileio.rmtree(shards.join(views.uri, _SCRATCH_FOLDER))
