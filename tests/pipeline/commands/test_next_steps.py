"""The commands that a run prints for a model that was not blessed."""

import argparse
import dataclasses
import shlex

from components.contracts.evidence import Check, CheckName, Verdict
from pipeline import cli
from pipeline.commands.next_steps import lines, thresholds_that_pass
from tests.pipeline.local.test_outcome import make_outcome


def failed(name: CheckName, value: float | None = None) -> Check:
    return Check(name=name, value=value, passed=False, text="")


def arguments(*words: str) -> argparse.Namespace:
    return argparse.Namespace(
        config="photos", data="my photos", runner="local", overrides=["gate.min_accuracy=0.9", "seed=1"]
    )


def test_each_threshold_is_moved_to_what_was_found():
    assert thresholds_that_pass(
        [
            failed(CheckName.MIN_TEST_IMAGES, 38.0),
            failed(CheckName.MIN_ACCURACY, 2 / 3),
            failed(CheckName.MIN_CLASS_RECALL, 0.5),
            failed(CheckName.MIN_CLASS_RECALL, 0.25),
            failed(CheckName.PRETRAINING_GAIN, -0.1),
            failed(CheckName.PRETRAINING_GAIN, 0.0),
            failed(CheckName.MAX_P_VALUE, 0.2),
            failed(CheckName.EVALUATOR_THRESHOLDS),
        ]
    ) == [
        "gate.min_test_images=38",
        "gate.min_accuracy=0.6666",
        "gate.min_class_recall=0.25",
        "gate.pretraining_gain=advised",
        "gate.max_p_value=null",
    ]


def test_where_no_setting_helps_none_is_proposed():
    assert thresholds_that_pass([failed(CheckName.MIN_ACCURACY, 0.5), failed(CheckName.MIN_IMPROVEMENT, -0.01)]) == []


def test_the_command_is_that_of_the_run_with_other_thresholds():
    missed = (failed(CheckName.MIN_ACCURACY, 0.61),)
    outcome = dataclasses.replace(make_outcome(Verdict.NOT_BLESSED), failed=missed, is_candidate=True)
    replaced = dataclasses.replace(outcome, is_candidate=False)  # a later run has another candidate
    assert list(dict(lines(arguments(), "/runs/a b", replaced))) == ["Judge anew"]
    found = dict(lines(arguments(), "/runs/a b", outcome))
    assert list(found) == ["Use it", "Push it", "Judge anew"]
    words = shlex.split(found["Judge anew"])
    assert words == [
        *("simclr", "run", "--config", "photos", "--workdir", "/runs/a b", "--data", "my photos"),
        *("--set", "seed=1", "--set", "gate.min_accuracy=0.61"),
    ]
    for command in found.values():  # all of them are commands that the parser knows
        assert cli.parser().parse_args(shlex.split(command)[1:]).command
