"""Digest of the source code a step runs, so that an edited component is not served from the cache.

TFX's cache key holds parameters and input artifacts but no code. Each component of this project therefore carries the
digest of its own room, of ``simclr`` and of ``contracts`` as a parameter.
"""

import hashlib
import pathlib

_COMPONENTS = pathlib.Path(__file__).resolve().parent.parent
_SHARED_ROOMS = ("contracts", "simclr")
# The rooms that have a part in what a model is and is worth.
MODEL_ROOMS = ("ingestion", "preprocessing", "augmentation", "pretraining", "features", "linear_evaluation", "export")
_SUFFIXES = (".py", ".html", ".css", ".js")  # code and the page templates of the report


def code_digest(*rooms: str) -> str:
    """SHA-256 over names and contents of the source files of ``rooms`` and of the rooms all share.

    Args:
        rooms: folder names under ``components``, such as ``"ingestion"``.

    Returns:
        64 hex characters, the same wherever the project is installed.

    Raises:
        ValueError: a room does not exist.
    """
    hasher = hashlib.sha256()
    for room in sorted({*rooms, *_SHARED_ROOMS}):
        folder = _COMPONENTS / room
        if not folder.is_dir():
            raise ValueError(f"no room {room!r} in {_COMPONENTS}")
        for path in sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES):
            name = path.relative_to(_COMPONENTS).as_posix().encode()
            hasher.update(len(name).to_bytes(8, "big") + name)
            content = path.read_bytes()
            hasher.update(len(content).to_bytes(8, "big") + content)
    return hasher.hexdigest()


def model_code_digests() -> dict[str, str]:
    """Digest by room of ``MODEL_ROOMS``."""
    return {room: code_digest(room) for room in MODEL_ROOMS}
