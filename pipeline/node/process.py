"""The set-up of every process of a run: arguments that name the run, GPUs, file systems, logging."""

import argparse
import logging
import os
import pathlib
import sys
from collections.abc import Sequence

import absl.logging

from components.contracts.plain_text import printable_lines


class MissingGpuError(RuntimeError):
    """TensorFlow sees fewer GPUs than the node should have."""


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name the run and its graph."""
    parser.add_argument("--ir", type=pathlib.Path, required=True, help="the compiled graph")
    parser.add_argument("--ir-digest", required=True, help="digest of the graph that the run was compiled from")
    parser.add_argument("--run-id", required=True, help="the run's name in ML Metadata; the same for a retry")


def hide_gpus() -> None:
    """Hide every GPU of the machine from TensorFlow; call this before TensorFlow is imported."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def require_gpus(node_id: str, count: int) -> None:
    """Fail at once if a GPU was paid for but cannot be used.

    Raises:
        MissingGpuError: TensorFlow sees fewer than ``count`` GPUs.
    """
    import tensorflow as tf

    visible = len(tf.config.list_physical_devices("GPU"))
    if visible < count:
        raise MissingGpuError(
            f"{node_id} should have {count} GPUs, but TensorFlow sees {visible}: check the pod's limit, the node's "
            "driver and that the image has the CUDA libraries"
        )


def open_filesystems(pipeline_args: Sequence[str]) -> None:
    """Give Beam's file systems their options: drivers list data roots before any Beam pipeline exists."""
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    FileSystems.set_options(PipelineOptions(list(pipeline_args)))


class _Formatter(logging.Formatter):
    """A line for each message; further lines are indented, so that no file name can pose as another message."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


def configure_logging() -> None:
    """Log everything from INFO on to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    absl.logging.set_verbosity(absl.logging.INFO)
