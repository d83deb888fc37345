"""Differences between two runs: numbers worked out by hand, and images that flipped."""

import dataclasses
import math

import numpy as np

from components.contracts.evidence import FeatureKind
from components.report.changes import Words, changes
from components.report.flips import flips
from tests.components.evidence_records import no_pictures, with_encoder

from .conftest import HOSTILE, make_predictions

WORDS = Words(before="A", now="B", with_before="with A", with_now="with B")


def compare(before, now):
    return changes(before, now, WORDS, 24)


def test_settings_code_and_versions_that_differ_are_listed(record, earlier_record):
    assert compare(earlier_record, record).settings == [
        ("gate.min_accuracy", "0.5", "0.9"),
        ("code of ingestion", "2" * 12, "1" * 12),
        ("old", "1", "not set"),
    ]


def test_data_that_differs_is_listed(record, earlier_record):
    found = compare(earlier_record, record)
    assert found.data == [
        ("images, train", "50", "60"),
        ("left out: truncated", "0", "1"),
        ("left out: duplicate", "0", "3"),
    ]
    assert found.data_note == "The images differ. Both models were measured on the same 12 test images."
    counts = {**record.ingestion.classes, "train": {"cat": 31, "dog": 20, HOSTILE: 10}}
    more = dataclasses.replace(record, ingestion=dataclasses.replace(record.ingestion, classes=counts))
    assert compare(record, more).data == [("images of cat, train", "30", "31")]
    assert compare(record, more).data_note.startswith("The ingested images are the same.")


def test_the_difference_is_paired_over_the_images_in_common(record, earlier_record):
    rows = {name: rest for name, *rest in compare(earlier_record, record).metrics}
    # Two images won and two lost of twelve: no difference, give or take 1.96 * sqrt(4) / 12.
    reach = 100 * 1.959964 * math.sqrt(4) / 12
    assert rows["accuracy on the 12 test images in common"] == [
        "83.33\N{NO-BREAK SPACE}%",
        "83.33\N{NO-BREAK SPACE}%",
        f"+0.00 ({-reach:+.2f} to {reach:+.2f})",
    ]
    assert rows["kNN accuracy"][2] == "+0.00" and rows["accuracy, 10\N{NO-BREAK SPACE}% of labels"][0].endswith(
        "± 8.16"
    )
    assert rows["expected calibration error"][2] == "+0.00"


def test_a_number_that_the_earlier_run_did_not_measure_is_left_out(record, earlier_record):
    with_auroc = dataclasses.replace(record, probe=with_encoder(record.probe, auroc=0.9))
    names = [row[0] for row in compare(earlier_record, with_auroc).metrics]
    assert "kNN accuracy" in names and "AUROC" not in names
    assert "AUROC" in [row[0] for row in compare(with_auroc, with_auroc).metrics]


def test_a_run_that_wins_is_told_apart(record, earlier_record):
    better = dataclasses.replace(record, predictions=make_predictions(np.repeat([0, 1, 2], 4)))
    row = compare(record, better).metrics[0]
    won, images = 2, 12
    deviation = math.sqrt(won - won**2 / images) / images
    low, high = (100 * (won / images + sign * 1.959964 * deviation) for sign in (-1, 1))
    assert row[3] == f"+16.67 ({low:+.2f} to {high:+.2f})"


def test_label_fractions_are_paired_over_images_and_draws(record, earlier_record):
    labels = record.predictions.labels
    one_wrong = np.where(np.arange(12) == 4, (labels + 1) % 3, labels)

    def with_draws(run, *draws):
        predicted = {FeatureKind.ENCODER: (np.stack(draws), labels[np.newaxis])}
        return dataclasses.replace(run, predictions=dataclasses.replace(run.predictions, predicted=predicted))

    found = compare(with_draws(earlier_record, one_wrong, one_wrong), with_draws(record, labels, one_wrong))
    row = next(row for row in found.metrics if row[0] == "accuracy, 10\N{NO-BREAK SPACE}% of labels")
    # One image of twelve is right in half of the draws more.
    differences = [0.5] + 11 * [0.0]
    reach = 1.959964 * np.std(differences) / math.sqrt(12)
    low, high = (100 * (np.mean(differences) + sign * reach) for sign in (-1, 1))
    assert row[3] == f"+4.17 ({low:+.2f} to {high:+.2f})"


