"""The top of the page: the verdict, its reason, the checks behind it, and what became of the model."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from components.contracts import evidence
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

    style: str  # "good", "bad", "same" or "unknown"
    heading: str
    reason: str
    outcome: str  # what became of the model
    checks: list[Mapping[str, Any]]
    warnings: list[str]
    models: list[tuple[str, str, str]]  # role, content digest, accuracy


def verdict_section(record: RunRecord) -> Verdict:
    """What the top of the page says about ``record``."""
    content = record.verdict or {}
    known = content.get(evidence.VERDICT)
    style, heading = _HEADINGS.get(known, ("unknown", str(known or "No verdict")))
    reason = content.get(evidence.REASON) or "The Gate left no verdict, so nothing may be pushed."
    checks = [_check(check) for check in sorted(content.get(evidence.CHECKS) or [], key=_rank)]
    warnings = [str(warning) for warning in content.get(evidence.WARNINGS) or []]
    return Verdict(
        style, heading, reason[:1].upper() + reason[1:], _outcome(record.push), checks, warnings, _models(content)
    )


def _rank(check: Mapping[str, Any]) -> tuple[bool, bool]:
    """Missed checks first, then thresholds, then whether the evidence fits together."""
    is_threshold = str(check.get(evidence.NAME)).startswith(("min_", "max_", "must_"))
    return bool(check.get(evidence.PASSED)), not is_threshold


def _check(check: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": str(check.get(evidence.NAME, "")).replace("_", " "),
        "value": _number(check.get(evidence.VALUE)),
        "threshold": _number(check.get(evidence.THRESHOLD)),
        "passed": bool(check.get(evidence.PASSED)),
        "text": check.get(evidence.TEXT) or "",
    }


def _number(value: Any) -> str:
    return "" if value is None else significant(value)


def _outcome(push: Mapping[str, Any] | None) -> str:
    if not push:
        return "Nothing is known of a push."
    if not push.get("pushed"):
        return "Nothing was pushed."
    name = f"{push.get('model_name')} version {push.get('version')}"
    if push.get("is_in_use") is False:
        return f"This model is {name} in the registry, where another version is in use since a rollback."
    return f"Pushed as {name}." if push.get("is_new") else f"Already in the registry as {name}."


def _models(content: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    roles = {
        "this model": evidence.CANDIDATE,
        "compared with": evidence.BASELINE,
        "in use before": evidence.IN_USE,
    }
    found = [(role, content.get(key)) for role, key in roles.items()]
    return [
        (role, str(model.get(evidence.CONTENT_DIGEST) or ""), _share(model.get(evidence.ACCURACY)))
        for role, model in found
        if model
    ]


def _share(value: float | None) -> str:
    return "" if value is None else percent(value, 2)
