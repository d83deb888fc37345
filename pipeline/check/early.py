"""The checks that a run makes in its first seconds, and once more when ingestion has counted the images."""

import os
from collections.abc import Callable

from components.contracts import artifact_files, records
from components.contracts.ingestion_record import IngestionSummary
from components.contracts.paths import is_uri
from components.contracts.record_files import read_record
from components.contracts.window_record import WindowRecord
from components.ingestion.reading.source import Source
from pipeline.check import machine, minimums
from pipeline.check.counts import Counts, Listing, list_source, of_summary
from pipeline.config import PipelineConfig
from pipeline.workdir import Workdir

INGESTION, WINDOW = "ImageExampleGen", "TrainingWindow"  # nodes
IMAGES = {INGESTION: "examples", WINDOW: "window"}  # key of the output with the images, by node


def before_run(config: PipelineConfig, workdir: Workdir, say: Callable[[str], None]) -> None:
    """Look at the GPUs, list the images, and compare the space that they will take with the disk.

    Args:
        config: all settings.
        workdir: of the run. No image is listed if the run still has to write the data, or if there are spans, from
            which ingestion chooses.
        say: called with sentences about what is likely, but not certain, to be too little.

    Raises:
        MissingGpu: a step asks for more GPUs than there are.
        SourceError: the data root is missing, empty, or not laid out as expected.
        TooFewImagesError: there are certainly too few images.
    """
    machine.require_gpus(config)
    data_root = workdir.data_root
    if config.ingestion.span_pattern or not (is_uri(data_root) or os.path.isdir(data_root)):
        return
    from components.ingestion.reading.plug_ins import open_source

    source = open_source(data_root, config.ingestion)
    listing = list_source(source)
    minimums.require(listing.counts, config)
    for shortage in minimums.shortages(listing.counts, config):
        say(f"Note: {shortage.text}")
    if not is_uri(data_root):
        _compare_space(source, listing, config, workdir, say)


def _compare_space(
    source: Source, listing: Listing, config: PipelineConfig, workdir: Workdir, say: Callable[[str], None]
) -> None:
    """Only a note, because a run that finds its results in the cache writes little."""
    from pipeline.check import estimate

    needed = estimate.needed_bytes(estimate.time_images(source, listing.sample, config), listing.counts, config)
    free = machine.free_bytes(workdir.path)
    if needed > free:
        words = machine.in_words
        say(f"Note: {workdir.path} has {words(free)} free, but images and views may take about {words(needed)}.")


def after_ingestion(config: PipelineConfig, node_id: str, output_uri: str, say: Callable[[str], None]) -> None:
    """Compare the images that a run will train on and be judged by with every minimum.

    Args:
        config: all settings.
        node_id: the node that just finished; only the one that gives the images is looked at.
        output_uri: of its images.
        say: called with sentences about what does not stop the run.

    Raises:
        TooFewImagesError: there are too few images.
    """
    if node_id != (WINDOW if config.training_spans > 1 else INGESTION):
        return
    counts = _counted(node_id, output_uri)
    minimums.require(counts, config)
    for shortage in minimums.shortages(counts, config):
        say(f"        Note: {shortage.text}")


def _counted(node_id: str, uri: str) -> Counts:
    if node_id == INGESTION:
        return of_summary(read_record(IngestionSummary, os.path.join(uri, artifact_files.INGESTION_SUMMARY_FILE)))
    images = read_record(WindowRecord, os.path.join(uri, artifact_files.WINDOW_FILE)).images
    return Counts(
        train=images.get(records.TRAIN, 0),
        test=images.get(records.TEST, 0),
        unlabeled=images.get(records.UNLABELED, 0),
        is_exact=True,
    )
