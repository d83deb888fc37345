"""TrainingWindow's executor: the Examples of several spans in; one Examples artifact and ``window.json`` out."""

import logging
import os
import time
from typing import Any

import numpy as np
import tensorflow as tf
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.contracts import artifact_files, artifacts, records
from components.contracts.record_files import write_record
from components.contracts.window_record import SpanImages, WindowRecord
from components.window import beam_transforms, merging

_logger = logging.getLogger(__name__)

EXAMPLES = "examples"
WINDOW = "window"
_SPLITS = (records.TRAIN, records.TEST, records.UNLABELED)
_SCRATCH_FOLDER = ".incomplete"  # hidden, so that readers do not take it for a split


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads all digests in one Beam pipeline and writes the files in another; no image passes between workers."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Make one data set of the spans.

        Raises:
            ValueError: no train image is left.
        """
        del exec_properties
        started = time.monotonic()
        # TFX orders the artifacts by id, whatever order the resolver returned.
        spans = sorted(input_dict[EXAMPLES], key=artifacts.required_data_span, reverse=True)
        window = artifact_utils.get_single_instance(output_dict[WINDOW])
        numbers = [artifacts.required_data_span(examples) for examples in spans]
        _logger.info("TrainingWindow: spans %s, from %s", numbers, [examples.uri for examples in spans])
        scratch_dir = _clear(window.uri)
        files = [file for age, examples in enumerate(spans) for file in _files(examples, age)]
        kept = merging.choose(files, self._index(files, scratch_dir))
        summary = _summary(numbers, files, kept)
        if not summary.images.get(records.TRAIN):
            raise ValueError(
                f"no train image is left of spans {numbers}: each, or its group, is in test in one of them"
            )
        self._write(files, numbers, kept, window.uri, scratch_dir)
        _publish(window, summary, time.monotonic() - started)
        _logger.info("TrainingWindow: %s in %.1f s, %s", summary, time.monotonic() - started, window.uri)

    def _index(self, files: list[merging.SpanFile], scratch_dir: str) -> list[np.ndarray]:
        targets = [os.path.join(scratch_dir, f"index-{number}.npy") for number in range(len(files))]
        with self._make_beam_pipeline() as pipeline:
            jobs = [(file.path, target) for file, target in zip(files, targets, strict=True)]
            _ = pipeline | beam_transforms.IndexFiles(jobs)
        return [beam_transforms.load_array(target) for target in targets]

    def _write(
        self, files: list[merging.SpanFile], numbers: list[int], kept: merging.Kept, uri: str, scratch_dir: str
    ) -> None:
        jobs = []
        for number, (file, skipped, left) in enumerate(zip(files, kept.skipped, kept.records, strict=True)):
            if not left:
                continue
            positions = os.path.join(scratch_dir, f"skipped-{number}.npy")
            beam_transforms.save_array(skipped, positions)
            name = f"span-{numbers[file.age]}-{os.path.basename(file.path)}"
            jobs.append((file.path, os.path.join(uri, f"Split-{file.split}", name), positions))
        for split in {file.split for file in files}:
            tf.io.gfile.makedirs(os.path.join(uri, f"Split-{split}"))
        with self._make_beam_pipeline() as pipeline:
            _ = pipeline | beam_transforms.WriteFiles(jobs, scratch_dir)


def _files(examples: types.Artifact, age: int) -> list[merging.SpanFile]:
    files = []
    for split in artifact_utils.decode_split_names(examples.split_names):
        folder = artifact_utils.get_split_uri([examples], split)
        names = sorted(name for name in tf.io.gfile.listdir(folder) if not name.startswith("."))
        files += [merging.SpanFile(os.path.join(folder, name), split, age) for name in names]
    return files


def _clear(uri: str) -> str:
    """Remove the files of a killed attempt and return the folder for unfinished files."""
    for name in tf.io.gfile.listdir(uri) if tf.io.gfile.isdir(uri) else ():
        path = os.path.join(uri, name.rstrip("/"))
        (tf.io.gfile.rmtree if tf.io.gfile.isdir(path) else tf.io.gfile.remove)(path)
    scratch_dir = os.path.join(uri, _SCRATCH_FOLDER)
    tf.io.gfile.makedirs(scratch_dir)
    return scratch_dir


def _summary(numbers: list[int], files: list[merging.SpanFile], kept: merging.Kept) -> WindowRecord:
    by_span: list[dict[str, int]] = [{} for _ in numbers]
    for file, left in zip(files, kept.records, strict=True):
        by_span[file.age][file.split] = by_span[file.age].get(file.split, 0) + left
    totals = {split: sum(counts.get(split, 0) for counts in by_span) for split in _SPLITS}
    return WindowRecord(
        spans=tuple(SpanImages(span=number, images=counts) for number, counts in zip(numbers, by_span, strict=True)),
        images={split: total for split, total in totals.items() if total},
        also_in_test=kept.also_in_test,
        group_in_test=kept.group_in_test,
        duplicates=kept.duplicates,
        label_conflicts=kept.label_conflicts,
    )


def _publish(window: types.Artifact, summary: WindowRecord, seconds: float) -> None:
    """Write the properties, then ``window.json``, whose presence says that the output is complete."""
    window.split_names = artifact_utils.encode_split_names(list(summary.images))
    examples_utils.set_payload_format(window, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(window, "tfrecords_gzip")
    for split, number in summary.images.items():
        artifacts.set_record_count(window, split, number)
    artifacts.set_data_span(window, summary.spans[0].span)
    window.set_float_custom_property(artifact_files.SECONDS, seconds)
    tf.io.gfile.rmtree(os.path.join(window.uri, _SCRATCH_FOLDER))
    write_record(os.path.join(window.uri, artifact_files.WINDOW_FILE), summary)
