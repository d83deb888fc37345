"""Both verdicts on each threshold; missing or contradictory evidence closes the gate."""

import dataclasses
import math

import numpy as np
import pytest

from components.contracts.evidence import CheckName, FeatureKind, Verdict
from components.contracts.stored_predictions import StoredPredictions
from components.linear_evaluation import split_identity
from components.linear_evaluation.config import GateConfig, PretrainingGain
from components.linear_evaluation.evaluation_result import EvaluationResult
from components.linear_evaluation.gate import judge
from components.linear_evaluation.gate_evidence import BaselinePredictions, Evidence, JudgedModel
from tests.components import evidence_records
from tests.components.evidence_records import make_features, make_probe

CANDIDATE, OLD, OTHER = "a" * 64, "b" * 64, "c" * 64
IMAGES = 200


def make_predictions(right: int, images: int = IMAGES) -> StoredPredictions:
    labels = np.arange(images) % 2
    predicted = np.where(np.arange(images) < right, labels, 1 - labels)
    return evidence_records.make_predictions(labels, np.eye(2, dtype=np.float32)[predicted])


def make_baseline_predictions(is_right: np.ndarray, first: int = 0) -> BaselinePredictions:
    """Predictions for images ``first``, ``first + 1``, ..., in the opposite order."""
    numbers = first + np.arange(len(is_right))
    classes = np.array(["cat", "dog"])[np.where(is_right, numbers % 2, 1 - numbers % 2)]
    digests = make_predictions(0, first + len(is_right)).digests
    return BaselinePredictions(digests[first:][::-1], classes[::-1])


def make_evidence(right: int = 190, baseline_right: int | None = None, images: int = IMAGES, **changes) -> Evidence:
    """A candidate that predicts ``right`` test images right, and a baseline in use if ``baseline_right`` is given."""
    accuracy = right / images
    has_baseline = baseline_right is not None
    old = JudgedModel(OLD, 1, "/runs/old", ("cat", "dog")) if has_baseline else None
    predictions = make_predictions(right, images)
    split = split_identity.digest(predictions.digests)
    given = Evidence(
        candidate=JudgedModel(CANDIDATE, 2, "/runs/new", ("cat", "dog"), test_split_digest=split),
        baseline=old,
        in_use=old,
        probe=make_probe(
            content_digest=CANDIDATE,
            features={
                FeatureKind.ENCODER: make_features(accuracy),
                FeatureKind.RANDOM_ENCODER: make_features(0.4),
                FeatureKind.RAW_PIXELS: make_features(0.4),
            },
            differences=evidence_records.make_differences(accuracy - 0.4, 0.05),
        ),
        predictions=predictions,
        evaluation=EvaluationResult(
            accuracy=right / images,
            images=images,
            class_recall={"cat": accuracy, "dog": accuracy},
            model_location="/runs/new/Format-Serving",
            baseline_accuracy=baseline_right / images if has_baseline else None,
            baseline_location="/runs/old/Format-Serving" if has_baseline else None,
            value_failures=(),
            change_failures=(),
        ),
    )
    return dataclasses.replace(given, **changes)


def with_evaluation(given: Evidence, **changes) -> Evidence:
    return dataclasses.replace(given, evaluation=dataclasses.replace(given.evaluation, **changes))


def with_encoder(given: Evidence, **changes) -> Evidence:
    return dataclasses.replace(given, probe=evidence_records.with_encoder(given.probe, **changes))


def without_gain(given: Evidence, difference: float = 0.01) -> Evidence:
    differences = evidence_records.make_differences(difference, 0.05)
    return dataclasses.replace(given, probe=dataclasses.replace(given.probe, differences=differences))


def test_the_first_good_model_is_blessed():
    verdict = judge(make_evidence(), GateConfig(min_accuracy=0.9))
    assert verdict.verdict == Verdict.BLESSED and verdict.verdict.may_push
    assert verdict.reason == "test accuracy 0.9500 is at least min_accuracy 0.9; no other model is in use"
    gains = [check.text for check in verdict.checks if check.name is CheckName.PRETRAINING_GAIN]
    assert gains[0].startswith("the encoder is worth more than raw pixels: with all labels accuracy 0.950 against 0.4")
    assert all(check.passed for check in verdict.checks) and not verdict.warnings


