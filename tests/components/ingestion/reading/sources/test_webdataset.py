import io
import json
import tarfile

import pytest

from components.ingestion.config import IngestionConfig, WebDatasetConfig
from components.ingestion.decoding.refusals import Refusal, SourceError
from components.ingestion.reading.plug_ins import open_source
from components.ingestion.reading.source import SourceImage


def write(path, members, format=tarfile.GNU_FORMAT):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=format) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
                continue
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def read(root, **settings):
    source = open_source(str(root), IngestionConfig(source="webdataset", **settings))
    return {image.path: image for item in source.items() for image in source.load(item)}


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_reads_samples_labels_and_splits(tmp_path, format):
    long_name = "folder/" + "x" * 90
    members = {"./": None}
    for index in range(300):
        members |= {f"{index:04d}.cls": b"%d\n" % (index % 3), f"{index:04d}.jpg": b"i" * index}
    members |= {f"{long_name}.seg.png": b"first", f"{long_name}.jpg": b"second", f"{long_name}.cls": "ü".encode()}
    write(tmp_path / "set-train-0000.tar", members, format)
    write(tmp_path / "test/0.tar", {"a.webp": b"w", "b.png": b"p", "b.json": b"{}"}, format)
    (tmp_path / "readme.md").write_text("x")
    found = read(tmp_path)
    # One sample has a second image; the test shard has no labels.
    further = found.pop(f"set-train-0000.tar/{long_name}.jpg")
    assert (further.reason, found.pop("test/0.tar").reason) == ("several_images", "labels_not_found")
    assert len(found) == 303
    for index in (0, 1, 299):
        name = f"set-train-0000.tar/{index:04d}"
        assert found[name][:5] == (name, b"i" * index, str(index % 3), "train", None)
    assert found[f"set-train-0000.tar/{long_name}"][1:5] == (b"first", "ü", "train", None)
    assert found["test/0.tar/a"][1:5] == (b"w", None, "test", None)


def test_labels_and_groups_elsewhere(tmp_path):
    note = json.dumps({"label": 1, "patient": "p7"}).encode()
    write(tmp_path / "x.tar", {"a.jpg": b"a", "a.json": note, "b.jpg": b"b", "b.json": b'{"label": null}'})
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    where = WebDatasetConfig(label="json.label", group="json.patient")
    found = read(tmp_path, webdataset=where, class_names_file="names.txt")
    assert found["x.tar/a"][2:5] == ("dog", None, "p7")
    assert found["x.tar/b"][2:5] == (None, None, None)
    write(tmp_path / "x.tar", {"a.jpg": b"a", "a.kind": b"dog", "a.scene": b"12"})
    found = read(tmp_path, webdataset=WebDatasetConfig(label="kind", group="scene"))
    assert found["x.tar/a"][2:5] == ("dog", None, "12")


def test_the_image_under_another_extension(tmp_path):
    members = {"a.mask.png": b"mask", "a.Photo": b"12345", "a.cls": b"1", "b.photo": b"1234", "c.png": b"x"}
    write(tmp_path / "x.tar", members)
    found = read(tmp_path, webdataset=WebDatasetConfig(image="photo"), max_file_bytes=4)
    assert found["x.tar/a"].reason == "file_too_large"
    assert found["x.tar/b"].content == b"1234"
    assert found["x.tar/c"].message == "no image in the sample; members: c.png"


def test_samples_without_a_usable_image_are_left_out(tmp_path):
    write(tmp_path / "x.tar", {"a.cls": b"1", "a.txt": b"x", "b.jpg": b"12345", "c.jpg": b"1234"})
    found = read(tmp_path, max_file_bytes=4)
    assert isinstance(found["x.tar/a"], Refusal)
    assert found["x.tar/a"].reason == "not_an_image"
    assert found["x.tar/a"].message == "no image in the sample; members: a.cls, a.txt"
    assert found["x.tar/b"].reason == "file_too_large"
    assert found["x.tar/c"].content == b"1234"


def labels_and_refusals(root, **settings):
    found = read(root, **settings)
    images = {path: image.label for path, image in found.items() if isinstance(image, SourceImage)}
    return images, {path: entry.reason for path, entry in found.items() if isinstance(entry, Refusal)}


