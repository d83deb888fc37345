"""TrainingWindow's steps as Beam sees them: names of files travel between workers, images and digests never do."""

import io

import apache_beam as beam
import numpy as np

from components.contracts import files
from components.window import merging


class IndexFiles(beam.PTransform):
    """``(file of image records, file to write its index to)`` in."""

    def expand(self, files: beam.PCollection) -> beam.PCollection:
        """Spread the files over the workers."""
        return files | "Spread" >> beam.Reshuffle() | "Index" >> beam.MapTuple(_index)


class WriteFiles(beam.PTransform):
    """``(file of image records, file to write, file with the positions to leave out)`` in."""

    def __init__(self, scratch_dir: str):
        super().__init__()
        self._scratch_dir = scratch_dir

    def expand(self, jobs: beam.PCollection) -> beam.PCollection:
        """Spread the files over the workers."""
        return jobs | "Spread" >> beam.Reshuffle() | "Write" >> beam.Map(_write, scratch_dir=self._scratch_dir)


def load_array(path: str) -> np.ndarray:
    """What ``save_array`` left."""
    return np.load(io.BytesIO(files.read_bytes(path)))


def save_array(values: np.ndarray, path: str) -> None:
    """Write an array; a second attempt replaces it by the same."""
    buffer = io.BytesIO()
    np.save(buffer, values)
    files.write_bytes(path, buffer.getvalue())


def _index(path: str, target: str) -> None:
    save_array(merging.index_file(path), target)


def _write(job: tuple[str, str, str], scratch_dir: str) -> None:
    path, target, positions = job
    merging.write_file(path, target, load_array(positions), scratch_dir)
