"""What a person can do with a model that was not blessed, as commands to copy."""

import argparse
import math
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.contracts.evidence import Check, CheckName

if TYPE_CHECKING:
    from pipeline.local.outcome import Outcome

_DECIMALS = 4


def lines(arguments: argparse.Namespace, workdir: str, outcome: "Outcome") -> list[tuple[str, str]]:
    """Titles and commands: use the candidate, put it into use by a person's word, judge it by other thresholds.

    Args:
        arguments: of ``simclr run``.
        workdir: the work directory of the run.
        outcome: of the run; only a model that is the candidate still can be used and pushed as such.
    """
    place = f"--workdir {shlex.quote(workdir)}"
    found = []
    if outcome.is_candidate:
        found.append(("Use it", f"simclr embed IMAGES --model candidate {place} --output embeddings.parquet"))
        found.append(("Push it", f'simclr registry add --candidate {place} --why "…"'))
    if changes := thresholds_that_pass(outcome.failed):
        found.append(("Judge anew", shlex.join(_same_run(arguments, workdir, changes))))
    return found


def thresholds_that_pass(failed: Sequence[Check]) -> list[str]:
    """``gate.KEY=VALUE`` of the settings under which the failed checks pass; empty if no setting helps one of them."""
    found: dict[str, str] = {}
    recalls = [check.value for check in failed if check.name is CheckName.MIN_CLASS_RECALL and check.value is not None]
    for check in failed:
        if check.name is CheckName.EVALUATOR_THRESHOLDS:  # says again what another check says
            continue
        value = _value_that_passes(check, min(recalls, default=None))
        if value is None:
            return []
        found[check.name.value] = value
    return [f"gate.{key}={value}" for key, value in found.items()]


def _value_that_passes(check: Check, lowest_recall: float | None) -> str | None:
    if check.name is CheckName.PRETRAINING_GAIN:
        return "advised"
    if check.name is CheckName.MAX_P_VALUE:
        return "null"
    if check.name is CheckName.MAY_BLESS:
        return "true"
    if check.name is CheckName.MIN_TEST_IMAGES and check.value:
        return str(int(check.value))
    if check.name is CheckName.MIN_ACCURACY and check.value is not None:
        return _rounded_down(check.value)
    if check.name is CheckName.MIN_CLASS_RECALL:
        return "null" if lowest_recall is None or check.value is None else _rounded_down(lowest_recall)
    return None


def _rounded_down(value: float) -> str:
    return f"{math.floor(value * 10**_DECIMALS) / 10**_DECIMALS:g}"


def _same_run(arguments: argparse.Namespace, workdir: str, changes: Sequence[str]) -> list[str]:
    """The command line of the run, with other settings of the Gate."""
    keys = {change.partition("=")[0] for change in changes}
    kept = [override for override in arguments.overrides if override.partition("=")[0] not in keys]
    words = ["simclr", "run", "--config", arguments.config, "--workdir", workdir]
    words += ["--data", arguments.data] if arguments.data else []
    words += ["--runner", arguments.runner] if arguments.runner != "local" else []
    for override in (*kept, *changes):
        words += ["--set", override]
    return words
