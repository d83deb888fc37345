"""Shows the progress of a run on the terminal and sends everything else to a log file.

TensorFlow, Beam and TFX write to the standard streams of the process from C++ as well as from Python. So the streams
themselves are redirected to the log file, and progress goes to what standard error was before.
"""

import atexit
import contextlib
import logging
import os
import pathlib
import re
import sys
import time
from collections.abc import Callable, Iterator

from components.contracts import progress
from components.contracts.plain_text import printable

# Log messages of the runners: LocalDagRunner "Component %s is running.", BeamDagRunner "node %s is running.".
_NODE_MESSAGE = re.compile(r"^(?:Component|node) %s is (running|finished)\.$")
_BAR_WIDTH = 24
_REDRAW_SECONDS = 0.1  # on a terminal
_LINE_SECONDS = 30.0  # elsewhere
_SECONDS_BEFORE_ESTIMATE = 5.0


class _TimeLeft:
    """Estimates how long the work that is reported takes, from its speed since its first report."""

    def __init__(self) -> None:
        self._total, self._first_done, self._last_done, self._since = 0, 0, 0, 0.0

    def after(self, done: int, total: int, now: float) -> str:
        """Words such as ", 3 min left" for a report at ``now`` (seconds); empty while there is nothing to go by."""
        if total != self._total or done < self._last_done:
            self._total, self._first_done, self._since = total, done, now
        self._last_done = done
        seconds, advanced = now - self._since, done - self._first_done
        if seconds < _SECONDS_BEFORE_ESTIMATE or advanced <= 0 or done >= total:
            return ""
        left = seconds / advanced * (total - done)
        return f", {left / 60:.0f} min left" if left >= 90 else f", {left:.0f} s left"


class Console:
    """Writes lines, and a progress bar that is redrawn in place, to what standard error was before."""

    def __init__(self, descriptor: int):
        self._stream = os.fdopen(descriptor, "w", encoding="utf-8", errors="replace")
        self._is_terminal = self._stream.isatty()
        self._has_bar = False
        self._last_bar = 0.0
        self._estimate = _TimeLeft()
        self._finished = ""  # the last complete bar, which is drawn once

    @property
    def descriptor(self) -> int:
        """Of the terminal or file that lines go to."""
        return self._stream.fileno()

    def line(self, text: str = "") -> None:
        """Write one line; it replaces a progress bar."""
        self._clear()
        self._stream.write(f"{printable(text)}\n")
        self._stream.flush()

    def bar(self, done: int, total: int, text: str) -> None:
        """Redraw the progress bar; without a terminal, write a line every half minute, and one at the end."""
        now = time.monotonic()
        left = self._estimate.after(done, total, now)
        ends = done >= total and self._finished != f"{total} {text}"
        if not ends and now - self._last_bar < (_REDRAW_SECONDS if self._is_terminal else _LINE_SECONDS):
            return
        self._last_bar = now
        self._finished = f"{total} {text}" if done >= total else ""
        filled = round(_BAR_WIDTH * done / max(total, 1))
        said = f"{100 * done // max(total, 1):3d} % {done}/{total} {printable(text)}{left}"
        drawn = f"    {'█' * filled}{'░' * (_BAR_WIDTH - filled)} {said}"
        if not self._is_terminal:
            self.line(drawn)
            return
        self._stream.write(f"\r\x1b[2K{drawn[: os.get_terminal_size(self._stream.fileno()).columns - 1]}")
        self._stream.flush()
        self._has_bar = True

    def _clear(self) -> None:
        if self._has_bar:
            self._stream.write("\r\x1b[2K")
            self._has_bar = False


class _ProgressHandler(logging.Handler):
    def __init__(self, console: Console):
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        said = vars(record)  # with what ``report_progress`` adds
        self._console.bar(said["done"], said["total"], said["text"])


class _NodeHandler(logging.Handler):
    def __init__(self, on_start: Callable[[str], None], on_finish: Callable[[str], None]):
        super().__init__()
        self._callbacks = {"running": on_start, "finished": on_finish}

    def emit(self, record: logging.LogRecord) -> None:
        match = _NODE_MESSAGE.match(str(record.msg))
        if match and isinstance(record.args, tuple) and record.args:
            self._callbacks[match.group(1)](str(record.args[0]))


@contextlib.contextmanager
def quiet_streams(log_path: pathlib.Path) -> Iterator[Console]:
    """Send standard output and error to ``log_path``; gives a console on the former standard error.

    Afterwards the streams are as before, until the interpreter shuts down: TensorFlow's last messages go to the log.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    # Never closed: libraries still write to it while they shut down.
    log = log_path.open("a", buffering=1, encoding="utf-8", errors="replace")
    try:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        # In a notebook or a test, Python's streams are not those of the process.
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield Console(os.dup(saved[1]))
    finally:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for descriptor in saved:
            os.close(descriptor)
        atexit.register(lambda: os.dup2(log.fileno(), 2))


@contextlib.contextmanager
def show_progress(
    console: Console, on_start: Callable[[str], None], on_finish: Callable[[str], None]
) -> Iterator[None]:
    """Within the context, show the progress of steps on ``console`` and call back when nodes start and finish."""
    handlers = {progress.LOGGER_NAME: _ProgressHandler(console), "absl": _NodeHandler(on_start, on_finish)}
    for name, handler in handlers.items():
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name, handler in handlers.items():
            logging.getLogger(name).removeHandler(handler)
