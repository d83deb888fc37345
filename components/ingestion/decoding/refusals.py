"""Why a file is not among the examples: one closed list of reasons, and the record that names file and reason.

Every file that was offered and is not in the output has exactly one refusal; nothing is lost silently.
"""

import enum
import pathlib
from typing import NamedTuple

from components.contracts.plain_text import printable


class Reason(str, enum.Enum):
    """Why a file is left out. The value is the word in the quarantine file, the counters and the report."""

    # The file could not be made an image. These count against max_undecodable_fraction.
    UNREADABLE = "unreadable"
    NOT_A_REGULAR_FILE = "not_a_regular_file"
    BROKEN_LINK = "broken_link"
    EMPTY_FILE = "empty_file"
    FILE_TOO_LARGE = "file_too_large"
    UNKNOWN_FORMAT = "unknown_format"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    TOO_ELONGATED = "too_elongated"
    UNSUPPORTED_PIXELS = "unsupported_pixels"
    TOO_COSTLY = "too_costly"
    # The file is left out by a rule.
    NOT_AN_IMAGE = "not_an_image"
    HIDDEN = "hidden"
    LINK_LOOP = "link_loop"
    OUTSIDE_LAYOUT = "outside_layout"
    EMPTY_CLASS_FOLDER = "empty_class_folder"
    SEVERAL_IMAGES = "several_images"
    LABELS_NOT_FOUND = "labels_not_found"
    DUPLICATE = "duplicate"
    ALSO_IN_TEST = "also_in_test"
    LABEL_CONFLICT = "label_conflict"
    GROUP_CONFLICT = "group_conflict"
    NEAR_DUPLICATE = "near_duplicate"
    TEST_WITHOUT_LABEL = "test_without_label"


UNDECODABLE = frozenset(list(Reason)[: list(Reason).index(Reason.NOT_AN_IMAGE)])

# A file with such a suffix was meant to be an image, even if it cannot be opened. Files with others are opened too.
# fmt: off
_IMAGE_SUFFIXES = frozenset((
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "ppm", "pgm", "pbm", "pnm",
    "heic", "heif", "avif", "jp2", "j2k", "jxl", "psd", "ico", "tga", "svg", "raw", "dng", "cr2", "cr3", "nef", "arw",
    "exr", "hdr",
))
# Folders that file servers, archives and systems leave beside images; what lies in them are copies and thumbnails.
_SYSTEM_FOLDERS = frozenset((
    "@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "__macosx", "lost+found",
    "$recycle.bin", "system volume information",
))
# fmt: on


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is left out like one whose name begins with a dot."""
    return name.startswith(".") or name.lower() in _SYSTEM_FOLDERS


def has_image_suffix(path: str) -> bool:
    """Whether the file is named like an image."""
    return pathlib.PurePosixPath(path).suffix.lower().removeprefix(".") in _IMAGE_SUFFIXES


def is_meant_as_image(path: str) -> bool:
    """Whether the file is named like an image or has no suffix at all."""
    return not pathlib.PurePosixPath(path).suffix or has_image_suffix(path)


class Refusal(NamedTuple):
    """One line of the quarantine file; the field names are those of ``ingestion_record.QuarantineEntry``."""

    path: str  # relative to the data root, printable
    reason: str  # value of a Reason
    error: str  # class of the underlying exception; empty if a rule of this project decided
    message: str  # one sentence


class RefusedImage(ValueError):
    """Raised for an image that is left out; carries the reason. The caller adds the path and goes on."""

    def __init__(self, reason: Reason, message: str, cause: BaseException | None = None):
        super().__init__(message)
        self.reason = reason
        self.cause = cause

    def refusal(self, path: str) -> Refusal:
        """The refusal of the file at ``path``."""
        error = type(self.cause).__name__ if self.cause else ""
        return Refusal(printable(path), self.reason.value, error, printable(str(self)))


class SourceError(ValueError):
    """The data root as a whole cannot be used; the message names it, what was expected and what was found."""
