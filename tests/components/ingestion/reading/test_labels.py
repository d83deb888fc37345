import numpy as np
import pytest

from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading.labels import Labels, open_labels, read_names


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("cat", "cat"),
        (" cat\n", "cat"),
        ("猫".encode(), "猫"),
        (b"\xff", "\\udcff"),
        (7, "7"),
        (-1, "-1"),
        (7.0, "7"),
        (np.uint8(7), "7"),
        (np.array([[7]]), "7"),
        (np.str_("cat"), "cat"),
        ([3], "3"),
        (None, None),
        ("", None),
        (" ", None),
        (b"", None),
        (float("nan"), None),
        (np.float32("nan"), None),
        ("none", None),
        ("7.0", "7"),
        ("-1.", "-1"),
        ("007", "007"),
        ("1.5", "1.5"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_labels_become_names_or_are_absent(label, name):
    assert Labels("none").name(label) == name


def test_integers_have_names():
    labels = Labels("-1", ["cat", "dog", "7"])
    assert [labels.name(label) for label in (0, "1", b"2", "dog", -1, "-1", "7")] == [
        "cat", "dog", "7", "dog", None, None, "7"
    ]  # fmt: skip
    assert labels.name("1.0") == "dog"
    for wrong in (3, "-2", "emu"):
        with pytest.raises(ValueError, match=f"a label from 0 to 2 expected, found {wrong}"):
            labels.name(wrong)


def test_a_missing_integer_may_be_written_as_a_float():
    assert Labels("-1").name("-1.0") is None
    assert Labels("-1.0").name(-1) is None


def test_a_class_name_is_one_line():
    for label in ("a\nb", b"a\rb"):
        with pytest.raises(ValueError, match="a class name without a line break expected"):
            Labels("").name(label)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (1.5, "text or an integer expected, found 1.5"),
        (True, "text or an integer expected, found True"),
        (np.zeros(14), "one value per image expected, found 14"),
        ([], "one value per image expected, found 0"),
        ({}, "text or an integer expected"),
    ],
)
def test_others_are_refused(label, message):
    with pytest.raises(ValueError, match=message):
        Labels("").name(label)


def test_names_are_read_from_below_the_root(tmp_path):
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/names.txt").write_text(" cat \n\ndog\r\n")
    labels = open_labels(str(tmp_path), IngestionConfig(class_names_file="meta/names.txt"))
    assert labels.name(1) == "dog"
    assert open_labels(str(tmp_path), IngestionConfig()).name(1) == "1"
    for content in ("", "cat\ncat\n"):
        (tmp_path / "names.txt").write_text(content)
        with pytest.raises(SourceError, match=r"names.txt: one class name per line expected, all different"):
            read_names(str(tmp_path / "names.txt"))
