import pytest

from components.contracts.images import Color
from components.ingestion.config import IngestionConfig, NearDuplicates
from components.ingestion.decoding.refusals import Reason, Refusal
from components.ingestion.splits import Copy
from components.ingestion.summary import (
    Contradictions,
    IngestionError,
    Tally,
    check,
    check_groups,
    count_reasons,
    merge_contradictions,
    sum_tallies,
    summarize,
    undecodable_fraction,
    warnings,
)

CONFIG = IngestionConfig()
FACTS = {
    "root": "r",
    "source": "image_folder",
    "content_digest": "d",
    "shards": {"train": 1, "test": 1},
    "warnings": ("w",),
    "near_duplicate_pairs": (),
    "white_level": 4095,
    "bits_of_deep_images": {"12": 4},
    "seconds": 1.5,
}


def tally(channels=3, **images):
    """``train_cat=3`` counts three images; ``unlabeled_=1`` one without a label."""
    counted = Tally()
    for key, number in images.items():
        split, label = key.split("_")
        for _ in range(number):
            counted.add(Copy("d", "p", label or None, split, None, channels, "f", 0, 10))
    return counted


GOOD = {"train_cat": 5, "train_dog": 5, "test_cat": 2, "test_dog": 2}


def refusals(**numbers):
    return [
        Refusal(f"{reason}/{index:02d}", reason, "", "why")
        for reason, number in numbers.items()
        for index in range(number)
    ]


def test_tally_counts_and_merges():
    whole = tally(**GOOD, unlabeled_=3)
    parts = tally(train_cat=5, test_cat=2)
    parts.merge(tally(train_dog=5, test_dog=2, unlabeled_=3))
    assert parts == whole == sum_tallies([tally(**GOOD), tally(unlabeled_=3)])
    assert whole.records == {"train": 10, "test": 4, "unlabeled": 3}
    assert whole.bytes == {"train": 100, "test": 40, "unlabeled": 30}
    assert whole.classes == {"train": {"cat": 5, "dog": 5}, "test": {"cat": 2, "dog": 2}}
    assert whole.splits == ["train", "test", "unlabeled"]
    assert tally(**GOOD).splits == ["train", "test"]


@pytest.mark.parametrize("refused", [[], refusals(duplicate=50, hidden=9, not_an_image=9)])
def test_good_data_passes(refused):
    assert check(tally(**GOOD), refused, {"cat", "dog"}, CONFIG, "root") is None


@pytest.mark.parametrize(
    ("counted", "classes", "message"),
    [
        (tally(), {"cat"}, "root: no image in it"),
        (tally(unlabeled_=9), set(), "root: no image with a label for the train split.*Found: unlabeled 9"),
        (tally(test_cat=3), set(), "root: no image with a label for the train split"),
        (tally(**GOOD, train_emu=1), set(), "min_images_per_class = 2: emu 1$"),
        (tally(**GOOD, test_emu=1), set(), "min_images_per_class = 2: emu 0$"),
        (tally(**GOOD), {"emu"}, "min_images_per_class = 2: emu 0$"),
        (tally(train_cat=5, test_cat=5), set(), "at least two classes expected, found only 'cat'"),
        (tally(train_cat=5, train_dog=5), set(), "root: no test images.*found train 10.*ingestion.test_fraction = 0.2"),
    ],
)
def test_data_that_can_not_be_used(counted, classes, message):
    with pytest.raises(IngestionError, match=message):
        check(counted, [], classes, CONFIG, "root")


def test_the_reason_why_train_has_no_labels_is_told():
    in_test = refusals(also_in_test=5)
    with pytest.raises(IngestionError, match=r"all 5 images of train are in test too.* First: also_in_test/00"):
        check(tally(test_cat=3, test_dog=3), in_test, set(), CONFIG, "root")
    for source, place in (("tfrecord", "ingestion.tfrecord.label = 'label'"), ("idx", "train-labels-idx1-ubyte")):
        with pytest.raises(IngestionError, match=place) as caught:
            check(tally(unlabeled_=3), [], set(), IngestionConfig(source=source), "root")
        assert "folder per class" not in str(caught.value)
    with pytest.raises(IngestionError, match="needs some; First: labels_not_found/00"):
        check(tally(unlabeled_=3), refusals(labels_not_found=1), set(), IngestionConfig(source="webdataset"), "root")


def test_a_test_split_without_labels_is_no_small_test_fraction():
    with pytest.raises(IngestionError, match=r"test images without a label: 4\. First: ") as caught:
        check(tally(train_cat=5, train_dog=5), refusals(test_without_label=4), set(), CONFIG, "root")
    assert "test_fraction" not in str(caught.value)


def test_many_files_of_another_kind_are_told():
    """Images of a kind that is not read would otherwise be missing without a word."""
    other = [Refusal(f"a/{index}.dcm", "not_an_image", "", "why") for index in range(40)]
    [sentence] = warnings(tally(**GOOD), other, CONFIG, Color.RGB)
    assert sentence.startswith("Files that are no images: 40, left out. First: a/0.dcm (")
    assert warnings(tally(**GOOD), other[:4], CONFIG, Color.RGB) == []
    assert warnings(tally(train_cat=1000, train_dog=5, test_cat=2, test_dog=2), other, CONFIG, Color.RGB) == []


