import csv
import json
import os

import pyarrow
import pytest
from pyarrow import parquet

from components.ingestion.config import IngestionConfig, ManifestConfig, ValidationPart
from components.ingestion.decoding.refusals import RefusedImage, SourceError
from components.ingestion.reading.plug_ins import open_source

ROWS = [
    {"path": "a/1.jpg", "label": "cat", "split": "train", "group": "p1", "note": "x"},
    {"path": "a/2.jpg", "label": "dog", "split": "val", "group": "p1", "note": ""},
    {"path": "../b/3.jpg", "label": "cat", "split": "Test", "group": None, "note": ""},
    {"path": "a/4, with \"quotes\".jpg", "label": None, "split": None, "group": "p2", "note": ""},
    {"path": "a/5.jpg", "label": "dog", "split": "unlabeled", "group": None, "note": ""},
]  # fmt: skip
EXPECTED = [
    ("a/1.jpg", "cat", "train", "p1"),
    ("a/2.jpg", "dog", "train", "p1"),
    ("../b/3.jpg", "cat", "test", None),
    ('a/4, with "quotes".jpg', None, None, "p2"),
    ("a/5.jpg", None, "unlabeled", None),
]


def write(path, rows=ROWS):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=2)
    elif path.suffix in (".jsonl", ".ndjson"):
        filled = [{key: value for key, value in row.items() if value is not None} for row in rows]
        path.write_text("\n".join(map(json.dumps, filled)) + "\n\n")
    else:
        with open(path, "w", newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def source(root, name="manifest.csv", columns=None, **settings):
    manifest = ManifestConfig(file=name, **(columns or {}))
    return open_source(str(root), IngestionConfig(source="manifest", manifest=manifest, **settings))


def read(*arguments, **settings):
    return [item[:4] for item in source(*arguments, **settings).items()]


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.jsonl", "m.ndjson", "lists/m.parquet"])
def test_reads_rows(tmp_path, name):
    write(tmp_path / name)
    assert read(tmp_path, name) == EXPECTED


def test_validation_becomes_what_is_configured(tmp_path):
    write(tmp_path / "manifest.csv")
    assert read(tmp_path, validation_part=ValidationPart.TEST)[1] == ("a/2.jpg", "dog", "test", "p1")


def test_without_a_test_row_train_is_split_by_digest(tmp_path):
    write(tmp_path / "manifest.csv", [ROWS[0], ROWS[4]])
    assert [split for _, _, split, _ in read(tmp_path)] == [None, "unlabeled"]


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl", "m.parquet"])
def test_integer_labels_with_gaps(tmp_path, name):
    rows = [{"path": f"{label}", "label": label} for label in (1, None, 0, -1)]
    if name == "m.parquet":  # as pandas stores integers beside gaps
        rows = [row | {"label": None if row["label"] is None else float(row["label"])} for row in rows]
    write(tmp_path / name, rows)
    assert [label for _, label, _, _ in read(tmp_path, name)] == ["1", None, "0", "-1"]
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    settings = {"class_names_file": "names.txt", "missing_label": "-1"}
    assert [label for _, label, _, _ in read(tmp_path, name, **settings)] == ["dog", None, "cat", None]
    with pytest.raises(SourceError, match=r"record 4: a label from 0 to 1 expected, found -1"):
        read(tmp_path, name, class_names_file="names.txt")


def test_paths_are_relative_to_the_manifest(tmp_path):
    lists, images = tmp_path / "lists", tmp_path / "images"
    images.mkdir()
    (images / "1.jpg").write_bytes(b"one")
    odd = os.fsdecode(b"\xff\n.jpg")
    (images / odd).write_bytes(b"odd")
    rows = ["../images/1.jpg", str(images / "1.jpg"), f"../images/{odd}", "../images/none.jpg", "../images"]
    write(lists / "m.csv", [{"path": path} for path in rows])
    found = source(tmp_path, "lists/m.csv")
    *good, missing, folder = found.items()
    assert [image.content for item in good for image in found.load(item)] == [b"one", b"one", b"odd"]
    [image] = found.load(good[2])
    assert image.path == r"../images/\udcff\n.jpg"
    with pytest.raises(RefusedImage, match="No such file"):
        list(found.load(missing))
    with pytest.raises(RefusedImage, match="not a regular file"):
        list(found.load(folder))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.csv", "", "m.csv: no rows in it"),
        ("m.csv", "path,label\n", "m.csv: no rows in it"),
        (
            "m.csv",
            "file,label\na,b\n",
            "row 1: no column 'path'; found 'file', 'label'. ingestion.manifest.path chooses",
        ),
        ("m.csv", "path;label\na;b\n", "row 1: no column 'path'; found 'path;label'"),
        ("m.csv", "path;split\na;train\nb;test\n", "row 1: no column 'path'; found 'path;split'"),
        ("m.csv", "a.png,cat\nb.png,dog\n", "row 1: no column 'path'; found 'a.png', 'cat'"),
        ("m.csv", "path,label,label\na,b,c\n", "the header names a column twice: 'path', 'label', 'label'"),
        (
            "m.csv",
            "path,split,Split\na,train,test\n",
            "columns that differ only in case or spaces: 'Split', wanted is 'split'",
        ),
        ("m.csv", "path,Label, label\na,b,c\n", "columns that differ only in case or spaces: 'Label', ' label'"),
        (
            "m.csv",
            "path,subset\na,train\nb,test\n",
            "column 'subset' names the parts .* set ingestion.manifest.split to",
        ),
        ("m.csv", "path,label\na," + "b" * 2**20 + "\n", "row 1: a line of at most 1048576 characters expected"),
        ("m.jsonl", '{"path": "' + "a" * 2**20 + '"}\n', "row 1: a line of at most 1048576 characters expected"),
        ("m.csv", "path,label\na,b\n,c\n", "row 2: a path expected in column 'path', found ''"),
        ("m.csv", "path,label\na,b\nc\n", "row 2: 2 cells expected"),
        ("m.csv", "path,label\na,b,c\n", "row 1: 2 cells expected"),
        ("m.csv", 'path,label\n"a,b\n', "row 1: unexpected end of data"),
        ("m.csv", "path,split\na,\nb,holdout\n", "row 2: train, val, test or unlabeled expected.*found 'holdout'"),
        ("m.jsonl", '{"path": "a"}\n{"path": 3}\n', "row 2: a path expected in column 'path', found 3"),
        ("m.jsonl", '{"path": "a"}\n{"path"\n', "row 2: Expecting"),
        ("m.jsonl", '["a"]\n', "row 1: a JSON object expected"),
        ("m.jsonl", '{"path": "a", "label": [1, 2]}\n', "record 1: one value per image expected, found 2"),
        ("m.jsonl", '{"path": "a", "label": 1.5}\n', "record 1: text or an integer expected, found 1.5"),
        ("m.parquet", "no parquet", "m.parquet: row 1: "),
        ("m.txt", "a", "m.txt: a manifest called .csv, .tsv, .jsonl, .ndjson or .parquet expected"),
    ],
)
def test_bad_manifests_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=message):
        read(tmp_path, name)