def test_recalls_are_told_most_changed_first(record, earlier_record):
    assert [row[0] for row in compare(earlier_record, record).classes] == ["dog", HOSTILE]
    assert compare(earlier_record, record).classes[0][3] == "+50.0"


def test_other_classes_are_other_tasks(record, earlier_record):
    probe = dataclasses.replace(earlier_record.probe, class_names=("cat", "dog"))
    found = compare(dataclasses.replace(earlier_record, probe=probe), record)
    assert found.metrics_note == "The classes differ, so accuracies are of different tasks."


def test_flipped_images_are_found_by_digest_whatever_their_order():
    before, now = make_predictions(np.array([1, 0, 0, 0, 1, 2, 1, 1, 2, 2, 2, 2])), make_predictions()
    order = np.argsort(-np.arange(12))
    pictures = dataclasses.replace(before.pictures, thumbnail_rows=order[before.pictures.thumbnail_rows])
    arrays = {name: getattr(before, name)[order] for name in ("digests", "labels", "scores")}
    before = dataclasses.replace(before, **arrays, pictures=pictures)
    found = flips(before, now, ("A", "B"), 24)
    assert (found.images, found.to_wrong.count, found.to_right.count) == (12, 2, 2)
    assert [shown.lines for shown in found.to_wrong.shown] == [
        [(HOSTILE, ""), (f"A: {HOSTILE}, 80\N{NO-BREAK SPACE}%", "ok"), ("B: cat, 80\N{NO-BREAK SPACE}%", "off")],
        [("cat", ""), ("A: cat, 80\N{NO-BREAK SPACE}%", "ok"), ("B: dog, 70\N{NO-BREAK SPACE}%", "off")],
    ]


def test_images_without_a_thumbnail_are_counted_and_the_surest_are_shown():
    right = np.repeat([0, 1, 2], 4)
    wrong = make_predictions(right[::-1])  # image 11 has no thumbnail, in neither
    found = flips(make_predictions(right), wrong, ("A", "B"), 3)
    assert found.to_wrong.count == 8 and len(found.to_wrong.shown) == 3
    assert found.to_right.count == 0 and found.to_right.shown == []


def test_thumbnails_of_another_size_and_colour_fit_in():
    before, now = make_predictions(np.repeat([0, 1, 2], 4)), make_predictions()
    now = dataclasses.replace(now, pictures=no_pictures(size_px=6, channels=1))
    found = flips(before, now, ("A", "B"), 24)
    assert len(found.to_wrong.shown) == 2 and found.sheet.cell_px == 6


def test_models_without_an_image_in_common_are_told_apart_by_nothing(record, earlier_record):
    other = dataclasses.replace(make_predictions(), digests=np.array([f"{index:064x}" for index in range(100, 112)]))
    found = compare(dataclasses.replace(earlier_record, predictions=other), record)
    assert found.flips.images == 0 and found.metrics[0][0] == "test accuracy, all labels"
    assert "12 and 12 test images, 0 are the same" in found.data_note
    assert "No test image is the same" in found.metrics_note


def test_curves_of_both_are_drawn_in_one_chart(record, earlier_record):
    curves = {heading: str(chart) for heading, chart, _ in compare(earlier_record, record).curves}
    assert curves["Loss"].count("<path") == 2 and ">A</text>" in curves["Loss"]
    plan = dataclasses.replace(record.pretraining.plan, method="byol")
    byol = dataclasses.replace(record.pretraining, plan=plan)
    mixed = compare(earlier_record, dataclasses.replace(record, pretraining=byol))
    assert "Loss" not in [heading for heading, _, _ in mixed.curves]


def test_cost_is_told_step_by_step(record, earlier_record):
    assert compare(earlier_record, record).cost == [
        ("ImageExampleGen", "5.0 s, 12.4 images/s", "5.0 s, 14.4 images/s"),
        ("Trainer", "1 min 35 s, 3.37 images/s", "1 min 35 s, 3.37 images/s"),
    ]
