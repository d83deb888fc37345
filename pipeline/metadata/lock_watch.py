"""Says that a run waits for ML Metadata's SQLite file, which another process has locked.

ML Metadata waits for the lock without a word, and while it opens the file, no other thread of its process can run. So a
small process of its own watches, which runs this file; nothing but the standard library is imported here. It reads the
kernel's list of locks, because opening and closing the file would release the locks that its process holds.
"""

import contextlib
import os
import pathlib
import select
import subprocess
import sys
import time
from collections.abc import Iterator

_KERNEL_LOCKS = pathlib.Path("/proc/locks")
_PATIENCE_SECONDS = 5.0
_POLLS_IN_PATIENCE = 5


@contextlib.contextmanager
def say_when_waiting(
    path: pathlib.Path, descriptor: int, patience_seconds: float = _PATIENCE_SECONDS
) -> Iterator[None]:
    """Within the context, write a line each time that another process keeps ``path`` locked for some seconds.

    Args:
        path: an SQLite file; it may not exist yet.
        descriptor: of the terminal or file to write the line to.
        patience_seconds: a shorter wait is not told.
    """
    command = [sys.executable, "-I", "-S", __file__, str(path), str(os.getpid()), str(patience_seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=descriptor) as watch:
        try:
            yield
        finally:
            if watch.stdin:
                watch.stdin.close()  # which ends the process, as the end of this one does


def writer_of(path: pathlib.Path, own_process: int) -> int | None:
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
            if process != own_process:
                return process
    return None


def _watch(path: pathlib.Path, own_process: int, patience_seconds: float) -> None:
    """Write a line for each long wait, until standard input ends."""
    since: float | None = None
    is_told = False
    while not select.select([sys.stdin], [], [], patience_seconds / _POLLS_IN_PATIENCE)[0]:
        holder = writer_of(path, own_process)
        if holder is None:
            since, is_told = None, False
            continue
        since = time.monotonic() if since is None else since
        if not is_told and time.monotonic() - since >= patience_seconds:
            start = "\r\x1b[2K" if sys.stdout.isatty() else ""  # in place of a progress bar
            name = "".join(character if character.isprintable() else "?" for character in str(path))
            sys.stdout.write(f"{start}Waiting for {name}: process {holder} has locked it.\n")
            sys.stdout.flush()
            is_told = True


if __name__ == "__main__":
    _watch(pathlib.Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
