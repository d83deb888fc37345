"""What the Gate is given, and whether it is whole: everything there, about one model and the same images."""

import dataclasses
from typing import Any

import numpy as np

from components.contracts import evidence
from components.linear_evaluation import split_identity
from components.linear_evaluation.config import GateConfig
from components.linear_evaluation.evaluation_result import EvaluationResult


@dataclasses.dataclass(frozen=True)
class JudgedModel:
    """A model as the Gate knows it."""

    content_digest: str
    id: int
    uri: str
    class_names: tuple[str, ...] | None = None  # None where the model does not say
    span: int | None = None  # of the data it was made from; None where that has no spans
    test_split_digest: str = ""  # of the images it was measured on


@dataclasses.dataclass(frozen=True)
class Evidence:
    """All that the Gate was given."""

    candidate: JudgedModel
    baseline: JudgedModel | None
    in_use: JudgedModel | None  # as the blessing in force names it; equal to the baseline or of the candidate's content
    probe: dict[str, Any] | None  # content of probe.json
    predictions: dict[str, np.ndarray] | None  # content of test_predictions.npz
    evaluation: EvaluationResult | None
    baseline_predictions: dict[str, np.ndarray] | None = None  # content of the baseline's signatures.PREDICTIONS_FILE
    earlier_blessings: int = 0  # of other models on the test split of the candidate
    problems: tuple[str, ...] = ()  # why something above is None

    @property
    def has_other_classes(self) -> bool:
        """Whether the model in use is known to have other classes than the candidate."""
        theirs = self.in_use.class_names if self.in_use else None
        return bool(self.candidate.class_names and theirs) and self.candidate.class_names != theirs


@dataclasses.dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    passed: bool
    text: str  # a clause that names value, threshold and by how much it is missed or met
    value: float | None = None
    threshold: float | None = None


def all_passed(checks: list[Check]) -> bool:
    """Whether no check refuses."""
    return all(check.passed for check in checks)


def evidence_checks(given: Evidence, config: GateConfig) -> list[Check]:
    """Is everything there, and does it speak of the same model and the same images?"""
    checks = [Check("evidence", False, problem) for problem in given.problems]
    if given.probe is None or given.predictions is None or given.evaluation is None:
        return checks or [Check("evidence", False, "evidence is missing")]
    probe_digest = given.probe.get(evidence.CONTENT_DIGEST)
    checks.append(
        Check(
            "same_model",
            probe_digest == given.candidate.content_digest,
            f"the probe report is about model {str(probe_digest)[:12]}, the candidate is "
            f"{given.candidate.content_digest[:12]}",
        )
    )
    if not all_passed(checks):
        return checks
    checks += _location_checks(given)
    checks += _agreement_checks(given, config)
    in_use = given.in_use.content_digest if given.in_use else None
    if given.baseline is not None and in_use not in (given.baseline.content_digest, given.candidate.content_digest):
        text = f"the baseline {given.baseline.content_digest[:12]} is not the model in use, {str(in_use)[:12]}"
        checks.append(Check("baseline_in_use", False, text))
    if given.baseline is None and in_use not in (None, given.candidate.content_digest) and not given.has_other_classes:
        text = f"model {in_use[:12]} is in use, but there is no baseline to compare with"
        checks.append(Check("baseline_in_use", False, text))
    return checks


def _location_checks(given: Evidence) -> list[Check]:
    """The Evaluator must have looked at the very models that are judged."""
    pairs = [("candidate", given.candidate, given.evaluation.model_location)]
    if given.baseline is not None:
        pairs.append(("baseline", given.baseline, given.evaluation.baseline_location))
    return [
        Check(
            f"evaluated_{name}",
            bool(location) and location.startswith(model.uri.rstrip("/") + "/"),
            f"the Evaluator's {name} lies in {location}, the Gate's in {model.uri}",
        )
        for name, model, location in pairs
    ]


def _agreement_checks(given: Evidence, config: GateConfig) -> list[Check]:
    """Three counts of one thing: the report, the predictions it was counted from, and TFMA's own run."""
    # Counted anew, as the report's number is what is in doubt.
    scores, labels = given.predictions[evidence.TEST_SCORES], given.predictions[evidence.TEST_LABELS]
    if not len(labels) or len(scores) != len(labels) or not np.isfinite(scores).all():
        text = f"the test predictions are unusable: {len(scores)} rows of scores for {len(labels)} labels"
        return [Check("predictions", False, text)]
    counted = float(np.mean(scores.argmax(axis=1) == labels))
    split = split_identity.digest(given.predictions[evidence.TEST_DIGESTS])
    reported = given.probe[evidence.FEATURES][evidence.ENCODER][evidence.ACCURACY]
    return [
        _agreement("probe_agrees", "the probe report's accuracy", reported, "its predictions'", counted, 1e-9),
        _agreement(
            "evaluator_agrees",
            "the Evaluator's accuracy",
            given.evaluation.accuracy,
            "the probe's",
            counted,
            config.evidence_tolerance,
        ),
        Check(
            "same_test_split",
            given.candidate.test_split_digest == split,
            f"the predictions are of test split {split[:12]}, the candidate was measured on "
            f"{given.candidate.test_split_digest[:12] or 'an unknown one'}",
        ),
        Check(
            "same_images",
            given.evaluation.images == len(labels),
            f"the Evaluator saw {given.evaluation.images} test images, the probe {len(labels)}",
        ),
    ]


def _agreement(name: str, left: str, left_value: float, right: str, right_value: float, tolerance: float) -> Check:
    difference = abs(left_value - right_value)
    return Check(
        name,
        difference <= tolerance,
        f"{left} {left_value:.4f} and {right} {right_value:.4f} differ by {difference:.4f}, allowed is {tolerance:g}",
        difference,
        tolerance,
    )
