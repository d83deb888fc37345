"""The one verdict on a model: its measurements are compared with thresholds and with the model in use.

Nothing here opens a file. Evidence that is missing, or that contradicts other evidence, closes the gate.
"""

import dataclasses

import numpy as np

from components.contracts.evidence import Check, CheckName, ProbeReport, Verdict
from components.linear_evaluation import significance
from components.linear_evaluation.config import GateConfig, PretrainingGain
from components.linear_evaluation.gate_evidence import (
    BaselinePredictions,
    Evidence,
    JudgedModel,
    Measurements,
    all_passed,
    evidence_checks,
    refusal,
)
from components.linear_evaluation.pretraining_gain import gain_checks

_REASONS_OF_A_BLESSING = (CheckName.MIN_ACCURACY, CheckName.MIN_IMPROVEMENT, CheckName.MAX_P_VALUE)


@dataclasses.dataclass(frozen=True)
class Judgement:
    """The verdict and its reasons."""

    verdict: Verdict
    reasons: tuple[str, ...]  # clauses; the first is the most important
    warnings: tuple[str, ...]
    checks: tuple[Check, ...]

    @property
    def reason(self) -> str:
        """The reasons as one sentence."""
        return "; ".join(self.reasons)


def judge(given: Evidence, config: GateConfig) -> Judgement:
    """Decide. Whatever the evidence, a model of an older span never replaces one of a newer span.

    Args:
        given: the evidence.
        config: the thresholds.

    Returns:
        ``UNCHANGED`` if every threshold is met and the model in use has the same content; ``BLESSED`` if every
        threshold is met and the model is better than the one in use, or none is in use; else ``NOT_BLESSED``.
    """
    checks = evidence_checks(given, config)
    measured = given.measurements
    if measured is None or not all_passed(checks):
        return _refuse(checks, ())
    checks += _with_tfma(_threshold_checks(given, measured, config), measured.evaluation.value_failures)
    is_unchanged = given.in_use is not None and given.in_use.content_digest == given.candidate.content_digest
    if not is_unchanged:
        checks += _span_checks(given.candidate, given.in_use)
        checks += _with_tfma(_comparison_checks(given, measured, config), measured.evaluation.change_failures)
    if not config.may_bless:
        checks.append(refusal(CheckName.MAY_BLESS, "this run only measures (gate.may_bless is false)"))
    warnings = _warnings(given, measured.probe, config)
    if not all_passed(checks):
        return _refuse(checks, warnings)
    if is_unchanged:
        return Judgement(Verdict.UNCHANGED, ("this model is in use",), warnings, tuple(checks))
    reasons = tuple(check.text for check in checks if check.name in _REASONS_OF_A_BLESSING)
    return Judgement(Verdict.BLESSED, reasons, warnings, tuple(checks))


def _with_tfma(checks: list[Check], failures: tuple[str, ...]) -> list[Check]:
    """Add what TFMA refuses, unless these checks refuse already and say it better."""
    if not all_passed(checks):
        return checks
    return checks + [
        refusal(CheckName.EVALUATOR_THRESHOLDS, f"the Evaluator's threshold is missed: {failure}")
        for failure in failures
    ]


def _refuse(checks: list[Check], warnings: tuple[str, ...]) -> Judgement:
    reasons = tuple(check.text for check in checks if not check.passed)
    return Judgement(Verdict.NOT_BLESSED, reasons, warnings, tuple(checks))


def _threshold_checks(given: Evidence, measured: Measurements, config: GateConfig) -> list[Check]:
    evaluation = measured.evaluation
    checks = [
        _at_least(
            CheckName.MIN_TEST_IMAGES, "the number of test images", evaluation.images, config.min_test_images, ".0f"
        ),
        _at_least(CheckName.MIN_ACCURACY, "test accuracy", evaluation.accuracy, config.min_accuracy),
    ]
    if config.min_class_recall is not None:
        checks += _class_floors(measured, config.min_class_recall)
    if config.pretraining_gain is PretrainingGain.REQUIRED:
        checks += gain_checks(measured.probe)
    return [*checks, _earlier_blessings(given.earlier_blessings)]


def _earlier_blessings(count: int) -> Check:
    """Never a refusal: each choice made on a test split makes its numbers look better than they are."""
    models = {0: "no other model was", 1: "1 other model was"}.get(count, f"{count} other models were")
    text = f"{models} blessed on these test images before"
    return Check(name=CheckName.EARLIER_BLESSINGS, passed=True, text=text, value=count)


def _class_floors(measured: Measurements, floor: float) -> list[Check]:
    """A class of which test holds no image has not met its floor."""
    recalls = measured.evaluation.class_recall
    checks = [
        _at_least(CheckName.MIN_CLASS_RECALL, f"recall of class {name}", recalls[name], floor)
        for name in sorted(recalls)
    ]
    unseen = sorted(set(measured.probe.class_names) - set(recalls))
    if not unseen:
        return checks
    text = f"test holds no image of {', '.join(unseen)}, so min_class_recall {floor:g} cannot be met"
    return [*checks, refusal(CheckName.MIN_CLASS_RECALL, text, floor)]


def _at_least(name: CheckName, what: str, value: float, threshold: float, form: str = ".4f") -> Check:
    passed = value >= threshold
    if passed:
        text = f"{what} {value:{form}} is at least {name.value} {threshold:g}"
    else:
        text = f"{what} {value:{form}} is {threshold - value:{form}} below {name.value} {threshold:g}"
    return Check(name=name, passed=passed, text=text, value=value, threshold=threshold)