def test_names_that_look_alike_are_told():
    [sentence] = warnings(tally(**{**GOOD, "train_Cat": 5, "test_Cat": 1}), [], CONFIG, Color.RGB)
    assert sentence == "Class names that differ only in case or spaces: 'Cat', 'cat'."


def test_too_many_undecodable_files_name_the_first_ten():
    bad = refusals(truncated=12)
    with pytest.raises(IngestionError) as caught:
        check(tally(**GOOD), bad, set(), CONFIG, "root")
    message = str(caught.value)
    assert "12 (46.2% of all), more than ingestion.max_undecodable_fraction = 0.05" in message
    assert "truncated/00 (truncated: why)" in message
    assert "truncated/09" in message
    assert "truncated/10" not in message
    check(tally(**GOOD), bad, set(), IngestionConfig(max_undecodable_fraction=0.47), "root")


def test_groups_on_both_sides_are_counted_and_the_first_are_named():
    check_groups(merge_contradictions([]), "root")
    parts = [Contradictions(9, tuple(f"q{number}" for number in range(9))), Contradictions(3, ("p2", "p1", "p0"))]
    with pytest.raises(
        IngestionError, match=r"root: groups .* in both train and test.*: 12\. First: p0, p1, p2, q0,"
    ) as e:
        check_groups(merge_contradictions(parts), "root")
    assert "q6" in str(e.value)
    assert "q7" not in str(e.value)


def test_the_fraction_is_of_images_only():
    refused = count_reasons(refusals(corrupt=1, duplicate=3, label_conflict=2, hidden=100, not_an_image=100))
    assert undecodable_fraction(tally(**GOOD), refused) == 1 / 20
    assert undecodable_fraction(tally(**GOOD), {}) == 0
    assert undecodable_fraction(tally(), {"corrupt": 1}) == 1


def test_reasons_are_counted_in_a_fixed_order():
    counts = count_reasons(refusals(duplicate=2, truncated=1))
    assert list(counts.items()) == [("truncated", 1), ("duplicate", 2)]


def test_warnings():
    assert warnings(tally(**GOOD), [], CONFIG, Color.RGB) == []
    gray = tally(channels=1, **GOOD)
    [sentence] = warnings(gray, [], CONFIG, Color.RGB)
    assert sentence.startswith("All 14 images are gray, but image.color is rgb")
    assert warnings(gray, [], CONFIG, Color.GRAY) == []
    gray.merge(tally(train_cat=1))
    assert warnings(gray, [], CONFIG, Color.RGB) == []


@pytest.mark.parametrize(
    "reason",
    [
        "label_conflict",
        "group_conflict",
        "near_duplicate",
        "also_in_test",
        "duplicate",
        "test_without_label",
        "outside_layout",
        "several_images",
        "labels_not_found",
        "empty_class_folder",
        "corrupt",
    ],
)
def test_each_loss_has_its_warning(reason):
    [sentence] = warnings(tally(**GOOD), refusals(**{reason: 4}), CONFIG, Color.RGB)
    assert "4" in sentence.split(".")[0]
    assert f"{reason}/02" in sentence
    assert f"{reason}/03" not in sentence


def test_near_duplicates_that_are_kept_have_a_warning():
    counted = tally(**GOOD)
    counted.near_duplicates = 5
    assert sum_tallies([counted, counted]).near_duplicates == 10
    [sentence] = warnings(counted, [], CONFIG, Color.RGB)
    assert sentence.startswith("Images of train or unlabeled that look like one of test: 5, kept. Set ")
    removing = IngestionConfig(near_duplicates=NearDuplicates.REMOVE_FROM_TRAIN)
    assert warnings(counted, [], removing, Color.RGB) == []
    assert summarize(counted, {}, **FACTS).near_duplicates == 5


def test_a_class_without_test_images_is_told():
    [sentence] = warnings(tally(**GOOD, train_emu=3), [], CONFIG, Color.RGB)
    assert sentence == "Classes without test images: 1. First: emu."


def test_summary():
    summary = summarize(tally(**GOOD), count_reasons(refusals(corrupt=2, duplicate=1, also_in_test=1)), **FACTS)
    assert (summary.root, summary.shards, summary.warnings) == ("r", {"train": 1, "test": 1}, ("w",))
    assert summary.records == {"train": 10, "test": 4}
    assert summary.classes == {"train": {"cat": 5, "dog": 5}, "test": {"cat": 2, "dog": 2}}
    assert summary.refused == {"corrupt": 2, "duplicate": 1, "also_in_test": 1}
    assert (summary.undecodable, summary.duplicates, summary.label_conflicts) == (2, 2, 0)
    assert summary.undecodable_fraction == 2 / 18
    assert summary.gray_fraction == 0


def test_every_reason_has_a_place():
    """A reason that is neither undecodable nor a rule of its own would vanish from the reports."""
    assert {reason.value for reason in Reason} == set(count_reasons(refusals(**{r.value: 1 for r in Reason})))
