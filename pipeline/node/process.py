"""What every process of a run does first: find the graph, hide or count GPUs, set up filesystems and logging."""

import argparse
import logging
import os
import pathlib
import sys
from collections.abc import Sequence

import absl.logging


class MissingGpuError(RuntimeError):
    """TensorFlow sees fewer GPUs than a node was given."""


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that say which run of which graph this is."""
    parser.add_argument("--ir", type=pathlib.Path, required=True, help="the compiled graph")
    parser.add_argument("--ir-digest", required=True, help="of the graph that the run was compiled from")
    parser.add_argument("--run-id", required=True, help="the run's name in ML Metadata; a retry has the same")


def hide_gpus() -> None:
    """Keep TensorFlow, once it is imported, from every GPU of the machine."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def require_gpus(node_id: str, count: int) -> None:
    """Fail at once where a GPU was paid for and cannot be used.

    Raises:
        MissingGpuError: TensorFlow sees fewer than ``count`` GPUs.
    """
    import tensorflow as tf

    visible = len(tf.config.list_physical_devices("GPU"))
    if visible < count:
        raise MissingGpuError(
            f"{node_id} was to have {count} GPUs, but TensorFlow sees {visible}: check the pod's limit, the node's "
            "driver and that the image has the CUDA libraries"
        )


def open_filesystems(pipeline_args: Sequence[str]) -> None:
    """Tell Beam's filesystems what they want to know; drivers list data roots before there is any Beam pipeline."""
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

    FileSystems.set_options(PipelineOptions(list(pipeline_args)))


def configure_logging() -> None:
    """Everything that is said from INFO on goes to standard error."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", force=True
    )
    absl.logging.set_verbosity(absl.logging.INFO)
