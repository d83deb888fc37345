"""The one verdict on a model: what was measured, held against thresholds and against the model in use.

Nothing here opens a file. Evidence that is missing, or that contradicts other evidence, closes the gate.
"""

import dataclasses
from typing import Any

import numpy as np

from components.contracts import evidence, signatures
from components.linear_evaluation import significance
from components.linear_evaluation.config import GateConfig
from components.linear_evaluation.gate_evidence import Check, Evidence, all_passed, evidence_checks


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
        checks = evidence_checks(given, config)
        if not all_passed(checks):
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
    if not all_passed(checks):
        return _refusal(checks, warnings)
    if is_unchanged:
        return Verdict(evidence.UNCHANGED, ("this model is in use",), warnings, tuple(checks))
    told = ("min_accuracy", "min_improvement", "max_p_value")
    reasons = tuple(check.text for check in checks if check.name in told)
    return Verdict(evidence.BLESSED, reasons, warnings, tuple(checks))


def _with_tfma(checks: list[Check], failures: tuple[str, ...]) -> list[Check]:
    """Add what TFMA refuses, unless these checks refuse already and say it better."""
    if not all_passed(checks):
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
        text = f"{name} asks for kNN on the untrained encoder, which was not measured (features.random_encoder)"
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
        return Check(name, True, knows if given.has_other_classes else "no other model is in use")
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
    if given.has_other_classes:
        ours, theirs = set(given.candidate.class_names), set(given.in_use.class_names)
        warnings.append(
            f"the model in use knows other classes: only it {sorted(theirs - ours)}, only the candidate "
            f"{sorted(ours - theirs)}"
        )
    return tuple(warnings)
