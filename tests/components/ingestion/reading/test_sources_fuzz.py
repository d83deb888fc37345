"""Good containers with flipped, cut and spliced bytes: each is read or stops with a sentence, and within limits.

`make test` damages 1,000 files, `make test-fuzz` 10,000.
"""

import collections
import gzip
import pathlib
import resource
import time

import numpy as np
import pytest

from components.ingestion.config import IngestionConfig, ManifestConfig
from components.ingestion.decoding.refusals import RefusedImage, SourceError
from components.ingestion.reading.plug_ins import open_source

each_count = pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.fuzz)])
MAX_GROWTH_KIB = 2**20  # above the start: 1 GiB
MAX_SECONDS = 30  # of a file
_KIB = 1024


def damage(content, generator):
    """Flips, of the beginning and the end more often than not, a cut, or a part that comes twice."""
    damaged = bytearray(content)
    kind = generator.integers(4)
    if kind in (0, 1):
        ends = [*range(min(200, len(damaged))), *range(max(0, len(damaged) - 300), len(damaged))]
        for _ in range(generator.integers(1, 9)):
            at = generator.choice(ends) if generator.random() < 0.6 else generator.integers(len(damaged))
            damaged[at] = generator.integers(256)
    if kind in (1, 2):
        damaged = damaged[: generator.integers(1, len(damaged) + 1)]
    if kind == 3:
        start, end = sorted(generator.integers(0, len(damaged) + 1, 2))
        damaged[start:start] = damaged[start:end]
    return bytes(damaged)


@pytest.fixture
def containers(tmp_path, source_writers, make_manifest_tables):
    """[(config, name of the file to damage, folder)]"""
    found = []
    for source, write in source_writers.items():
        write(root := tmp_path / source)
        for path in sorted(root.rglob("*")):
            if path.suffix not in (".png", ".txt") and path.is_file() and source != "image_folder":
                found.append((IngestionConfig(source=source), path))
            if source == "idx" and path.is_file():
                (packed := tmp_path / "packed").mkdir(exist_ok=True)
                (packed / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    found += [(IngestionConfig(source="idx"), path) for path in sorted((tmp_path / "packed").iterdir())]
    for path in make_manifest_tables(tmp_path / "manifest"):
        found.append((IngestionConfig(source="manifest", manifest=ManifestConfig(file=path.name)), path))
    return found


def read(root, config):
    source = open_source(str(root), config)
    number = 0
    for item in source.items():
        try:
            number += sum(1 for _ in source.load(item))
        except RefusedImage:
            number += 1
    return number


@each_count
def test_every_container_is_read_or_stops(containers, count):
    generator = np.random.default_rng(0)
    outcomes: collections.Counter = collections.Counter()
    slowest, before = 0.0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    good = {path: path.read_bytes() for _, path in containers}
    for case in range(count):
        config, path = containers[case % len(containers)]
        path.write_bytes(damage(good[path], generator))
        started = time.process_time()
        try:
            outcomes["read"] += bool(read(pathlib.Path(path).parent, config) >= 0)
        except SourceError as error:
            outcomes["stopped"] += 1
            assert len(str(error)) < 2000
        slowest = max(slowest, time.process_time() - started)
        path.write_bytes(good[path])
    assert sum(outcomes.values()) == count
    assert min(outcomes["read"], outcomes["stopped"]) > count / 20
    assert slowest < MAX_SECONDS
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert growth < MAX_GROWTH_KIB
    print(f"{count} files: {dict(outcomes)}; {growth / _KIB:.0f} MiB above the start, {slowest:.2f} s the slowest")
