"""``simclr check``: everything that is known before a run, as lines for people, and whether the run can begin."""

import dataclasses
import os
from collections.abc import Iterator

from components.contracts import records
from components.ingestion.reading.plug_ins import open_source
from pipeline.check import machine, minimums
from pipeline.check.counts import UNDECIDED, Counts, Listing, list_source
from pipeline.check.estimate import TimedImages, TimedSteps, needed_bytes, pretraining_images, time_images, time_steps
from pipeline.check.machine import in_words
from pipeline.config import PipelineConfig
from pipeline.workdir import Workdir

_FIRST = 10
_LIKELY = "Likely"  # row of a shortage that only ingestion can be sure of


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a check found."""

    rows: tuple[tuple[str, str], ...]  # subject and sentence
    problems: tuple[str, ...]  # with which the run would stop

    def text(self) -> str:
        """The lines of the check, the problems last."""
        rows = [*self.rows, *(("Problem", problem) for problem in self.problems)]
        if not self.problems:
            is_doubtful = any(name == _LIKELY for name, _ in self.rows)
            sentence = "a run can begin, but is likely to stop" if is_doubtful else "nothing is in the way of a run"
            rows.append(("Result", sentence))
        return "\n".join(f"{name:<10} {value}" for name, value in rows)


def check(config: PipelineConfig, workdir: Workdir) -> Findings:
    """List the data without decoding it all, look at the machine, and time some images and steps.

    Raises:
        SourceError: the data root is missing, empty, or not laid out as expected.
    """
    source = open_source(workdir.data_root, config.ingestion)
    listing = list_source(source)
    found = minimums.shortages(listing.counts, config)
    rows = [*_data_rows(listing, workdir.data_root, config), *_batch_rows(listing.counts, config)]
    problems = [shortage.text for shortage in found if shortage.is_certain]
    rows += [(_LIKELY, shortage.text) for shortage in found if not shortage.is_certain]
    seen = machine.gpus_seen()
    rows += [("GPUs", f"{key} asks for {number}, {seen} seen") for key, number in machine.gpus_asked(config).items()]
    missing = [
        f"{key} is {number}, but TensorFlow sees {seen} GPUs here: check the driver and the CUDA libraries, or use the "
        f"CPU (--set {key}=0)."
        for key, number in machine.gpus_asked(config).items()
        if number > seen
    ]
    timed = time_images(source, listing.sample, config)
    rows += _sample_rows(timed)
    needed, free = needed_bytes(timed, listing.counts, config), machine.free_bytes(workdir.path)
    rows.append(("Disk", f"about {in_words(needed)} needed, {in_words(free)} free in {workdir.path}"))
    if needed > free:
        missing.append(
            f"{workdir.path} has {in_words(free)} free, but a run needs about {in_words(needed)}: name another."
        )
    if not problems and not missing:
        rows += _time_rows(timed, time_steps(config), listing.counts, config)
    return Findings(tuple(rows), (*problems, *missing))


def _data_rows(listing: Listing, root: str, config: PipelineConfig) -> Iterator[tuple[str, str]]:
    counts = listing.counts
    about = "about " if listing.is_estimate else ""
    by_split = {
        records.TRAIN: counts.train,
        records.TEST: counts.test,
        UNDECIDED: counts.undecided,
        records.UNLABELED: counts.unlabeled,
    }
    total = sum(by_split.values())
    yield "Data", f"{root}: {about}{total:,} images listed, source {config.ingestion.source}"
    for split, number in by_split.items():
        if number:
            yield "", f"{split}: {number:,}{_named(listing.classes.get(split, {}))}"
    if counts.undecided:
        part = config.ingestion.test_fraction
        yield "", f"about {round(part * counts.undecided):,} of {counts.undecided:,} become test ({part:g})"
    reasons: dict[str, int] = {}
    yield from (("Note", note) for note in listing.notes)
    for refusal in listing.refusals:
        reasons[refusal.reason] = reasons.get(refusal.reason, 0) + 1
    if reasons:
        first = "; ".join(refusal.path for refusal in listing.refusals[:3])
        yield "Left out", f"{_joined(reasons)}; first: {first}"


def _batch_rows(counts: Counts, config: PipelineConfig) -> Iterator[tuple[str, str]]:
    images, batch = pretraining_images(counts, config), config.pretraining.global_batch_size
    if images >= batch:
        steps, epochs = images // batch, config.pretraining.epochs
        each = f"{steps:,} steps of {batch:,} images in each epoch" if steps > 1 else f"one step of {batch:,} images"
        yield "Batch", f"about {images:,} images for pretraining: {each}, {epochs} epochs, {steps * epochs:,} steps"


def _sample_rows(timed: TimedImages) -> Iterator[tuple[str, str]]:
    if timed.refusals:
        named = "; ".join(f"{refusal.path} ({refusal.reason}: {refusal.message})" for refusal in timed.refusals[:3])
        total = timed.decoded + len(timed.refusals)
        yield "Refused", f"{len(timed.refusals)} of {total} images that were tried: {named}"


def _time_rows(
    timed: TimedImages, steps: TimedSteps, counts: Counts, config: PipelineConfig
) -> Iterator[tuple[str, str]]:
    images = counts.labelled + counts.unlabeled
    trained = pretraining_images(counts, config)
    total_steps = trained // config.pretraining.global_batch_size * config.pretraining.epochs
    data_seconds = images * timed.seconds + trained * timed.view_seconds
    training_seconds = steps.first_seconds + total_steps * steps.seconds
    cores = len(os.sched_getaffinity(0))
    yield (
        "Time",
        f"about {_duration(data_seconds)} for images and views, {_duration(training_seconds)} for training, and some "
        f"minutes for all other steps (timed: {timed.decoded} images, {steps.steps} steps; {cores} cores)",
    )


def _named(classes: dict[str, int]) -> str:
    if not classes:
        return ""
    return f" ({len(classes)} classes: {_joined(classes)})" if len(classes) > 1 else f" (one class: {_joined(classes)})"


def _joined(counts: dict[str, int]) -> str:
    named = [f"{name} {number:,}" for name, number in sorted(counts.items())[:_FIRST]]
    return ", ".join(named + ([f"and {len(counts) - _FIRST} more"] if len(counts) > _FIRST else []))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
