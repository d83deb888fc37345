"""The one verdict on a model: what was measured, held against thresholds and against the model in use.

Nothing here opens a file. Evidence that is missing, or that contradicts other evidence, closes the gate.
"""

import dataclasses
from typing import Any

import numpy as np

from components.contracts import evidence, signatures
from components.linear_evaluation import significance, test_split
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


@dataclasses.dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    passed: bool
    text: str  # a clause that names value, threshold and by how much it is missed or met
    value: float | None = None
    threshold: float | None = None


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The answer, with everything it rests on."""

    verdict: str  # evidence.BLESSED, NOT_BLESSED or UNCHANGED
    reasons: tuple[str, ...]  # clauses; the first is the most important
    warnings: tuple[str, ...]
    checks: tuple[Check, ...]

    @property
    def reason(self) -> str:
        """The reasons as one sentence."""
        return "; ".join(self.reasons)

    @property
    def may_push(self) -> bool:
        """Whether Pusher may publish the model; publishing the model in use again changes nothing."""
        return self.verdict in (evidence.BLESSED, evidence.UNCHANGED)


def judge(given: Evidence, config: GateConfig) -> Verdict:
    """Decide. Whatever the evidence, a model of an older span never replaces one of a newer span.

    Args:
        given: the evidence.
        config: the thresholds.

    Returns:
        ``evidence.UNCHANGED`` where every threshold is met and the model in use has the same content;
        ``evidence.BLESSED`` where every threshold is met and the model is better than the one in use, or none is in
        use; else ``evidence.NOT_BLESSED``.
    """
    try:
        checks = _evidence_checks(given, config)
        if not _all_passed(checks):
            return _refusal(checks, ())
        checks += _with_tfma(_threshold_checks(given, config), given.evaluation.value_failures)
        is_unchanged = given.in_use is not None and given.in_use.content_digest == given.candidate.content_digest
        if not is_unchanged:
            checks += _span_checks(given)
            checks += _with_tfma(_comparison_checks(given, config), given.evaluation.change_failures)
        if not config.may_bless:
            checks.append(Check("may_bless", False, "this run only measures (gate.may_bless is false)"))
        warnings = _warnings(given, config)
    except KeyError as missing:
        return _refusal([Check("evidence", False, f"the evidence lacks {missing}")], ())
    except (TypeError, ValueError, IndexError) as error:  # such as a null where a number should be
        return _refusal([Check("evidence", False, f"the evidence cannot be used: {error}")], ())
    if not _all_passed(checks):
        return _refusal(checks, warnings)
    if is_unchanged:
        return Verdict(evidence.UNCHANGED, ("this model is in use",), warnings, tuple(checks))
    told = ("min_accuracy", "min_improvement", "max_p_value")
    reasons = tuple(check.text for check in checks if check.name in told)
    return Verdict(evidence.BLESSED, reasons, warnings, tuple(checks))


def _all_passed(checks: list[Check]) -> bool:
    return all(check.passed for check in checks)


def _with_tfma(checks: list[Check], failures: tuple[str, ...]) -> list[Check]:
    """Add what TFMA refuses, unless these checks refuse already and say it better."""
    if not _all_passed(checks):
        return checks
    return [
        *checks,
        *(
            Check("evaluator_thresholds", False, f"the Evaluator's threshold is missed: {failure}")
            for failure in failures
        ),
    ]


def _refusal(checks: list[Check], warnings: tuple[str, ...]) -> Verdict:
    reasons = tuple(check.text for check in checks if not check.passed)
    return Verdict(evidence.NOT_BLESSED, reasons, warnings, tuple(checks))


def _evidence_checks(given: Evidence, config: GateConfig) -> list[Check]:
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
    if not _all_passed(checks):
        return checks
    checks += _location_checks(given)
    checks += _agreement_checks(given, config)
    in_use = given.in_use.content_digest if given.in_use else None
    if given.baseline is not None and in_use not in (given.baseline.content_digest, given.candidate.content_digest):
        text = f"the baseline {given.baseline.content_digest[:12]} is not the model in use, {str(in_use)[:12]}"
        checks.append(Check("baseline_in_use", False, text))
    if given.baseline is None and in_use not in (None, given.candidate.content_digest) and not _other_classes(given):
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
            given.candidate.test_split_digest == test_split.digest(given.predictions[evidence.TEST_DIGESTS]),
            "the predictions are of other test images than the model says it was measured on",
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


def _threshold_checks(given: Evidence, config: GateConfig) -> list[Check]:
    encoder = given.probe[evidence.FEATURES][evidence.ENCODER]
    images = given.evaluation.images
    checks = [
        _at_least("min_test_images", "the number of test images", images, config.min_test_images, ".0f"),
        _at_least("min_accuracy", "test accuracy", given.evaluation.accuracy, config.min_accuracy),
    ]
    if config.min_class_recall is not None:
        checks += _class_floors(given, config.min_class_recall)
    if config.must_beat_random_knn:
        checks.append(_random_knn(encoder, given.probe[evidence.FEATURES].get(evidence.RANDOM_ENCODER)))
    return [*checks, _earlier_blessings(given.earlier_blessings)]


def _earlier_blessings(count: int) -> Check:
    """Never a refusal: each choice made on a test split makes its numbers look better than they are."""
    models = {0: "no other model was", 1: "1 other model was"}.get(count, f"{count} other models were")
    return Check(evidence.EARLIER_BLESSINGS, True, f"{models} blessed on these test images before", float(count))


def _class_floors(given: Evidence, floor: float) -> list[Check]:
    """A class that test holds no image of has not met its floor."""
    recalls = given.evaluation.class_recall
    checks = [
        _at_least("min_class_recall", f"recall of class {name}", recalls[name], floor) for name in sorted(recalls)
    ]
    unseen = sorted(set(given.probe[evidence.CLASS_NAMES]) - set(recalls))
    text = f"test holds no image of {', '.join(unseen)}, so min_class_recall {floor:g} can't be met there"
    return [*checks, Check("min_class_recall", False, text, threshold=floor)] if unseen else checks


def _at_least(name: str, what: str, value: float, threshold: float, form: str = ".4f") -> Check:
    passed = value >= threshold
    if passed:
        text = f"{what} {value:{form}} is at least {name} {threshold:g}"
    else:
        text = f"{what} {value:{form}} is {threshold - value:{form}} below {name} {threshold:g}"
    return Check(name, passed, text, float(value), float(threshold))


def _random_knn(encoder: dict[str, Any], random_encoder: dict[str, Any] | None) -> Check:
    name = "must_beat_random_knn"
    if random_encoder is None:
        text = f"{name} asks for the untrained encoder's kNN accuracy, which the probe did not measure (random_encoder)"
        return Check(name, False, text)
    value, threshold = encoder[evidence.KNN_ACCURACY], random_encoder[evidence.KNN_ACCURACY]
    passed = value > threshold
    words = f"{value - threshold:.4f} above" if passed else f"{threshold - value:.4f} below"
    text = f"kNN accuracy {value:.4f} is {words if value != threshold else 'not above'} the untrained encoder's "
    return Check(name, passed, f"{text}{threshold:.4f} ({name})", value, threshold)


def _span_checks(given: Evidence) -> list[Check]:
    ours, theirs = given.candidate.span, given.in_use.span if given.in_use else None
    if ours is None or theirs is None:
        return []
    text = f"it was made from span {ours}, the model in use from span {theirs}"
    if ours < theirs:
        text += ": an older span's model never replaces a newer span's"
    return [Check("span", ours >= theirs, text, ours, theirs)]


def _comparison_checks(given: Evidence, config: GateConfig) -> list[Check]:
    """Is it better than the model in use, and by more than chance would give?"""
    improvement = _improvement(given, config)
    if not improvement.passed or given.baseline is None or config.max_p_value is None:
        return [improvement]
    return [improvement, _significance(given, config)]


def _significance(given: Evidence, config: GateConfig) -> Check:
    name, asked = "max_p_value", f"at most {config.max_p_value:g} was asked (max_p_value)"
    ours, theirs = _right_of_both(given)
    if len(ours) >= config.min_test_images:
        won, lost = int(np.sum(ours & ~theirs)), int(np.sum(~ours & theirs))
        p_value = significance.paired(won, lost)
        text = (
            f"on the {len(ours)} test images both were measured on it is right {won} times where the model in use is "
        )
        text += f"wrong, and wrong {lost} times where that one is right"
    else:
        images = given.evaluation.images
        rights = [round(value * images) for value in (given.evaluation.accuracy, given.evaluation.baseline_accuracy)]
        p_value = significance.unpaired(*rights, images)
        text = f"only {len(ours)} test images are among those the model in use was measured on before, so the two are "
        text += f"compared as if on different images, {rights[0]} against {rights[1]} right of {images}"
    passed = p_value <= config.max_p_value
    word = "chance gives that with" if passed else "which chance gives too often:"
    return Check(name, passed, f"{text}; {word} p = {p_value:.2g}, {asked}", p_value, config.max_p_value)


def _right_of_both(given: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Whether candidate and baseline are right, on the test images that both were measured on; two (n,) bool arrays."""
    predictions, before = given.predictions, given.baseline_predictions
    if before is None:
        return np.zeros(0, bool), np.zeros(0, bool)
    _, rows, rows_before = np.intersect1d(
        predictions[evidence.TEST_DIGESTS].astype(str),
        before[signatures.PREDICTED_DIGESTS].astype(str),
        return_indices=True,
    )
    names = predictions[evidence.TEST_CLASS_NAMES].astype(str)
    labels = names[predictions[evidence.TEST_LABELS][rows]]
    ours = names[predictions[evidence.TEST_SCORES][rows].argmax(axis=1)]
    theirs = before[signatures.PREDICTED_CLASSES].astype(str)[rows_before]
    return ours == labels, theirs == labels


