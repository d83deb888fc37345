"""A lock for one folder, shared by threads, processes and hosts that mount it.

The lock is ``flock`` on a file, so the system frees it when its holder dies, also by SIGKILL.
"""

import contextlib
import fcntl
import os
import pathlib
import time
from collections.abc import Iterator

LOCK_FILE = ".lock"
_POLL_SECONDS = 0.05


class FolderBusyError(RuntimeError):
    """Somebody else held the lock of a folder for longer than the caller was willing to wait."""


@contextlib.contextmanager
def folder_lock(folder: pathlib.Path, timeout_seconds: float) -> Iterator[None]:
    """Hold the exclusive lock of ``folder``, which is made when missing.

    Args:
        folder: on a file system with ``flock`` (local disks, NFS version 4, most volumes of Kubernetes).
        timeout_seconds: > 0.

    Raises:
        FolderBusyError: the lock was not free within ``timeout_seconds``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # One open file per holder: flock belongs to the open file, so threads of one process exclude each other too.
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _acquire(descriptor, folder, timeout_seconds)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, folder: pathlib.Path, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise FolderBusyError(f"{folder} has been locked by another push for {timeout_seconds:g} s") from None
            time.sleep(_POLL_SECONDS)
