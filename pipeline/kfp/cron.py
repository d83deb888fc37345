"""Cron expressions: the five fields that people write, as the six that Kubeflow Pipelines reads."""

import re

from components.contracts.configuration import ConfigError

_MONTHS = dict(
    zip(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], range(1, 13), strict=True)
)
_DAYS = dict(zip(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], range(7), strict=True))
_FIELDS = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"^(\*|\w+)(?:-(\w+))?(?:/(\d+))?$")


def with_seconds(expression: str) -> str:
    """The expression with a field for seconds, 0, in front.

    Args:
        expression: minute, hour, day of the month, month, day of the week; each ``*``, numbers, names of months and
            days, ranges and steps, in lists. Sunday is 0 or 7; the server knows only 0.

    Raises:
        ConfigError: another number of fields, or a field that can't be read.
    """
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise ConfigError(
            f"--cron {expression!r}: expected five fields (minute, hour, day of the month, month, day of the week), "
            f"found {len(fields)}"
        )
    return " ".join(["0", *(_field(text, *kind) for text, kind in zip(fields, _FIELDS, strict=True))])


def _field(text: str, name: str, low: int, high: int, names: dict[str, int]) -> str:
    return ",".join(_part(part, text, name, low, high, names) for part in text.split(","))


def _part(part: str, text: str, name: str, low: int, high: int, names: dict[str, int]) -> str:
    match = _PART.match(part)
    if not match:
        raise ConfigError(f"--cron: {name}: can't read {text!r}")
    first, last, step = match.groups()
    if (first == "*" and last is not None) or step == "0":
        raise ConfigError(f"--cron: {name}: can't read {text!r}")
    if first == "*":
        return part
    numbers = [_number(value, text, name, low, high, names) for value in (first, last) if value is not None]
    if numbers != sorted(numbers):
        raise ConfigError(f"--cron: {name}: {part} goes backwards")
    is_week = names is _DAYS
    if is_week and numbers[-1] == 7 and len(numbers) == 2:
        # The server has no day 7, so the range ends on Saturday and Sunday stands beside it.
        days = range(numbers[0], 8)[:: int(step or 1)]
        return ",".join(str(day % 7) for day in days)
    spelled = "-".join(str(number % 7 if is_week else number) for number in numbers)
    return f"{spelled}/{step}" if step else spelled


def _number(value: str, text: str, name: str, low: int, high: int, names: dict[str, int]) -> int:
    number = names.get(value.upper(), int(value) if value.isdecimal() else -1)
    if not low <= number <= high:
        raise ConfigError(f"--cron: {name}: expected {low} to {high}, found {value!r} in {text!r}")
    return number
