"""The layout of a work directory; no other module knows it."""

import dataclasses
import pathlib

from components.contracts.configuration import ConfigError

_OF_PATTERNS = frozenset("*?[\\")


def check_place(path: str, name: str) -> None:
    """Refuse a place for artifacts whose path would be a file pattern: TFX and Beam read artifacts by patterns.

    Args:
        path: path or URI.
        name: of the argument or setting, for the message.

    Raises:
        ConfigError: the path holds a character that patterns interpret.
    """
    found = sorted(set(path) & _OF_PATTERNS)
    if found:
        raise ConfigError(
            f"{name}: {path}: expected a path without the characters {' '.join(sorted(_OF_PATTERNS))}, which TFX and "
            f"Beam take for file patterns, found {' '.join(found)}"
        )


@dataclasses.dataclass(frozen=True)
class Workdir:
    """Paths of one work directory, which holds all runs of one pipeline.

    Attributes:
        path: absolute path; created on the first run.
        data_root: absolute path or URI of the images.
    """

    path: pathlib.Path
    data_root: str

    @property
    def pipeline_root(self) -> str:
        """Artifacts and checkpoints."""
        return str(self.path / "pipeline_root")

    @property
    def metadata_path(self) -> str:
        """ML Metadata's SQLite file."""
        return str(self.path / "metadata.sqlite")

    @property
    def registry(self) -> str:
        """Model registry, in TensorFlow Serving's layout."""
        return str(self.path / "registry")

    @property
    def bundled_data(self) -> pathlib.Path:
        """The bundled data, as files."""
        return self.path / "data"

    def log(self, run_id: str) -> pathlib.Path:
        """Log file of a run."""
        return self.path / "logs" / f"{run_id}.log"

    @property
    def report(self) -> pathlib.Path:
        """A copy of the latest run's report; absent until the run has written one."""
        return self.path / "report.html"

    @property
    def earlier_report(self) -> pathlib.Path:
        """The report of the last run before the latest one that wrote a report."""
        return self.path / "report-earlier.html"
