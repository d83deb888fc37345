"""ViewGen's executor: image records in, view records and ``views_summary.json`` out."""

import hashlib
import logging
import time
from typing import Any

from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.augmentation import beam_transforms, shards, survey
from components.augmentation.config import ViewsConfig
from components.contracts import artifacts, configuration, records, views_record
from components.contracts.files import read_json, write_json
from components.contracts.images import ImageConfig

_logger = logging.getLogger(__name__)

EXAMPLES = "examples"
VIEWS_OUTPUT = "views"
TRAIN_RECORDS, EVAL_RECORDS, VIEW_BYTES = "train_records", "eval_records", "view_bytes"  # properties of the output

_SCRATCH_FOLDER = ".incomplete"  # hidden, so that no reader takes what lies there for a shard


class Executor(base_beam_executor.BaseBeamExecutor):
    """Counts first, then writes: two Beam pipelines, between which the step refuses what would be too much."""

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
            ValueError: no labelled image, none left to train on, or too many bytes.
            CorruptRecordError: a stored record is damaged.
        """
        started = time.monotonic()
        config = configuration.from_json(ViewsConfig, exec_properties[artifacts.CONFIG], "ViewGen config")
        image_config = configuration.from_json(
            ImageConfig, exec_properties[artifacts.IMAGE_CONFIG], "ViewGen image_config"
        )
        views = artifact_utils.get_single_instance(output_dict[VIEWS_OUTPUT])
        files = _input_files(input_dict[EXAMPLES])
        _logger.info("ViewGen: config %s, %d files, %s", configuration.digest(config)[:12], len(files), views.uri)
        scratch_dir = _clear(views.uri)
        plan = self._plan(files, config, image_config, scratch_dir)
        _logger.info("ViewGen will write about %d bytes: %d train and %d eval records; left out, because their group "
                     "is held out and they have no label: %d images",
                     plan.estimated_bytes, plan.train_records, plan.eval_records, plan.left_out)  # fmt: skip
        totals = self._write(plan, views.uri, config, image_config, scratch_dir)
        summary = _summary(totals, config, image_config)
        _publish(views, summary, time.monotonic() - started)
        _logger.info(
            "ViewGen: wrote %s in %.1f s to %s", summary[views_record.RECORDS], time.monotonic() - started, views.uri
        )

    def _plan(
        self, files: list[survey.InputFile], config: ViewsConfig, image_config: ImageConfig, scratch_dir: str
    ) -> survey.Plan:
        """Where so few are labelled that the fraction holds none out, only a first survey tells which group is."""
        surveys = self._survey(files, config, image_config, 0.0, scratch_dir)
        smallest_rank = survey.smallest_rank_of(surveys)
        if smallest_rank >= config.eval_fraction:
            surveys = self._survey(files, config, image_config, smallest_rank, scratch_dir)
        return survey.make_plan(surveys, config)

    def _survey(
        self,
        files: list[survey.InputFile],
        config: ViewsConfig,
        image_config: ImageConfig,
        smallest_rank: float,
        scratch_dir: str,
    ) -> list[survey.FileSurvey]:
        path = shards.join(scratch_dir, "survey.json")
        with self._make_beam_pipeline() as pipeline:
            worker = beam_transforms.SurveyFile(config, image_config, smallest_rank)
            _ = pipeline | beam_transforms.ForEachFile(files, worker, path)
        return [survey.FileSurvey(**mapping) for mapping in read_json(path)]

    def _write(
        self, plan: survey.Plan, uri: str, config: ViewsConfig, image_config: ImageConfig, scratch_dir: str
    ) -> dict[str, beam_transforms.SplitTotals]:
        path = shards.join(scratch_dir, "totals.json")
        split_dirs = {split: _split_dir(uri, split) for split in (records.TRAIN, records.EVAL)}
        with self._make_beam_pipeline() as pipeline:
            worker = beam_transforms.WriteFile(split_dirs, scratch_dir, config, image_config)
            _ = pipeline | beam_transforms.ForEachFile(plan.files, worker, path)
        totals = {split: beam_transforms.SplitTotals() for split in split_dirs}
        for of_file in read_json(path):
            for split, values in of_file.items():
                totals[split] = totals[split].merge(beam_transforms.SplitTotals(**values))
        return totals


def _input_files(examples: list[types.Artifact]) -> list[survey.InputFile]:
    """Files of the splits that views are made of, over all artifacts.

    Raises:
        ValueError: an artifact has no split train.
    """
    files = []
    for artifact in examples:
        splits = artifact_utils.decode_split_names(artifact.split_names)
        if records.TRAIN not in splits:
            raise ValueError(f"{artifact.uri} has splits {splits}, but no {records.TRAIN}")
        for split in (records.TRAIN, records.UNLABELED):
            if split in splits:
                folder = artifact_utils.get_split_uri([artifact], split)
                files.extend(survey.InputFile(path, split) for path in shards.list_files(folder))
    return files


def _split_dir(uri: str, split: str) -> str:
    return shards.join(uri, f"Split-{split}")


def _clear(uri: str) -> str:
    """Remove what a killed attempt left, make the folders, and return the one for incomplete files."""
    for name in (f"Split-{records.TRAIN}", f"Split-{records.EVAL}", _SCRATCH_FOLDER):
        folder = shards.join(uri, name)
        if fileio.exists(folder):
            fileio.rmtree(folder)
        fileio.makedirs(folder)
    marker = shards.join(uri, artifacts.VIEWS_SUMMARY_FILE)
    if fileio.exists(marker):
        fileio.remove(marker)
    return shards.join(uri, _SCRATCH_FOLDER)


def _summary(
    totals: dict[str, beam_transforms.SplitTotals], config: ViewsConfig, image_config: ImageConfig
) -> dict[str, Any]:
    hasher = hashlib.sha256()
    for split in (records.TRAIN, records.EVAL):
        hasher.update(f"{totals[split].digest_sum:064x}".encode())
    return {
        views_record.CONTENT_DIGEST: hasher.hexdigest(),
        views_record.RECORDS: {split: totals[split].records for split in (records.TRAIN, records.EVAL)},
        views_record.BYTES: sum(each.bytes for each in totals.values()),
        views_record.VIEWS_PER_IMAGE: config.views_per_image,
        views_record.SIZE_PX: image_config.size_px,
        views_record.CHANNELS: image_config.channels,
    }


def _publish(views: types.Artifact, summary: dict[str, Any], seconds: float) -> None:
    """Properties first, then the summary file, which says that all is there."""
    views.split_names = artifact_utils.encode_split_names([records.TRAIN, records.EVAL])
    examples_utils.set_payload_format(views, example_gen_pb2.FORMAT_TF_EXAMPLE)
    views.set_string_custom_property(artifacts.CONTENT_DIGEST, summary[views_record.CONTENT_DIGEST])
    views.set_int_custom_property(TRAIN_RECORDS, summary[views_record.RECORDS][records.TRAIN])
    views.set_int_custom_property(EVAL_RECORDS, summary[views_record.RECORDS][records.EVAL])
    views.set_int_custom_property(VIEW_BYTES, summary[views_record.BYTES])
    views.set_float_custom_property(artifacts.SECONDS, seconds)
    write_json(shards.join(views.uri, artifacts.VIEWS_SUMMARY_FILE), summary)
    fileio.rmtree(shards.join(views.uri, _SCRATCH_FOLDER))
