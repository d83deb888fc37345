"""Cron expressions: people write five fields, Kubeflow Pipelines reads six. The server validates the fields."""

import re

from components.contracts.configuration import ConfigError

_FIELDS = "minute, hour, day of the month, month, day of the week"
_TO_SUNDAY = re.compile(r"(?:([0-6])-)?7(?:/([1-9]\d*))?")  # 7, 5-7 or 1-7/2


def with_seconds(expression: str) -> str:
    """Put a field for seconds, 0, in front of the expression, and write Sunday as 0 if it is written as 7.

    The server (github.com/robfig/cron) knows names of months and days in either case, but no day 7.

    Raises:
        ConfigError: not five fields.
    """
    fields = expression.split()
    if len(fields) != 5:
        raise ConfigError(f"--cron {expression!r}: expected five fields ({_FIELDS}), found {len(fields)}")
    *others, weekdays = fields
    return " ".join(["0", *others, ",".join(_without_day_7(part) for part in weekdays.split(","))])


def _without_day_7(part: str) -> str:
    """``5-7`` as ``5,6,0``: a range that ends on Sunday becomes a list, because it can't end on 0."""
    match = _TO_SUNDAY.fullmatch(part)
    if match is None:
        return part
    first, step = match.groups()
    return ",".join(str(day % 7) for day in range(int(first or 7), 8, int(step or 1)))
