"""Is the representation worth more than what it was made from: raw pixels, and the encoder before training?

The probe compares them image by image at each share of the labels. An encoder passes if it is clearly better than each
of the two at one share at least, and clearly worse than neither at any share. *Clearly* means that the paired interval
of the difference does not hold zero.
"""

import math

from components.contracts.evidence import Check, CheckName, Difference, FeatureKind, ProbeReport

_NAMES = {
    FeatureKind.RAW_PIXELS: ("raw pixels", "raw pixels were not measured (features.raw_pixels)"),
    FeatureKind.RANDOM_ENCODER: (
        "the encoder before training",
        "the encoder before training was not measured (features.random_encoder)",
    ),
}


def gain_checks(report: ProbeReport) -> list[Check]:
    """Compare the encoder with raw pixels and with itself before training.

    Args:
        report: of the probe, with its paired differences.

    Returns:
        One check for each of the two. What was not measured is not passed.
    """
    return [_gain_check(report, against) for against in _NAMES]


def _gain_check(report: ProbeReport, against: FeatureKind) -> Check:
    found = [
        difference
        for difference in report.differences
        if difference.against is against and difference.fraction is not None
    ]
    if not found:
        return Check(name=CheckName.PRETRAINING_GAIN, passed=False, text=_NAMES[against][1])
    if not all(math.isfinite(value) for part in found for value in (part.difference, *part.interval)):
        text = f"the difference to {_NAMES[against][0]} is not a finite number"
        return Check(name=CheckName.PRETRAINING_GAIN, passed=False, text=text)
    best, worst = max(found, key=_clearness), min(found, key=_clearness)
    is_better, is_worse = best.interval[0] > 0, worst.interval[1] < 0
    shown = worst if is_worse else best
    return Check(
        name=CheckName.PRETRAINING_GAIN,
        passed=is_better and not is_worse,
        text=f"{_finding(report, best, is_better, is_worse)}: {_numbers(report, shown)}",
        value=shown.difference,
        threshold=0.0,
    )


def _clearness(difference: Difference) -> float:
    """The difference in units of its interval's half towards zero: beyond -1 and 1 it is not noise."""
    low, high = difference.interval
    reach = difference.difference - low if difference.difference > 0 else high - difference.difference
    if reach == 0:
        return math.copysign(math.inf, difference.difference) if difference.difference else 0.0
    return difference.difference / reach


def _finding(report: ProbeReport, best: Difference, is_better: bool, is_worse: bool) -> str:
    other = _NAMES[best.against][0]
    if is_worse:
        return f"the encoder is worth less than {other}"
    if is_better:
        return f"the encoder is worth more than {other}"
    images = report.counts.test
    if best.difference <= 0:
        return f"on {images} test images the encoder is not worth more than {other}"
    needed = math.ceil(images / _clearness(best) ** 2)  # the interval narrows with the square root of the images
    return (
        f"the test split of {images} images is too small to tell whether the encoder is worth more than {other} "
        f"(a difference of this size needs about {needed:,} test images)"
    )


def _numbers(report: ProbeReport, shown: Difference) -> str:
    ours, theirs = (
        next(part.accuracy_mean for part in report.features[kind].fractions if part.fraction == shown.fraction)
        for kind in (shown.features, shown.against)
    )
    low, high = shown.interval
    return (
        f"with {_labels(shown.fraction)} accuracy {ours:.3f} against {theirs:.3f}, difference "
        f"{shown.difference:+.3f} ({report.confidence:.0%} interval {low:+.3f} to {high:+.3f})"
    )


def _labels(fraction: float | None) -> str:
    return "all labels" if fraction == 1 else f"{100 * (fraction or 0):g} % of the labels"