def _span_checks(candidate: JudgedModel, in_use: JudgedModel | None) -> list[Check]:
    ours, theirs = candidate.span, in_use.span if in_use else None
    if ours is None or theirs is None:
        return []
    text = f"this model is from span {ours}, the model in use from span {theirs}"
    if ours < theirs:
        text += "; a model of an older span never replaces one of a newer span"
    return [Check(name=CheckName.SPAN, passed=ours >= theirs, text=text, value=ours, threshold=theirs)]


def _comparison_checks(given: Evidence, measured: Measurements, config: GateConfig) -> list[Check]:
    """Is it better than the model in use, and by more than chance would give?"""
    improvement = _improvement(given, measured, config.min_improvement)
    baseline_accuracy = measured.evaluation.baseline_accuracy if given.baseline else None
    if not improvement.passed or baseline_accuracy is None or config.max_p_value is None:
        return [improvement]
    is_right = _is_right_in_common(measured, given.baseline_predictions)
    if len(is_right[0]) >= config.min_test_images:
        p_value, text = _paired_p_value(*is_right)
    else:
        p_value, text = _unpaired_p_value(measured, baseline_accuracy, len(is_right[0]))
    passed = p_value <= config.max_p_value
    text += f", {'limit' if passed else 'above the limit'} {config.max_p_value:g}"
    name = CheckName.MAX_P_VALUE
    return [improvement, Check(name=name, passed=passed, text=text, value=p_value, threshold=config.max_p_value)]


def _paired_p_value(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, str]:
    """p-value and its description, from (n,) bool arrays of right answers to the same images."""
    won, lost = int(np.sum(ours & ~theirs)), int(np.sum(~ours & theirs))
    p_value = significance.paired(won, lost)
    text = (
        f"of the {len(ours)} test images that both models were measured on, {won} are right only with this model and "
        f"{lost} only with the model in use; p = {p_value:.2g} (one-sided McNemar test)"
    )
    return p_value, text


def _unpaired_p_value(measured: Measurements, baseline_accuracy: float, in_common: int) -> tuple[float, str]:
    """p-value and its description, from the counts of right answers."""
    images = measured.evaluation.images
    ours, theirs = (round(accuracy * images) for accuracy in (measured.evaluation.accuracy, baseline_accuracy))
    p_value = significance.unpaired(ours, theirs, images)
    text = (
        f"the model in use was measured on only {in_common} of these test images, so the two are compared as if on "
        f"different images, {ours} against {theirs} right of {images}; p = {p_value:.2g} (one-sided two-proportion "
        "z-test)"
    )
    return p_value, text


def _is_right_in_common(measured: Measurements, before: BaselinePredictions | None) -> tuple[np.ndarray, np.ndarray]:
    """Whether candidate and baseline are right, on the test images that both were measured on; two (n,) bool arrays."""
    if before is None:
        return np.zeros(0, bool), np.zeros(0, bool)
    predictions = measured.predictions
    _, rows, rows_before = np.intersect1d(
        predictions.digests.astype(str), before.digests.astype(str), return_indices=True
    )
    labels = predictions.true_classes.astype(str)[rows]
    ours = predictions.predicted_classes.astype(str)[rows]
    return ours == labels, before.classes.astype(str)[rows_before] == labels


def _improvement(given: Evidence, measured: Measurements, asked: float) -> Check:
    name = CheckName.MIN_IMPROVEMENT
    if given.baseline is None:
        text = "no other model is in use"
        if given.has_other_classes:
            text = "the model in use has other classes, so the two are not compared"
        return Check(name=name, passed=True, text=text)
    images, ours, theirs = (
        measured.evaluation.images,
        measured.evaluation.accuracy,
        measured.evaluation.baseline_accuracy,
    )
    if theirs is None:
        return refusal(name, "the Evaluator did not measure the model in use", asked)
    difference = round(images * (ours - theirs)) / images
    text = _improvement_text(difference, ours, theirs, asked)
    return Check(name=name, passed=difference > asked, text=text, value=difference, threshold=asked)


def _improvement_text(difference: float, ours: float, theirs: float, asked: float) -> str:
    if difference > asked:
        above = f"{difference:.4f} above that of the model in use, {theirs:.4f}"
        return f"test accuracy is {above} (min_improvement {asked:g})"
    needed = f"it must be more than {asked:g} above that (min_improvement)"
    if difference < 0:
        return f"test accuracy {ours:.4f} is {-difference:.4f} below that of the model in use, {theirs:.4f}; {needed}"
    if difference == 0:
        return f"test accuracy {ours:.4f} equals that of the model in use; {needed}"
    missing = asked - difference
    text = f"test accuracy {ours:.4f} is only {difference:.4f} above that of the model in use, {theirs:.4f}; {needed}"
    return text + (f", so {missing:.4f} is missing" if missing > 0 else ", not exactly as much")


def _warnings(given: Evidence, probe: ProbeReport, config: GateConfig) -> tuple[str, ...]:
    warnings = []
    if config.pretraining_gain is PretrainingGain.ADVISED:
        warnings += [check.text for check in gain_checks(probe) if not check.passed]
    encoder = probe.encoder
    gap = encoder.accuracy - encoder.knn_accuracy
    if abs(gap) > config.max_knn_gap:
        where, meaning = "above", "a linear classifier separates the classes, but images of a class are not neighbours"
        if gap < 0:
            where, meaning = "below", "images of a class are neighbours, but no linear classifier separates the classes"
        warnings.append(
            f"the probe's accuracy is {abs(gap):.4f} {where} that of kNN, more than max_knn_gap "
            f"{config.max_knn_gap:g}: {meaning}"
        )
    if given.has_other_classes and given.in_use is not None:
        ours, theirs = set(given.candidate.class_names or ()), set(given.in_use.class_names or ())
        warnings.append(
            f"the classes differ: {sorted(theirs - ours)} only in the model in use, {sorted(ours - theirs)} only in "
            "this model"
        )
    return tuple(warnings)
