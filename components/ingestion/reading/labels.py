"""Labels as sources store them, strings or integers, in; class names out, None if there is no label."""

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from components.contracts.plain_text import printable
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading import listing

# An integer as a table with gaps writes it.
_INTEGRAL = re.compile(r"(-?[0-9]+)\.0*")
_MAX_NAMES_BYTES = 16 * 2**20


class Labels:
    """Turns labels into class names."""

    def __init__(self, missing: str, names: Sequence[str] | None = None):
        self._missing = text_of(missing)
        self._names = names
        self._known = frozenset(names or ())

    def name(self, label: Any) -> str | None:
        """The class name of ``label``.

        Args:
            label: str, UTF-8 bytes, an integer, an integral float or its text (as tables store integers beside gaps),
                a NumPy value, or an array or list of one of these. None, NaN, empty text and
                ``ingestion.missing_label`` mean that there is none.

        Raises:
            ValueError: another type, more than one value, or a label that is not among the names.
        """
        text = text_of(label)
        if text is None or text == self._missing:
            return None
        text = class_name(text)
        if self._names is None or text in self._known:
            return text
        index = int(text) if text.isdecimal() else len(self._names)
        if index >= len(self._names):
            raise ValueError(f"a label from 0 to {len(self._names) - 1} expected, found {text}")
        return self._names[index]

    def name_of_record(self, label: Any, path: str, index: int | str) -> str | None:
        """The same for record ``index`` of the file ``path``.

        Raises:
            SourceError: as ``name``.
        """
        try:
            return self.name(label)
        except ValueError as error:
            raise SourceError(f"{path}: record {index}: {error}") from error


def open_labels(root: str, config: IngestionConfig) -> Labels:
    """The labels of a data root.

    Raises:
        SourceError: ``config.class_names_file`` is missing, or holds no names, or one twice.
    """
    if not config.class_names_file:
        return Labels(config.missing_label)
    return Labels(config.missing_label, read_names(listing.join(root, config.class_names_file)))


def read_names(path: str) -> list[str]:
    """A class name per line.

    Raises:
        SourceError: as ``open_labels``.
    """
    with listing.open_file(path) as file:
        text = file.read(_MAX_NAMES_BYTES).decode("utf-8", "replace")
    names = [class_name(line.strip()) for line in text.splitlines() if line.strip()]
    if not names or len(names) != len(set(names)):
        raise SourceError(f"{path}: one class name per line expected, all different, found {names}")
    return names


def class_name(text: str) -> str:
    """``text`` as the name of a class, in one Unicode form (NFC), so that a name has one spelling.

    Raises:
        ValueError: it has a line break; TensorFlow Transform's vocabulary has a name per line.
    """
    if "\n" in text or "\r" in text:
        raise ValueError(f"a class name without a line break expected, found {text!r}")
    return unicodedata.normalize("NFC", printable(text))


def group_of_record(group: Any, path: str, index: int | str) -> str | None:
    """The group of record ``index`` of the file ``path``, None if there is none; ``group`` as ``Labels.name``.

    Raises:
        SourceError: another type, or more than one value.
    """
    try:
        text = text_of(group)
    except ValueError as error:
        raise SourceError(f"{path}: record {index}: group: {error}") from error
    return None if text is None else printable(text)


def text_of(label: Any) -> str | None:
    """``label`` as text, as it stands, None if there is none; arguments and errors as ``Labels.name``."""
    if isinstance(label, (np.ndarray, list)):
        if len(label := np.ravel(label)) != 1:
            raise ValueError(f"one value per image expected, found {len(label)}")
        label = label[0]
    if isinstance(label, np.generic):
        label = label.item()
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return None
    if isinstance(label, bytes):
        label = label.decode("utf-8", "surrogateescape")
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if not isinstance(label, (str, int)) or isinstance(label, bool):
        raise ValueError(f"text or an integer expected, found {label!r}")
    text = str(label).strip()
    integral = _INTEGRAL.fullmatch(text)
    return (integral[1] if integral else text) or None
