"""The top of the page: the verdict, its reason, the checks behind it, and what became of the model."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from components.contracts import evidence, push_record
from components.report.run_record import RunRecord
from components.report.scales import percent, significant

_HEADINGS = {
    evidence.BLESSED: ("good", "Blessed"),
    evidence.NOT_BLESSED: ("bad", "Not blessed"),
    evidence.UNCHANGED: ("same", "Unchanged"),
}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The verdict as the page shows it."""

    style: str  # "good", "bad" or "same"
    heading: str
    reason: str
    outcome: str  # what became of the model
    checks: list[Mapping[str, Any]]
    warnings: list[str]
    models: list[tuple[str, str, str]]  # role, content digest, accuracy
    earlier_blessings: int  # of other models on the same test images


def verdict_section(record: RunRecord) -> Verdict:
    """What the top of the page says about ``record``."""
    content = record.verdict
    style, heading = _HEADINGS[content[evidence.VERDICT]]
    reason = content[evidence.REASON]
    return Verdict(
        style=style,
        heading=heading,
        reason=reason[:1].upper() + reason[1:],
        outcome=_outcome(record.push),
        checks=[_check(check) for check in sorted(content[evidence.CHECKS], key=_rank)],
        warnings=content[evidence.WARNINGS],
        models=_models(content),
        earlier_blessings=content[evidence.TEST_SPLIT][evidence.EARLIER_BLESSINGS],
    )


def _rank(check: Mapping[str, Any]) -> tuple[bool, bool]:
    """Missed checks first, then thresholds, then whether the evidence fits together."""
    is_threshold = check[evidence.NAME].startswith(("min_", "max_", "must_"))
    return check[evidence.PASSED], not is_threshold


def _check(check: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": check[evidence.NAME].replace("_", " "),
        "value": _number(check[evidence.VALUE]),
        "threshold": _number(check[evidence.THRESHOLD]),
        "passed": check[evidence.PASSED],
        "text": check[evidence.TEXT],
    }


def _number(value: float | None) -> str:
    return "" if value is None else significant(value)


def _outcome(push: Mapping[str, Any]) -> str:
    if not push[push_record.PUSHED]:
        return "Nothing was pushed."
    name = f"{push[push_record.MODEL_NAME]} version {push[push_record.VERSION]}"
    if not push[push_record.IS_IN_USE]:
        return f"This model is {name} in the registry, where another version is in use since a rollback."
    return f"Pushed as {name}." if push[push_record.IS_NEW] else f"Already in the registry as {name}."


def _models(content: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    roles = {
        "this model": evidence.CANDIDATE,
        "compared with": evidence.BASELINE,
        "in use before": evidence.IN_USE,
    }
    found = [(role, content[key]) for role, key in roles.items()]
    return [(role, model[evidence.CONTENT_DIGEST], _share(model[evidence.ACCURACY])) for role, model in found if model]


def _share(value: float | None) -> str:
    return "" if value is None else percent(value, 2)