def _improvement(given: Evidence, config: GateConfig) -> Check:
    name = "min_improvement"
    if given.baseline is None:
        knows = "the model in use knows other classes, so the two are not compared"
        return Check(name, True, knows if _other_classes(given) else "no other model is in use")
    if given.evaluation.baseline_accuracy is None:
        return Check(name, False, "the Evaluator did not measure the model in use", threshold=config.min_improvement)
    images = given.evaluation.images
    ours, theirs = given.evaluation.accuracy, given.evaluation.baseline_accuracy
    difference = round(images * (ours - theirs)) / images
    asked = f"more than {config.min_improvement:g} above it was asked ({name})"
    if difference > config.min_improvement:
        text = f"that is {difference:.4f} above the model in use, {theirs:.4f}; {asked}"
        return Check(name, True, text, difference, config.min_improvement)
    if difference < 0:
        text = f"test accuracy {ours:.4f} is {-difference:.4f} below the model in use, {theirs:.4f}; {asked}"
    elif difference == 0:
        text = f"test accuracy {ours:.4f} only equals the model in use; {asked}"
    else:
        missing = config.min_improvement - difference
        text = f"test accuracy {ours:.4f} is only {difference:.4f} above the model in use, {theirs:.4f}; {asked}, "
        text += f"so {missing:.4f} is missing" if missing > 0 else "not just as much"
    return Check(name, False, text, difference, config.min_improvement)


def _warnings(given: Evidence, config: GateConfig) -> tuple[str, ...]:
    encoder = given.probe[evidence.FEATURES][evidence.ENCODER]
    warnings = []
    gap = encoder[evidence.ACCURACY] - encoder[evidence.KNN_ACCURACY]
    if abs(gap) > config.max_knn_gap:
        where, meaning = "above", "separable, but not close together"
        if gap < 0:
            where, meaning = "below", "close together, but the linear classifier does not part them"
        warnings.append(
            f"the probe's accuracy is {abs(gap):.4f} {where} kNN's, more than max_knn_gap {config.max_knn_gap:g}: the "
            f"classes are {meaning}"
        )
    if _other_classes(given):
        ours, theirs = set(given.candidate.class_names), set(given.in_use.class_names)
        warnings.append(
            f"the model in use knows other classes: only it {sorted(theirs - ours)}, only the candidate "
            f"{sorted(ours - theirs)}"
        )
    return tuple(warnings)


def _other_classes(given: Evidence) -> bool:
    """Whether the model in use is known to have other classes than the candidate."""
    theirs = given.in_use.class_names if given.in_use else None
    return bool(given.candidate.class_names and theirs) and given.candidate.class_names != theirs
