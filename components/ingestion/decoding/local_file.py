"""Reads a local file without being held up by what is no regular file, and no more of it than is allowed."""

import os
import stat

from components.ingestion.decoding.refusals import Reason, RefusedImage

NOT_REGULAR = "a pipe, socket, folder or device, not a regular file"


def read_local(path: str, max_bytes: int) -> bytes:
    """The whole file, as long as it was when it was opened.

    Raises:
        RefusedImage: not a regular file, or longer than ``max_bytes``. A named pipe does not block.
        OSError: it cannot be read.
    """
    descriptor, size = open_regular(path)
    try:
        if size > max_bytes:
            raise RefusedImage(Reason.FILE_TOO_LARGE, f"{size} bytes, at most {max_bytes} expected")
        pieces, missing = [], size
        while missing > 0 and (piece := os.read(descriptor, missing)):
            pieces.append(piece)
            missing -= len(piece)
    finally:
        os.close(descriptor)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def open_regular(path: str) -> tuple[int, int]:
    """A descriptor and the file's size in bytes; the caller closes the descriptor.

    The file is opened without blocking and checked afterwards: it may have become a pipe since it was listed.

    Raises:
        RefusedImage: not a regular file.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise RefusedImage(Reason.NOT_A_REGULAR_FILE, NOT_REGULAR)
    return descriptor, status.st_size