def test_a_threshold_is_met_exactly():
    assert judge(make_evidence(190), GateConfig(min_accuracy=0.95)).verdict == Verdict.BLESSED
    assert judge(make_evidence(189), GateConfig(min_accuracy=0.95)).verdict == Verdict.NOT_BLESSED


@pytest.mark.parametrize(
    ("right", "config", "reason"),
    [
        (180, GateConfig(min_accuracy=0.95), "test accuracy 0.9000 is 0.0500 below min_accuracy 0.95"),
        (180, GateConfig(min_test_images=500), "the number of test images 200 is 300 below min_test_images 500"),
        (180, GateConfig(min_class_recall=0.92), "recall of class cat 0.9000 is 0.0200 below min_class_recall 0.92"),
    ],
)
def test_a_missed_threshold_is_named_with_the_miss(right, config, reason):
    verdict = judge(make_evidence(right), config)
    assert verdict.verdict == Verdict.NOT_BLESSED and not verdict.verdict.may_push
    assert verdict.reason.startswith(reason), verdict.reason


@pytest.mark.parametrize(
    ("span", "in_use", "verdict"),
    [
        (12, 19, Verdict.NOT_BLESSED),
        (19, 19, Verdict.BLESSED),
        (20, 19, Verdict.BLESSED),
        (None, 19, Verdict.BLESSED),
        (12, None, Verdict.BLESSED),
    ],
)
def test_an_older_span_never_replaces_a_newer_one_however_good(span, in_use, verdict):
    given = make_evidence(200, baseline_right=100)
    of_span = dataclasses.replace(given.candidate, span=span)
    found = judge(
        dataclasses.replace(given, candidate=of_span, in_use=dataclasses.replace(given.in_use, span=in_use)),
        GateConfig(),
    )
    assert found.verdict == verdict
    if verdict == Verdict.NOT_BLESSED:
        assert found.reason == (
            "this model is from span 12, the model in use from span 19; a model of an older span never replaces one of "
            "a newer span"
        )


def test_a_run_that_may_not_bless_only_measures():
    config = GateConfig(may_bless=False)
    given = make_evidence()
    found = judge(given, config)
    assert found.verdict == Verdict.NOT_BLESSED and not found.verdict.may_push
    assert found.reason == "this run only measures (gate.may_bless is false)"
    assert {CheckName.MIN_ACCURACY, CheckName.MIN_IMPROVEMENT} <= {check.name for check in found.checks if check.passed}
    # Not even the model in use, whose push may have been lost.
    same = dataclasses.replace(given, in_use=given.candidate)
    assert judge(same, GateConfig()).verdict.may_push
    assert not judge(same, config).verdict.may_push


@pytest.mark.parametrize(
    ("right", "margin", "verdict", "words"),
    [
        (181, 0.0, Verdict.BLESSED, "0.0050 above that of the model in use, 0.9000"),
        (180, 0.0, Verdict.NOT_BLESSED, "test accuracy 0.9000 equals that of the model in use"),
        (178, 0.0, Verdict.NOT_BLESSED, "test accuracy 0.8900 is 0.0100 below that of the model in use, 0.9000"),
        (183, 0.02, Verdict.NOT_BLESSED, "only 0.0150 above that of the model in use, 0.9000; it must be more than "
         "0.02 above that (min_improvement), so 0.0050 is missing"),
        (184, 0.02, Verdict.NOT_BLESSED, "not exactly as much"),
        (185, 0.02, Verdict.BLESSED, "0.0250 above"),
    ],
)  # fmt: skip
def test_the_model_in_use_is_replaced_by_a_better_one_only(right, margin, verdict, words):
    found = judge(make_evidence(right, baseline_right=180), GateConfig(min_improvement=margin, max_p_value=None))
    assert found.verdict == verdict and words in found.reason, found.reason


