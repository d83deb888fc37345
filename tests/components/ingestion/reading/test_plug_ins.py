import pathlib
import pkgutil

import numpy as np
import pytest

from components.contracts.images import ImageConfig
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.decoder import decode_image_bytes, decode_pixels, decoding_rules
from components.ingestion.reading import sources
from components.ingestion.reading.plug_ins import open_source


def read(root, config):
    """[(split, label, pixels)] of a source, whatever its paths, and how many images it announced."""
    source = open_source(str(root), config)
    rules = decoding_rules(config, ImageConfig())
    found, announced = [], 0
    for item in source.items():
        announced += item.count
        for image in source.load(item):
            decode = decode_image_bytes if isinstance(image.content, bytes) else decode_pixels
            found.append((image.split, image.label, decode(image.content, rules).pixels))
    return found, announced


def class_names(source, root):
    if source != "idx":
        return {}
    (pathlib.Path(root) / "names.txt").write_text("a\nb\n")
    return {"class_names_file": "names.txt"}


def test_every_source_gives_the_same_images(source_data, make_photo, tmp_path):
    source, write = source_data
    root = write(tmp_path / "data")
    found, announced = read(root, IngestionConfig(source=source, **class_names(source, root)))
    assert sorted((split, label) for split, label, _ in found) == (
        [("test", "a")] * 2 + [("test", "b")] * 2 + [("train", "a")] * 6 + [("train", "b")] * 6
    )
    for part, number in (("train", 12), ("test", 4)):
        for index in range(number):
            expected = (part, "ab"[index % 2], make_photo(f"{part} {index}", (32, 32)))
            matches = [each for each in found if each[:2] == expected[:2] and np.array_equal(each[2], expected[2])]
            assert len(matches) == 1
    assert announced == 16 or source in ("tfrecord", "webdataset")


def test_every_source_reads_remote_filesystems(source_data, tmp_path, in_memory):
    source, write = source_data
    root = write(tmp_path / "data")
    config = IngestionConfig(source=source, **class_names(source, root))
    local, _ = read(root, config)
    remote, _ = read(in_memory(root), config)
    for one, other in zip(local, remote, strict=True):
        assert one[:2] == other[:2]
        np.testing.assert_array_equal(one[2], other[2])
    assert len(open_source("memory://bucket", config).fingerprint()) == 64


def test_no_source_is_forgotten_here(sources_with_data):
    assert {module.name for module in pkgutil.iter_modules(sources.__path__)} == sources_with_data | {"digits"}


def test_a_source_is_one_file(tmp_path, monkeypatch):
    """What the README shows: a file in the folder of sources, and its name in the config."""
    with pytest.raises(ValueError, match=r"one of .*image_folder.* expected, found 'my_source'"):
        IngestionConfig(source="my_source")
    monkeypatch.setattr("components.ingestion.reading.sources.__path__", [*sources.__path__, str(tmp_path)])
    (tmp_path / "my_source.py").write_text(
        "from components.ingestion.reading.source import Item, SourceImage\n"
        "class MySource:\n"
        "    has_groups = False\n"
        "    def __init__(self, root, config): self.root = root\n"
        "    def items(self): yield Item('x', count=2)\n"
        "    def load(self, item): yield from (SourceImage(f'{self.root}{at}', b'', 'a', None) for at in range(2))\n"
        "open_source = MySource\n"
    )
    source = open_source("/data/", IngestionConfig(source="my_source"))
    [item] = source.items()
    assert [image.path for image in source.load(item)] == ["/data/0", "/data/1"]
