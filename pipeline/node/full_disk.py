"""Says of a run that failed because a disk is full which step could not write, and how much space is missing.

The exception alone does not say it: ML Metadata, which can't record the failure on the same disk, hides the first one.
"""

import contextlib
import errno
import logging
import pathlib
import shutil
from collections.abc import Iterator

from components.contracts import progress

_SENTENCES = ("no space left on device", "disk quota exceeded", "database or disk is full")
_NUMBERS = (errno.ENOSPC, errno.EDQUOT)


class DiskFullError(RuntimeError):
    """A step could not write, because the disk is full."""


class DiskWatch(logging.Handler):
    """Remembers which step is running, how far it is, and how much space there was when it started."""

    def __init__(self, place: pathlib.Path):
        """Watch the disk of ``place``, a folder that exists or will be made."""
        super().__init__()
        self._place = place
        self._step = "the run"
        self._free_at_start = self._free()
        self._progress: tuple[int, int] | None = None

    def step_started(self, node_id: str) -> None:
        """Take note of the step that runs now."""
        self._step, self._progress, self._free_at_start = node_id, None, self._free()

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of the progress that a step reports."""
        said = vars(record)  # with what ``report_progress`` adds
        self._progress = said["done"], said["total"]

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Within the context, an exception that comes from a full disk is raised as ``DiskFullError``."""
        logger = logging.getLogger(progress.LOGGER_NAME)
        logger.addHandler(self)
        try:
            yield
        except Exception as error:
            if is_cause_of(error):
                raise DiskFullError(self._sentence()) from error
            raise
        finally:
            logger.removeHandler(self)

    def _free(self) -> int:
        existing = next(folder for folder in (self._place, *self._place.parents) if folder.exists())
        return shutil.disk_usage(existing).free

    def _sentence(self) -> str:
        text = (
            f"{self._step} could not write: the disk of {self._place} is full. {_megabytes(self._free_at_start)} were "
            f"free when it started, and {_megabytes(self._free())} are free now."
        )
        if self._progress and 0 < self._progress[0] < self._progress[1]:
            done, total = self._progress
            missing = self._free_at_start * (total - done) // done
            text += f" It had done {done} of {total}: if the rest writes as much, {_megabytes(missing)} are missing."
        return f"{text} Make room, then the same command goes on from here."


def is_cause_of(error: BaseException) -> bool:
    """Whether a full disk is behind ``error``, as its cause or as what was being handled when it was raised."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or each in seen:
            continue
        seen.append(each)
        if getattr(each, "errno", None) in _NUMBERS or any(text in str(each).lower() for text in _SENTENCES):
            return True
        waiting += [each.__cause__, each.__context__]
    return False


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"
