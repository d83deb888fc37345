"""A place for whole local runs: a config that needs seconds, spans of handwritten digits, and work directories."""

import csv
import os
import pathlib
import shutil
from collections.abc import Collection
from typing import TypeVar

from PIL import Image

from components.contracts.record_files import read_record
from pipeline import config as pipeline_config
from pipeline import local_runner
from pipeline.local.run import FinishedRun
from pipeline.workdir import Workdir

from . import tiny

Record = TypeVar("Record")

RESOLVERS = {"SchemaInUse", "PreviousStatistics", "SpansInWindow", "BlessedBaseline"}
_IMAGES_PER_CLASS = 36
_SPANS = (
    "training_spans=2",
    "ingestion.source=manifest",
    "ingestion.span_pattern=span-{SPAN}",
    "validation.min_drift_images=100",
)


class Workplace:
    """Files of a team that takes in one span after the other.

    Attributes:
        root: holds everything.
        digits: a folder of images per class, from which spans are made.
    """

    def __init__(self, root: pathlib.Path):
        tiny.write(root, _IMAGES_PER_CLASS)
        self.root = root
        self.digits = root / "digits"
        self.config = root / "tiny.yaml"
        self._data, self._kept = root / "data", root / "kept"

    def write_span(
        self, span: int, train: Collection[int], test: Collection[int], brightness: float = 1.0
    ) -> pathlib.Path:
        """Write the images at these positions of each class and their manifest; returns the folder of the span."""
        folder = self._data / f"span-{span}"
        folder.mkdir(parents=True)
        with (folder / "manifest.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label", "split"])
            for digit in sorted(self.digits.iterdir()):
                paths = sorted(digit.iterdir())
                for position in (*train, *test):
                    name = f"{digit.name}-{position}.png"
                    with Image.open(paths[position]) as image:
                        image.point(lambda value: int(value * brightness)).save(folder / name)
                    writer.writerow([name, digit.name, "test" if position in test else "train"])
        return folder

    def run(self, *overrides: str, runner: str = "local", workdir: str = "work") -> FinishedRun:
        """Run the graph once, on the newest span."""
        config = pipeline_config.load(str(self.config), (*_SPANS, *overrides))
        directory = Workdir(self.root / workdir, str(self._data))
        return local_runner.run(config, directory, local_runner.RunnerKind(runner))

    def command(self, *overrides: str) -> list[str]:
        """Arguments of ``simclr`` for the same run."""
        settings = [word for setting in (*_SPANS, *overrides) for word in ("--set", setting)]
        return ["run", "--config", str(self.config), "--data", str(self._data), *self.workdir(), *settings]

    def workdir(self, name: str = "work") -> list[str]:
        """The argument of ``simclr`` that names a work directory."""
        return ["--workdir", str(self.root / name)]

    def versions(self, workdir: str = "work") -> list[int]:
        """Numbers of the versions in the registry."""
        folder = self.root / workdir / "registry" / "image-encoder"
        return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())

    def checkpoints(self) -> list[pathlib.Path]:
        """Checkpoints that runs left behind."""
        return list((self.root / "work" / "pipeline_root" / "checkpoints").glob("*/*"))

    def keep(self) -> None:
        """Remember spans and work directory as they are now."""
        for folder in (self._data, self.root / "work"):
            shutil.copytree(folder, self._kept / folder.name)

    def restore(self) -> None:
        """Bring spans and work directory back to where they were when ``keep`` was called."""
        for folder in (self._data, self.root / "work"):
            shutil.rmtree(folder)
            shutil.copytree(self._kept / folder.name, folder)


def executed(finished: FinishedRun) -> set[str]:
    """Nodes of a run that did not come from the cache, without the resolvers, which never do."""
    return {node_id for node_id, result in finished.results.items() if not result.is_cached} - RESOLVERS


def read(cls: type[Record], finished: FinishedRun, node_id: str, output: str, *path: str) -> Record:
    """A typed file of a node's output."""
    return read_record(cls, os.path.join(finished.results[node_id].output(output).uri, *path))