@pytest.mark.parametrize(
    ("won", "lost", "config", "verdict", "words"),
    [
        (
            9,
            1,
            GateConfig(),
            Verdict.BLESSED,
            "9 are right only with this model and 1 only with the model in use; p = ",
        ),
        (9, 1, GateConfig(), Verdict.BLESSED, "p = 0.011 (one-sided McNemar test), limit 0.05"),
        (9, 1, GateConfig(max_p_value=0.01), Verdict.NOT_BLESSED, "(one-sided McNemar test), above the limit 0.01"),
        (4, 0, GateConfig(), Verdict.NOT_BLESSED, "p = 0.062 (one-sided McNemar test), above the limit 0.05"),
        (5, 0, GateConfig(), Verdict.BLESSED, "p = 0.031"),
        (1, 0, GateConfig(max_p_value=None), Verdict.BLESSED, "0.0050 above that of the model in use"),
        (20, 14, GateConfig(), Verdict.NOT_BLESSED, "p = 0.2"),
    ],
)
def test_a_gain_that_chance_gives_replaces_nothing(won, lost, config, verdict, words):
    right = 180
    is_right = np.arange(IMAGES) < right  # the candidate's
    is_right[:won] = False
    is_right[right : right + lost] = True
    given = make_evidence(
        right, baseline_right=int(is_right.sum()), baseline_predictions=make_baseline_predictions(is_right)
    )
    found = judge(given, config)
    assert found.verdict == verdict and words in found.reason, found.reason


def test_images_that_only_one_model_has_seen_do_not_count():
    # Of the images from 100 on, the candidate has 90 right; the baseline has the first 6 of them wrong.
    before = make_baseline_predictions(np.arange(300) >= 6, first=100)
    given = make_evidence(190, baseline_right=180, baseline_predictions=before)
    found = judge(given, GateConfig())
    assert "of the 100 test images that both models were measured on, 6 are right only with this model" in found.reason
    assert "10 only with the model in use" in found.reason
    assert found.verdict == Verdict.NOT_BLESSED


@pytest.mark.parametrize(("right", "verdict"), [(188, Verdict.NOT_BLESSED), (192, Verdict.BLESSED)])
@pytest.mark.parametrize("before", [None, make_baseline_predictions(np.ones(300, bool), first=170)])
def test_without_images_in_common_the_counts_are_compared(right, verdict, before):
    found = judge(make_evidence(right, baseline_right=180, baseline_predictions=before), GateConfig())
    assert found.verdict == verdict
    assert f"as if on different images, {right} against 180 right of 200" in found.reason


def test_the_model_in_use_stays_under_another_artifact():
    in_use = JudgedModel(CANDIDATE, 1, "/runs/earlier")
    given = make_evidence(190, in_use=in_use)
    verdict = judge(given, GateConfig())
    assert (verdict.verdict, verdict.reason) == (Verdict.UNCHANGED, "this model is in use")
    # It need not beat what it has replaced, even on images on which it no longer would.
    older = make_evidence(190, baseline_right=195, in_use=in_use)
    older = with_evaluation(older, change_failures=("accuracy_diff -0.0250",))
    assert judge(older, GateConfig()).verdict == Verdict.UNCHANGED
    # But it is held against the thresholds of today.
    assert judge(given, GateConfig(min_accuracy=0.99)).verdict == Verdict.NOT_BLESSED


def test_what_the_evaluator_refuses_is_refused():
    refused = with_evaluation(make_evidence(), value_failures=("accuracy 0.9500",))
    assert judge(refused, GateConfig()).reason == "the Evaluator's threshold is missed: accuracy 0.9500"
    change = with_evaluation(make_evidence(190, 180), change_failures=("accuracy_diff 0.0500",))
    assert judge(change, GateConfig()).verdict == Verdict.NOT_BLESSED


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (make_evidence(probe=None, problems=("the probe report is missing",)), "the probe report is missing"),
        (make_evidence(predictions=None), "evidence is missing"),
        (make_evidence(evaluation=None, problems=("x",)), "x"),
        (make_evidence(candidate=JudgedModel(OTHER, 2, "/runs/new")), "the probe report is about model aaaaaaaaaaaa"),
        (with_evaluation(make_evidence(), model_location="/runs/newer/Format-Serving"), "the Evaluator's candidate"),
        (with_evaluation(make_evidence(190, 180), baseline_location=None), "the Evaluator's baseline is in None"),
        (with_evaluation(make_evidence(190, 180), baseline_accuracy=None), "did not measure the model in use"),
        (with_evaluation(make_evidence(), accuracy=0.952), "differ by 0.0020, limit 0.001"),
        (with_evaluation(make_evidence(), images=199), "the Evaluator saw 199 test images, the probe 200"),
        (with_encoder(make_evidence(), accuracy=0.99), "the probe report's accuracy 0.9900"),
        (make_evidence(predictions=make_predictions(0, 0)), "unusable: they are of no image"),
        (
            make_evidence(predictions=dataclasses.replace(make_predictions(190), scores=np.full((200, 2), np.nan))),
            "unusable: not all scores are finite",
        ),
        (make_evidence(190, 180, in_use=None), "is not the model in use"),
        (make_evidence(190, 180, in_use=JudgedModel(OTHER, 3, "/x")), "is not the model in use"),
        (make_evidence(190, in_use=JudgedModel(OTHER, 3, "/x")), "there is no baseline to compare with"),
        (make_evidence(predictions=make_predictions(199, 201)), "the predictions are of test split"),
        (without_gain(make_evidence(), math.nan), "the difference to raw pixels is not a finite number"),
    ],
)
def test_missing_or_contradictory_evidence_closes_the_gate(given, words):
    verdict = judge(given, GateConfig())
    assert verdict.verdict == Verdict.NOT_BLESSED and words in verdict.reason, verdict.reason


