"""The evidence that the Gate is given, and the checks that it is complete and about one model and the same images."""

import dataclasses

import numpy as np

from components.contracts.evidence import Check, CheckName, ProbeReport
from components.contracts.stored_predictions import StoredPredictions
from components.linear_evaluation import split_identity
from components.linear_evaluation.config import GateConfig
from components.linear_evaluation.evaluation_result import EvaluationResult


@dataclasses.dataclass(frozen=True)
class JudgedModel:
    """A model as the Gate knows it."""

    content_digest: str
    id: int
    uri: str
    class_names: tuple[str, ...] | None = None  # None: the model does not say
    span: int | None = None  # of the data it was made from; None: the data has no spans
    test_split_digest: str = ""  # of the images it was measured on


@dataclasses.dataclass(frozen=True, eq=False)
class BaselinePredictions:
    """The classes that the baseline gave its own test images, when it was measured."""

    digests: np.ndarray  # (n,) str
    classes: np.ndarray  # (n,) str

    def __post_init__(self) -> None:
        if self.digests.shape != self.classes.shape:
            raise ValueError(f"expected a class for each digest, found {self.classes.shape} for {self.digests.shape}")


@dataclasses.dataclass(frozen=True)
class Measurements:
    """What was measured of the candidate."""

    probe: ProbeReport
    predictions: StoredPredictions
    evaluation: EvaluationResult


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Everything that the Gate was given."""

    candidate: JudgedModel
    baseline: JudgedModel | None
    in_use: JudgedModel | None  # from the blessing in force; it is the baseline, or has the candidate's content
    probe: ProbeReport | None
    predictions: StoredPredictions | None
    evaluation: EvaluationResult | None
    baseline_predictions: BaselinePredictions | None = None
    earlier_blessings: int = 0  # of other models on the candidate's test split
    problems: tuple[str, ...] = ()  # why a part above is None

    @property
    def measurements(self) -> Measurements | None:
        """What was measured of the candidate; None if a part of it is missing."""
        if self.probe is None or self.predictions is None or self.evaluation is None:
            return None
        return Measurements(self.probe, self.predictions, self.evaluation)

    @property
    def has_other_classes(self) -> bool:
        """Whether the model in use is known to have other classes than the candidate."""
        theirs = self.in_use.class_names if self.in_use else None
        return bool(self.candidate.class_names and theirs) and self.candidate.class_names != theirs


def all_passed(checks: list[Check]) -> bool:
    """Whether no check refuses."""
    return all(check.passed for check in checks)


def refusal(name: CheckName, text: str, threshold: float | None = None) -> Check:
    """A check that failed before there was a value."""
    return Check(name=name, passed=False, text=text, threshold=threshold)


def evidence_checks(given: Evidence, config: GateConfig) -> list[Check]:
    """Check that all evidence is there, and that all of it is about the same model and the same images."""
    checks = [refusal(CheckName.EVIDENCE, problem) for problem in given.problems]
    measured = given.measurements
    if measured is None:
        return checks or [refusal(CheckName.EVIDENCE, "evidence is missing")]
    digest, candidate = measured.probe.content_digest, given.candidate.content_digest
    text = f"the probe report is about model {digest[:12]}, the candidate is {candidate[:12]}"
    checks.append(Check(name=CheckName.SAME_MODEL, passed=digest == candidate, text=text))
    if not all_passed(checks):
        return checks
    checks += _location_checks(given, measured.evaluation)
    checks += _agreement_checks(given.candidate, measured, config)
    return checks + _baseline_checks(given)


def _baseline_checks(given: Evidence) -> list[Check]:
    """The baseline must be the model in use, except where that has the candidate's content or other classes."""
    candidate, in_use = given.candidate.content_digest, given.in_use.content_digest if given.in_use else None
    if given.baseline is not None and in_use not in (given.baseline.content_digest, candidate):
        text = f"the baseline {given.baseline.content_digest[:12]} is not the model in use, {str(in_use)[:12]}"
        return [refusal(CheckName.BASELINE_IN_USE, text)]
    if given.baseline is None and in_use is not None and in_use != candidate and not given.has_other_classes:
        text = f"model {in_use[:12]} is in use, but there is no baseline to compare with"
        return [refusal(CheckName.BASELINE_IN_USE, text)]
    return []


def _location_checks(given: Evidence, evaluation: EvaluationResult) -> list[Check]:
    """The Evaluator must have measured the very models that are judged."""
    pairs: list[tuple[CheckName, str, JudgedModel, str | None]] = [
        (CheckName.EVALUATED_CANDIDATE, "candidate", given.candidate, evaluation.model_location)
    ]
    if given.baseline is not None:
        pairs.append((CheckName.EVALUATED_BASELINE, "baseline", given.baseline, evaluation.baseline_location))
    return [
        Check(
            name=name,
            passed=location is not None and location.startswith(model.uri.rstrip("/") + "/"),
            text=f"the Evaluator's {role} is in {location}, the Gate's in {model.uri}",
        )
        for name, role, model, location in pairs
    ]


def _agreement_checks(candidate: JudgedModel, measured: Measurements, config: GateConfig) -> list[Check]:
    """The report, the predictions it was counted from, and TFMA's own run must agree."""
    predictions, evaluation = measured.predictions, measured.evaluation
    if not len(predictions.labels):
        return [refusal(CheckName.PREDICTIONS, "the test predictions are unusable: they are of no image")]
    if not np.isfinite(predictions.scores).all():
        return [refusal(CheckName.PREDICTIONS, "the test predictions are unusable: not all scores are finite")]
    # Counted anew, because the report's number is what is in doubt.
    counted = float(np.mean(predictions.scores.argmax(axis=1) == predictions.labels))
    return [
        _agreement(
            CheckName.PROBE_AGREES,
            ("the probe report's accuracy", measured.probe.encoder.accuracy),
            ("that of its predictions", counted),
            1e-9,
        ),
        _agreement(
            CheckName.EVALUATOR_AGREES,
            ("the Evaluator's accuracy", evaluation.accuracy),
            ("the probe's", counted),
            config.evidence_tolerance,
        ),
        _same_split(candidate.test_split_digest, split_identity.digest(predictions.digests)),
        Check(
            name=CheckName.SAME_IMAGES,
            passed=evaluation.images == len(predictions.labels),
            text=f"the Evaluator saw {evaluation.images} test images, the probe {len(predictions.labels)}",
        ),
    ]


def _same_split(measured: str, predicted: str) -> Check:
    text = f"the predictions are of test split {predicted[:12]}, the candidate was measured on "
    return Check(
        name=CheckName.SAME_TEST_SPLIT,
        passed=measured == predicted,
        text=text + (measured[:12] or "an unknown one"),
    )


def _agreement(name: CheckName, left: tuple[str, float], right: tuple[str, float], limit: float) -> Check:
    """Compare two named values that should be the same."""
    difference = abs(left[1] - right[1])
    text = f"{left[0]} {left[1]:.4f} and {right[0]} {right[1]:.4f} differ by {difference:.4f}, limit {limit:g}"
    return Check(name=name, passed=difference <= limit, text=text, value=difference, threshold=limit)
