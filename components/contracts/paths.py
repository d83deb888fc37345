"""What a path says: whether it is on this machine, and whether its file is still being written."""

import pathlib

# End of the name of a file or folder that is still being written; one that a kill left behind is never read.
PARTIAL_SUFFIX = ".partial"


def is_uri(path: str) -> bool:
    """Whether ``path`` is on another file system, such as ``gs://bucket/folder``; else it is a path of this machine."""
    return "://" in path


def partial_path(path: pathlib.Path) -> pathlib.Path:
    """The hidden name under which ``path`` is written before it is renamed; for one writer at a time."""
    return path.with_name(f".{path.name}{PARTIAL_SUFFIX}")
