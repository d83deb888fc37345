"""The encoder against raw pixels and against itself before training: better, worse, or too few images to tell."""

import dataclasses

import pytest

from components.contracts.evidence import Check, Difference, FeatureKind, ProbeReport, SplitCounts
from components.linear_evaluation.pretraining_gain import gain_checks
from tests.components.evidence_records import make_differences, make_features, make_fraction, make_probe

RAW_PIXELS, BEFORE = FeatureKind.RAW_PIXELS, FeatureKind.RANDOM_ENCODER


def probe(accuracies: dict[FeatureKind, float], differences: tuple[Difference, ...], images: int = 200) -> ProbeReport:
    """All labels give ``accuracies``; a tenth of them gives 0.25 on the encoder and 0.1 on the others."""
    features = {
        kind: make_features(
            accuracy,
            fractions=(
                make_fraction(0.1, 6, (0.25 if kind is FeatureKind.ENCODER else 0.1,)),
                make_fraction(1.0, 60, (accuracy,)),
            ),
        )
        for kind, accuracy in accuracies.items()
    }
    return make_probe(features=features, differences=differences, counts=SplitCounts(train=60, test=images))


def judged(encoder: float, raw_pixels: float, before: float, reach: float, images: int = 200) -> list[Check]:
    """The checks of raw pixels and of the encoder before training, all labels given."""
    accuracies = {FeatureKind.ENCODER: encoder, RAW_PIXELS: raw_pixels, BEFORE: before}
    differences = tuple(
        part
        for other, against in ((raw_pixels, RAW_PIXELS), (before, BEFORE))
        for part in make_differences(encoder - other, reach)
        if part.against is against
    )
    return gain_checks(probe(accuracies, differences, images))


def test_an_encoder_that_is_clearly_better_than_both_passes():
    checks = judged(0.9, 0.7, 0.8, reach=0.05)
    assert [check.passed for check in checks] == [True, True]
    assert checks[0].text == (
        "the encoder is worth more than raw pixels: with all labels accuracy 0.900 against 0.700, difference +0.200 "
        "(95% interval +0.150 to +0.250)"
    )
    assert "worth more than the encoder before training: " in checks[1].text


def test_an_encoder_worse_than_raw_pixels_and_no_better_than_before_training_passes_neither():
    """The numbers of a run on chest X-rays."""
    pixels, before = judged(0.694, 0.769, 0.694, reach=0.03)
    assert not pixels.passed and not before.passed
    assert pixels.text == (
        "the encoder is worth less than raw pixels: with all labels accuracy 0.694 against 0.769, difference -0.075 "
        "(95% interval -0.105 to -0.045)"
    )
    assert before.text.startswith("on 200 test images the encoder is not worth more than the encoder before training: ")


def test_too_few_test_images_are_said_with_the_number_needed():
    pixels, _ = judged(0.75, 0.7, 0.5, reach=0.1, images=38)
    assert not pixels.passed
    assert pixels.text.startswith(
        "the test split of 38 images is too small to tell whether the encoder is worth more than raw pixels (a "
        "difference of this size needs about 152 test images): with all labels accuracy 0.750 against 0.700"
    )


@pytest.mark.parametrize(("all_labels", "passed"), [(-0.01, True), (-0.06, False)])
def test_one_share_of_the_labels_suffices_if_none_is_clearly_worse(all_labels, passed):
    differences = make_differences(0.15, 0.05, fraction=0.1) + make_differences(all_labels, 0.05)
    accuracies = {FeatureKind.ENCODER: 0.7, RAW_PIXELS: 0.7 - all_labels, BEFORE: 0.7 - all_labels}
    checks = gain_checks(probe(accuracies, differences))
    assert [check.passed for check in checks] == [passed, passed]
    expected = "with 10 % of the labels accuracy 0.250 against 0.100" if passed else "with all labels accuracy 0.700 "
    assert expected in checks[0].text


def test_a_difference_of_knn_decides_nothing():
    knn = tuple(dataclasses.replace(part, fraction=None) for part in make_differences(0.3, 0.1))
    accuracies = {FeatureKind.ENCODER: 0.7, RAW_PIXELS: 0.7, BEFORE: 0.7}
    assert not any(check.passed for check in gain_checks(probe(accuracies, make_differences(0.0, 0.0) + knn)))


def test_what_was_not_measured_does_not_pass():
    pixels, before = gain_checks(make_probe())
    assert not pixels.passed and pixels.text == "raw pixels were not measured (features.raw_pixels)"
    assert not before.passed and before.text.endswith("was not measured (features.random_encoder)")
