"""Bad inputs that were collected for development, where they are at hand: each meets the action that is asked for."""

import collections
import json
import os
import pathlib
import shutil
import tarfile
import tempfile

import apache_beam as beam
import pytest
import tensorflow as tf

from benchmarks.development_data import VARIABLE
from components.contracts import artifact_files, records
from components.contracts.files import read_records
from components.contracts.images import ImageConfig
from components.contracts.plain_text import printable
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.ingest import ingest
from components.ingestion.reading.plug_ins import open_source

DATA = pathlib.Path(os.environ.get(VARIABLE, "."))
pytestmark = pytest.mark.skipif(
    not (DATA / "broken.tar.gz").exists(),
    reason=f"{VARIABLE} names no folder with broken.tar.gz: `make test {VARIABLE}=FOLDER`",
)
CONFIG = IngestionConfig(max_undecodable_fraction=1.0, min_images_per_class=1)
MEMBERS = ("load", "skip", "load_or_skip", "policy")  # actions of images in one folder


@pytest.fixture(scope="module")
def broken():
    """The unpacked set, readable for everybody but where it is not meant to be."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(DATA / "broken.tar.gz") as archive:
        os.chmod(folder, 0o777)
        archive.extractall(folder)
        yield pathlib.Path(folder, "broken")


@pytest.fixture(scope="module")
def expected():
    return json.loads((DATA / "BROKEN_EXPECTED.json").read_text(encoding="utf-8"))


def ingest_as(user, root, output):
    """What was kept, and what was quarantined by what reason: ``{path below the set: split or reason}`` each."""
    before = os.geteuid()
    os.seteuid(user)
    try:
        ingest(str(root), str(output), CONFIG, ImageConfig(), lambda: beam.Pipeline(argv=["--runner=FnApiRunner"]))
    finally:
        os.seteuid(before)
    kept = {}
    for path in output.glob("Split-*/*"):
        for serialized in read_records(str(path)):
            features = tf.train.Example.FromString(serialized).features.feature
            name = features[records.PATH].bytes_list.value[0].decode()
            kept[f"images/{name}"] = features[records.LABEL].bytes_list.value[0].decode()
    entries = [json.loads(line) for line in (output / artifact_files.QUARANTINE_FILE).read_text().splitlines()]
    return kept, {f"images/{entry['path']}": entry["reason"] for entry in entries}


@pytest.mark.parametrize("user", [os.geteuid(), 65534])
def test_each_image_meets_its_action(broken, expected, user):
    if user != os.geteuid() and os.geteuid() != 0:
        pytest.skip("only root can become another user: `make test` as root")
    output = broken.parent / f"out-{user}"
    kept, quarantined = ingest_as(user, broken / "images", output)
    assert not kept.keys() & quarantined.keys()
    wrong = []
    for case in expected:
        # Records and quarantine name files as ``printable`` does.
        for path in map(printable, case["paths"]) if case["action"] in MEMBERS else ():
            is_readable = path != "images/dog/39_mode000.jpg" or user == 0
            found = [name for name in (path, path + "/") if name in kept or name in quarantined]
            if case["id"] == "33":
                is_right = quarantined.get(path) == "label_conflict"
            elif case["action"] == "load" or (case["id"] == "39" and is_readable):
                is_right = path in kept
            elif case["action"] == "skip":
                is_right = bool(found) and path not in kept
            else:
                is_right = bool(found)
            if not is_right:
                wrong.append((case["id"], path, kept.get(path), quarantined.get(path)))
    assert wrong == []
    assert set(kept.values()) == {"cat", "dog"}
    assert collections.Counter(quarantined.values())["too_many_pixels"] == 3


def test_each_binary_file_is_refused_by_name(broken, expected, tmp_path):
    refused = [case["paths"][0] for case in expected if case["action"] == "refuse"]
    assert len(refused) == 6
    for number, path in enumerate(refused):
        root = tmp_path / str(number)
        root.mkdir()
        shutil.copy(broken / path, root / "data_batch_1.bin")
        (root / "batches.meta.txt").write_text("\n".join("abcdefghij") + "\n")
        config = IngestionConfig(source="cifar_binary")
        with pytest.raises(SourceError, match=r"data_batch_1\.bin"):
            source = open_source(str(root), config)
            for item in source.items():
                list(source.load(item))
