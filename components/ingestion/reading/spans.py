"""Which folder below the data root holds the span to read: names of folders against ``ingestion.span_pattern``.

TFX looks for spans with a file pattern that begins with the data root. A ``[`` in the root is then a pattern too,
and the spans of a neighbouring folder are found. Here the data root is never part of a pattern.
"""

import datetime
import logging
import re
from collections.abc import Iterator
from typing import NamedTuple

from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading.listing import Tree

_logger = logging.getLogger(__name__)

_PLACEHOLDER = re.compile(r"\{(SPAN|VERSION|YYYY|MM|DD)(?::([0-9]+))?\}")
_DIGITS = {"YYYY": "[0-9]{4}", "MM": "[0-9]{2}", "DD": "[0-9]{2}"}
_NUMBER = "0|[1-9][0-9]*"  # without leading zeros, because the number alone must give the name back
_EPOCH = datetime.date(1970, 1, 1)
_FIRST = 5


class Span(NamedTuple):
    """A span; those with a higher number, and then those with a higher version, are later."""

    number: int  # for dates: days since 1970-01-01
    version: int  # 0 if the pattern has no versions


def find_span(tree: Tree, root: str, pattern: str, wanted: int | None) -> Span:
    """The latest version of a span.

    Args:
        tree: the files below the data root.
        root: the data root, for messages.
        pattern: names of folders, joined by "/", with placeholders for span or date, and perhaps the version.
        wanted: number of the span; None for the latest.

    Raises:
        SourceError: there is no such span, or a folder has a date that does not exist.
    """
    almost: list[str] = []
    found = [_span_of(values, root) for values in _matches(tree, pattern.split("/"), "", {}, almost)]
    fitting = [span for span in found if wanted in (None, span.number)]
    named = ", ".join(almost[:_FIRST])
    if not fitting:
        hint = f"; folders with other names: {named}" if almost else ""
        which = "" if wanted is None else f" for span {wanted}"
        raise SourceError(f"data root {root}: a folder like ingestion.span_pattern = {pattern} expected{which}{hint}")
    if almost:
        _logger.warning("data root %s: folders that are no span of %s: %s", root, pattern, named)
    return max(fitting)


def _matches(
    tree: Tree, parts: list[str], folder: str, values: dict[str, str], almost: list[str]
) -> Iterator[dict[str, str]]:
    """The values of the placeholders in each path of folders that fits; ``almost`` collects names that nearly fit."""
    if not parts:
        yield values
        return
    exact, loose = _regex(parts[0])
    for name in tree.subfolders(folder):
        path = f"{folder}/{name}" if folder else name
        if match := exact.fullmatch(name):
            yield from _matches(tree, parts[1:], path, {**values, **match.groupdict()}, almost)
        elif loose.fullmatch(name):
            almost.append(path)


def _regex(part: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What a folder of this name matches exactly, and with anything in place of the numbers."""
    exact, loose, end = "", "", 0
    for placeholder in _PLACEHOLDER.finditer(part):
        kind, width = placeholder.groups()
        literal = re.escape(part[end : placeholder.start()])
        digits = _DIGITS.get(kind) or (f"[0-9]{{{width}}}" if width else _NUMBER)
        exact += f"{literal}(?P<{kind}>{digits})"
        loose += f"{literal}.+"
        end = placeholder.end()
    rest = re.escape(part[end:])
    return re.compile(exact + rest), re.compile(loose + rest)


def _span_of(values: dict[str, str], root: str) -> Span:
    version = int(values.get("VERSION", 0))
    if "SPAN" in values:
        return Span(int(values["SPAN"]), version)
    year, month, day = (int(values[kind]) for kind in ("YYYY", "MM", "DD"))
    try:
        return Span((datetime.date(year, month, day) - _EPOCH).days, version)
    except ValueError as error:
        date = "-".join(values[kind] for kind in ("YYYY", "MM", "DD"))
        raise SourceError(
            f"data root {root}: the date of a span expected, found a folder for {date}: {error}"
        ) from error
