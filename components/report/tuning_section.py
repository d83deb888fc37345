"""The Tuner's trials as a table: what was tried, what it was worth, and which values the Trainer was given."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from components.contracts import tuning_record as keys
from components.report.scales import duration, percent, significant


@dataclasses.dataclass(frozen=True)
class TuningSection:
    """A row per trial; the last column is words, the ones between it and the first are numbers."""

    heads: list[str]
    rows: list[list[str]]
    note: str


def tuning_section(tuning: Mapping[str, Any]) -> TuningSection:
    """The table of ``tuning.json``."""
    trials = tuning[keys.TRIALS]
    names = list(trials[0][keys.VALUES])
    heads = ["trial", *(name.replace("_", " ") for name in names), "kNN accuracy", "time", "outcome"]
    rows = [
        [
            str(trial[keys.TRIAL]),
            *(significant(trial[keys.VALUES][name]) for name in names),
            "" if trial[keys.KNN] is None else percent(trial[keys.KNN]),
            duration(trial[keys.SECONDS]),
            _outcome(trial, tuning[keys.BEST]),
        ]
        for trial in trials
    ]
    return TuningSection(heads, rows, _note(tuning))


def _outcome(trial: Mapping[str, Any], best: int) -> str:
    words = [
        *(["the config's own values"] if trial[keys.TRIAL] == 1 else []),
        *(["taken"] if trial[keys.TRIAL] == best else []),
        *([f"failed: {trial[keys.FAILURE]}"] if trial[keys.FAILURE] else []),
    ]
    return "; ".join(words)


def _note(tuning: Mapping[str, Any]) -> str:
    """How the trials were judged, and how much of a difference is chance."""
    images, executions = tuning[keys.EVAL_IMAGES], tuning[keys.EXECUTIONS]
    [best] = [trial[keys.KNN] for trial in tuning[keys.TRIALS] if trial[keys.TRIAL] == tuning[keys.BEST]]
    error = math.sqrt(best * (1 - best) / images)
    trainings = "a training" if executions == 1 else f"{executions} trainings"
    return (
        f"Each trial is {trainings} of {tuning[keys.EPOCHS]} epochs, judged by kNN among {images} held-out images of "
        f"train, never of test. One standard error of so few images is {percent(error)}; the best of several trials "
        "looks better than it is."
    )
