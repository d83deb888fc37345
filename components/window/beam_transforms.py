"""TrainingWindow's steps as Beam sees them: names of files travel between workers, images and digests never do."""

import io
from collections.abc import Sequence

import apache_beam as beam
import numpy as np

from components.contracts import files
from components.window import merging


class IndexFiles(beam.PTransform):
    """Applied to a pipeline; the jobs are ``(file of image records, file to write its index to)``."""

    def __init__(self, jobs: Sequence[tuple[str, str]]):
        super().__init__()
        self._jobs = jobs

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Spread the files over the workers."""
        return pipeline | "Jobs" >> beam.Create(self._jobs) | "Index" >> beam.MapTuple(_index)


class WriteFiles(beam.PTransform):
    """Likewise; the jobs are ``(file of image records, file to write, file with the positions to leave out)``."""

    def __init__(self, jobs: Sequence[tuple[str, str, str]], scratch_dir: str):
        super().__init__()
        self._jobs, self._scratch_dir = jobs, scratch_dir

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Spread the files over the workers."""
        write = beam.Map(_write, self._scratch_dir)
        return pipeline | "Jobs" >> beam.Create(self._jobs) | "Write" >> write


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
