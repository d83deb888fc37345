"""One run on this machine, with a log file and a console. Imports TFX only when the run begins."""

import contextlib
import datetime
import enum
import logging
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.contracts.folder_lock import FolderBusyError, folder_lock
from pipeline import error_messages
from pipeline.config import PipelineConfig
from pipeline.local import journal
from pipeline.local.console import quiet_streams
from pipeline.workdir import Workdir

if TYPE_CHECKING:
    from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner

    from pipeline.local.run import FinishedRun

_logger = logging.getLogger(__name__)


class RunnerKind(str, enum.Enum):
    """Which of TFX's local runners runs the graph."""

    LOCAL = "local"
    BEAM = "beam"


class WorkdirInUseError(RuntimeError):
    """Another run is using the work directory."""


def run(config: PipelineConfig, workdir: Workdir, runner: RunnerKind) -> "FinishedRun":
    """Run the graph once. Progress goes to standard error, everything else to a log file in the work directory.

    Raises:
        WorkdirInUseError: another run is using ``workdir``.
        MissingGpu: a step asks for more GPUs than there are.
        SourceError: there are no images, or they are not laid out as expected.
        TooFewImagesError: there are too few images, said before anything is decoded, or right after ingestion.
        RunFailedError: a node is neither complete nor cached.
        Exception: whatever a node raised; the traceback is in the log file.
    """
    run_id = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S.%f")
    log = workdir.log(run_id)
    with sole_use(workdir.path), quiet_streams(log) as console:
        entry = journal.start(workdir, run_id, config)
        console.line(f"Run {run_id}: loading TensorFlow and TFX (ten seconds and more) …")
        try:
            from pipeline.check import early
            from pipeline.node import process

            if workdir.report.exists():
                workdir.report.replace(workdir.earlier_report)
            process.open_filesystems(config.beam.pipeline_args)
            early.before_run(config, workdir, console.line)
            # Within the quiet streams, because the import alone is noisy.
            from pipeline.local import run as local_run

            finished = local_run.execute(config, workdir, _runner(runner), run_id, console)
            journal.finish(workdir, entry, finished.outcome)
        except BaseException as error:
            _logger.exception("Run %s failed", run_id)
            console.line(f"✗ {log} holds the whole log")
            if workdir.earlier_report.exists():
                console.line(f"✗ this run has no report; {workdir.earlier_report} is that of an earlier run")
            journal.fail(workdir, entry, error_messages.sentence(error))
            raise
        return finished


def _runner(kind: RunnerKind) -> "LocalDagRunner | BeamDagRunner":
    if kind is RunnerKind.LOCAL:
        from tfx.orchestration.local.local_dag_runner import LocalDagRunner

        return LocalDagRunner()
    from apache_beam.options.pipeline_options import StandardOptions
    from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner

    # BeamDagRunner's own pipeline takes its runner from here only; any other local runner would build Prism first.
    StandardOptions.DEFAULT_RUNNER = "FnApiRunner"
    return BeamDagRunner()


@contextlib.contextmanager
def sole_use(workdir: pathlib.Path) -> Iterator[None]:
    """Within the context, no other run or cleaning uses ``workdir``.

    Raises:
        WorkdirInUseError: another one does.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(folder_lock(workdir, timeout_seconds=0))
        except FolderBusyError as error:
            sentence = f"another run is using {workdir}; wait until it ends, or name another --workdir"
            raise WorkdirInUseError(sentence) from error
        yield
