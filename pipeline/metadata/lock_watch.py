"""Says that a run waits for ML Metadata's SQLite file, which another process has locked.

ML Metadata waits for the lock without a word. The kernel's list of locks is read instead of the file: closing the file
here would release the locks that ML Metadata holds on it in this process.
"""

import contextlib
import os
import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

_KERNEL_LOCKS = pathlib.Path("/proc/locks")
_PATIENCE_SECONDS = 5.0
_INTERVAL_SECONDS = 1.0


@contextlib.contextmanager
def say_when_waiting(path: pathlib.Path, say: Callable[[str], Any]) -> Iterator[None]:
    """Within the context, call ``say`` once for each time that another process keeps ``path`` locked for five seconds.

    Args:
        path: an SQLite file; it may not exist yet.
        say: is given one sentence, from another thread.
    """
    stop = threading.Event()
    watch = threading.Thread(target=_watch, args=(path, say, stop), name="lock-watch", daemon=True)
    watch.start()
    try:
        yield
    finally:
        stop.set()
        watch.join()


def _watch(path: pathlib.Path, say: Callable[[str], Any], stop: threading.Event) -> None:
    since: float | None = None
    is_told = False
    while not stop.wait(_INTERVAL_SECONDS):
        holder = writer_of(path)
        if holder is None:
            since, is_told = None, False
            continue
        since = time.monotonic() if since is None else since
        if not is_told and time.monotonic() - since >= _PATIENCE_SECONDS:
            say(f"Waiting for {path}: process {holder} has locked it.")
            is_told = True


def writer_of(path: pathlib.Path) -> int | None:
    """Id of another process that holds a write lock on ``path``; None if there is none or the kernel does not tell."""
    try:
        status = path.stat()
        lines = _KERNEL_LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in lines:
        fields = line.split()  # such as "1: POSIX  ADVISORY  WRITE 123 fd:00:456 1073741825 1073741825"
        if "->" not in fields and file in fields and "WRITE" in fields:
            process = int(fields[fields.index("WRITE") + 1])
            if process != os.getpid():
                return process
    return None
