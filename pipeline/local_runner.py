"""Short door: one run on this machine, with a log file and a console. Light until the run itself begins."""

import contextlib
import datetime
import enum
import fcntl
import logging
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.config import PipelineConfig
from pipeline.console import quiet_streams
from pipeline.places import Places

if TYPE_CHECKING:
    from pipeline.execution import FinishedRun

_logger = logging.getLogger(__name__)


class RunnerKind(str, enum.Enum):
    """Which of TFX's local runners walks the graph."""

    LOCAL = "local"
    BEAM = "beam"


class WorkdirInUseError(RuntimeError):
    """Another run is going on in the work directory."""


def run(config: PipelineConfig, places: Places, runner: RunnerKind) -> "FinishedRun":
    """Run the graph once, showing on standard error what happens; all else goes to a log file in the work directory.

    Raises:
        WorkdirInUseError: another run is going on in ``places.workdir``.
        RunFailedError: a node is neither complete nor cached.
        Exception: whatever a node raised; the log file holds all of it.
    """
    run_id = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S.%f")
    log = places.log(run_id)
    with _sole_use(places.workdir), quiet_streams(log) as console:
        console.line(f"Run {run_id}: loading TensorFlow and TFX (ten seconds and more) …")
        try:
            # Within the quiet streams, because the import alone is noisy.
            from pipeline import execution

            return execution.execute(config, places, runner, run_id, console)
        except BaseException:
            _logger.exception("The run %s failed", run_id)
            console.line(f"✗ {log} holds the whole log")
            raise


@contextlib.contextmanager
def _sole_use(workdir: pathlib.Path) -> Iterator[None]:
    workdir.mkdir(parents=True, exist_ok=True)
    # The kernel frees the lock when the process ends, however it ends.
    with (workdir / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            sentence = f"another run is going on in {workdir}; wait for it, or name another --workdir"
            raise WorkdirInUseError(sentence) from error
        yield
