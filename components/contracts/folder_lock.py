"""A lock for one folder, shared by threads, processes and hosts that mount it.

The lock is ``flock`` on a file, so the system frees it when its holder dies, even by SIGKILL.
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
    """Another holder did not release the lock of a folder in time."""


@contextlib.contextmanager
def folder_lock(folder: pathlib.Path, timeout_seconds: float) -> Iterator[None]:
    """Hold the exclusive lock of ``folder``; the folder is made if it is missing.

    Args:
        folder: on a file system with ``flock`` (local disks, NFS version 4, most volumes of Kubernetes).
        timeout_seconds: how long to wait for another holder; 0 does not wait.

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
                raise FolderBusyError(f"another process has locked {folder} for {timeout_seconds:g} s") from None
            time.sleep(_POLL_SECONDS)