def test_each_further_image_of_a_sample_is_refused(tmp_path):
    """By the format's rule, all names with the same beginning up to the first dot are one sample."""
    members = {}
    for index in range(3):
        members |= {f"2024.06.0{index}.jpg": b"%d" % index, f"2024.06.0{index}.cls": b"%d" % index}
    write(tmp_path / "x.tar", members)
    images, refusals = labels_and_refusals(tmp_path)
    assert images == {"x.tar/2024": None}
    assert refusals == {
        "x.tar/2024.06.01.jpg": "several_images", "x.tar/2024.06.02.jpg": "several_images", "x.tar": "labels_not_found"
    }  # fmt: skip


def test_a_sample_that_comes_twice_keeps_its_first_label(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, content in (("a.jpg", b"1"), ("a.cls", b"cat"), ("a.jpg", b"2"), ("a.cls", b"dog")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    source = open_source(str(tmp_path), IngestionConfig(source="webdataset"))
    image, refusal = source.load(next(iter(source.items())))
    assert (image.content, image.label) == (b"1", "cat")
    assert refusal.reason == "several_images"


@pytest.mark.parametrize("prefix", ["", "./", "s/"])
def test_hidden_members_are_left_out(tmp_path, prefix):
    """As they come from a tar that was made on a Mac."""
    members = {}
    for index in range(3):
        for extension, content in (("cls", b"%d" % index), ("jpg", b"i")):
            members[f"{prefix}._{index}.{extension}"] = b"AppleDouble"
            members[f"{prefix}{index}.{extension}"] = content
    write(tmp_path / "x.tar", members | {"__MACOSX/7.jpg": b"AppleDouble"})
    images, refusals = labels_and_refusals(tmp_path)
    folder = "x.tar/s/" if prefix == "s/" else "x.tar/" + prefix
    assert images == {f"{folder}{index}": str(index) for index in range(3)}
    assert refusals == dict.fromkeys(
        [*(f"{folder}._{index}.jpg" for index in range(3)), "x.tar/__MACOSX/7.jpg"], "hidden"
    )


def test_a_shard_without_labels_names_what_it_has(tmp_path):
    write(tmp_path / "train-0.tar", {"im1.orig.jpg": b"1", "im1.orig.cls": b"0", "im2.orig.jpg": b"2"})
    write(tmp_path / "unlabeled-0.tar", {"a.jpg": b"1"})
    found = read(tmp_path)
    assert found["train-0.tar"].reason == "labels_not_found"
    assert found["train-0.tar"].message == (
        "no sample has a label in cls (ingestion.webdataset.label); found: orig.cls, orig.jpg"
    )
    assert "unlabeled-0.tar" not in found


def test_links_are_refused_and_long_headers_stop(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("a.jpg")
        info.type, info.linkname = tarfile.SYMTYPE, "b.jpg"
        archive.addfile(info)
    assert labels_and_refusals(tmp_path)[1]["x.tar/a"] == "not_a_regular_file"
    write(tmp_path / "x.tar", {"a" * (2**20 + 600) + ".jpg": b"1"}, tarfile.GNU_FORMAT)
    with pytest.raises(SourceError, match=r"x.tar: .*at most 1048576 expected"):
        read(tmp_path, max_file_bytes=1000)


def cut_headers(content):
    damaged = bytearray(content)
    damaged[3 * 512 : 3 * 512 + 100] = b"~" * 100  # the second sample's header
    return bytes(damaged)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[: 512 + 100], "damaged"),  # within the first image
        (lambda content: content[: 512 + 1024], "damaged"),  # behind it, where nothing but the end marker is missing
        (lambda content: content[: 512 + 1024 + 200], "damaged"),  # within the second header
        (cut_headers, "damaged"),
        (lambda content: b"text" * 500, "damaged, or not a tar file"),
    ],
)
def test_damaged_shards_are_refused(tmp_path, damage, message):
    write(tmp_path / "x.tar", {"a.jpg": b"a" * 1000, "b.jpg": b"b" * 1000, "c.jpg": b"c"})
    assert set(read(tmp_path)) == {"x.tar/a", "x.tar/b", "x.tar/c", "x.tar"}
    (tmp_path / "x.tar").write_bytes(damage((tmp_path / "x.tar").read_bytes()))
    with pytest.raises(SourceError, match=f"x.tar: {message}"):
        read(tmp_path)


def test_other_errors(tmp_path):
    with pytest.raises(SourceError, match=r"no file in it that is called \*\.tar"):
        read(tmp_path)
    write(tmp_path / "x.tar", {"a.jpg": b"a", "a.json": b"{"})
    with pytest.raises(SourceError, match=r"x.tar: a .json member that is not JSON"):
        read(tmp_path, webdataset=WebDatasetConfig(label="json.label"))