@pytest.mark.parametrize("header", ["path,label,Split", " Path ,LABEL, split", "path, label,split "])
def test_a_column_may_differ_in_case_and_spaces(tmp_path, header):
    """The split that is given is used; another one would train on the test images."""
    (tmp_path / "manifest.csv").write_text(f"{header}\na,cat,train\nb, dog, test\n")
    assert read(tmp_path) == [("a", "cat", "train", None), ("b", "dog", "test", None)]
    names = [name.strip() for name in header.split(",")]
    rows = [dict(zip(names, cells, strict=True)) for cells in (("a", "cat", "train"), ("b", "dog", "test"))]
    for name in ("m.jsonl", "m.parquet"):
        write(tmp_path / name, rows)
        assert read(tmp_path, name)[1] == ("b", "dog", "test", None)


def test_integers_written_as_floats_are_integers(tmp_path):
    (tmp_path / "manifest.csv").write_text("path,label,group\na,1.0,3.0\nb,-1.0,3\nc,0.5,\n")
    assert read(tmp_path, missing_label="-1") == [
        ("a", "1", None, "3"),
        ("b", None, None, "3"),
        ("c", "0.5", None, None),
    ]


def test_text_in_utf_16_is_named(tmp_path):
    (tmp_path / "manifest.csv").write_text("path,label\na,b\n", encoding="utf-16")
    with pytest.raises(SourceError, match=r"manifest.csv: row 1: text in UTF-8 expected, found .*UTF-16"):
        read(tmp_path)


def test_a_parquet_file_is_not_unpacked_without_limit(tmp_path):
    write(tmp_path / "m.parquet", [{"path": "a" * (2**20 + 1)}])
    with pytest.raises(SourceError, match=r"column 'path': texts of at most 1048576 bytes expected, found 1048577"):
        read(tmp_path, "m.parquet")
    parquet.write_table(pyarrow.table({"path": [{"bytes": b"x" * 1000, "path": "a"}]}), tmp_path / "m.parquet")
    with pytest.raises(SourceError, match=r"column 'path': text or integers expected, found struct") as caught:
        read(tmp_path, "m.parquet")
    assert len(str(caught.value)) < 400
    parquet.write_table(pyarrow.table({"file": ["a"]}), tmp_path / "m.parquet")
    with pytest.raises(SourceError, match=r"found 'file'"):
        read(tmp_path, "m.parquet")


def test_columns_by_other_names_must_be_there(tmp_path):
    rows = [{"path": "a", "file": "b", "patient": "p", "label": "cat"}]
    write(tmp_path / "manifest.csv", rows)
    assert read(tmp_path, columns={"path": "file", "group": "patient"}) == [("b", "cat", None, "p")]
    assert read(tmp_path) == [("a", "cat", None, None)]
    with pytest.raises(SourceError, match=r"no column 'scene', which ingestion\.manifest\.group names"):
        read(tmp_path, columns={"group": "scene"})


def test_a_missing_manifest(tmp_path):
    with pytest.raises(SourceError, match=r"manifest.csv: No such file"):
        read(tmp_path)
    os.mkfifo(tmp_path / "manifest.csv")
    with pytest.raises(SourceError, match=r"manifest.csv: .*not a regular file"):
        read(tmp_path)


def test_fingerprint_follows_manifest_and_images(tmp_path):
    write(tmp_path / "manifest.csv", [{"path": "1.jpg"}, {"path": "2.jpg"}])
    (tmp_path / "1.jpg").write_bytes(b"one")
    seen = [source(tmp_path).fingerprint()]
    (tmp_path / "3.jpg").write_bytes(b"not listed")
    assert source(tmp_path).fingerprint() == seen[0]

    def changed():
        seen.append(source(tmp_path).fingerprint())
        assert len(set(seen)) == len(seen)

    (tmp_path / "2.jpg").write_bytes(b"two")
    changed()
    status = (tmp_path / "1.jpg").stat()
    os.utime(tmp_path / "1.jpg", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    changed()
    write(tmp_path / "manifest.csv", [{"path": "1.jpg"}])
    changed()