def test_a_class_without_test_images_has_not_met_its_floor():
    given = with_evaluation(make_evidence(), class_recall={"cat": 0.95})
    verdict = judge(given, GateConfig(min_class_recall=0.9))
    assert verdict.verdict == Verdict.NOT_BLESSED
    assert verdict.reason == "test holds no image of dog, so min_class_recall 0.9 cannot be met"
    assert judge(given, GateConfig()).verdict == Verdict.BLESSED


@pytest.mark.parametrize(("count", "words"), [(0, "no other model was"), (1, "1 other model was"), (7, "7 other mod")])
def test_how_often_the_test_split_was_used_is_said_and_refuses_nothing(count, words):
    verdict = judge(make_evidence(earlier_blessings=count), GateConfig())
    assert verdict.verdict == Verdict.BLESSED
    check = next(check for check in verdict.checks if check.name is CheckName.EARLIER_BLESSINGS)
    assert check.value == count and check.text.startswith(words)
    assert check.text.endswith("blessed on these test images before")


def test_a_missing_gain_of_pretraining_refuses_or_warns():
    given = without_gain(make_evidence())
    refused = judge(given, GateConfig())
    assert refused.verdict == Verdict.NOT_BLESSED and not refused.warnings
    assert [reason.partition(" (")[0] for reason in refused.reasons] == [
        f"the test split of 12 images is too small to tell whether the encoder is worth more than {other}"
        for other in ("raw pixels", "the encoder before training")
    ]
    warned = judge(given, GateConfig(pretraining_gain=PretrainingGain.ADVISED))
    assert warned.verdict == Verdict.BLESSED and warned.warnings == refused.reasons


def test_warnings_never_refuse():
    gap = with_encoder(make_evidence(190), knn_accuracy=0.8)
    verdict = judge(gap, GateConfig())
    assert verdict.verdict == Verdict.BLESSED and "0.1500 above that of kNN" in verdict.warnings[0]
    verdict = judge(with_encoder(make_evidence(160), knn_accuracy=0.95), GateConfig())
    assert verdict.verdict == Verdict.BLESSED and "0.1500 below that of kNN" in verdict.warnings[0]
    baseline = JudgedModel(OLD, 1, "/runs/old", ("cat", "cow"))
    verdict = judge(make_evidence(190, 180, baseline=baseline, in_use=baseline), GateConfig())
    assert verdict.verdict == Verdict.BLESSED
    assert verdict.warnings == ("the classes differ: ['cow'] only in the model in use, ['dog'] only in this model",)


def test_a_model_of_other_classes_is_judged_alone():
    in_use = JudgedModel(OLD, 1, "/runs/old", ("cat",))
    verdict = judge(make_evidence(190, in_use=in_use), GateConfig())
    assert verdict.verdict == Verdict.BLESSED
    assert "the model in use has other classes, so the two are not compared" in verdict.reason
    assert verdict.warnings == ("the classes differ: [] only in the model in use, ['dog'] only in this model",)
    assert judge(make_evidence(20, in_use=in_use), GateConfig()).verdict == Verdict.NOT_BLESSED
