"""The top of the page: the verdict, its reason, its checks, and what became of the model."""

import dataclasses

from components.contracts.evidence import Check, ModelEntry, Verdict, VerdictReport
from components.contracts.push_record import PushRecord
from components.report.run_record import RunRecord
from components.report.scales import percent, significant

_HEADINGS = {
    Verdict.BLESSED: ("good", "Blessed"),
    Verdict.NOT_BLESSED: ("bad", "Not blessed"),
    Verdict.UNCHANGED: ("same", "Unchanged"),
}


@dataclasses.dataclass(frozen=True)
class ShownCheck:
    """A check as the page shows it."""

    name: str
    value: str
    threshold: str
    passed: bool
    text: str


@dataclasses.dataclass(frozen=True)
class VerdictSection:
    """The verdict as the page shows it."""

    style: str  # "good", "bad" or "same"
    heading: str
    reason: str
    outcome: str  # what became of the model
    checks: list[ShownCheck]
    warnings: tuple[str, ...]
    models: list[tuple[str, str, str]]  # role, content digest, accuracy
    earlier_blessings: int  # of other models on the same test images


def verdict_section(run: RunRecord) -> VerdictSection:
    """The top of the page about ``run``."""
    report = run.verdict
    style, heading = _HEADINGS[report.verdict]
    return VerdictSection(
        style=style,
        heading=heading,
        reason=report.reason[:1].upper() + report.reason[1:],
        outcome=_outcome(run.push),
        checks=[_shown(check) for check in sorted(report.checks, key=_rank)],
        warnings=report.warnings,
        models=_models(report),
        earlier_blessings=report.test_split.earlier_blessings,
    )


def _rank(check: Check) -> tuple[bool, bool]:
    """Missed checks first, then thresholds, then the agreement of the evidence."""
    return check.passed, not check.name.is_threshold


def _shown(check: Check) -> ShownCheck:
    return ShownCheck(check.name.words, _number(check.value), _number(check.threshold), check.passed, check.text)


def _number(value: float | None) -> str:
    return "" if value is None else significant(value)


def _outcome(push: PushRecord) -> str:
    if push.registered is None:
        return f"Nothing was pushed. The candidate is in {push.candidate}." if push.candidate else "Nothing was pushed."
    name = f"{push.registered.model_name} version {push.registered.version}"
    if not push.registered.is_in_use:
        return f"This model is {name} in the registry, where another version is in use since a rollback."
    return f"Pushed as {name}." if push.registered.is_new else f"Already in the registry as {name}."


def _models(report: VerdictReport) -> list[tuple[str, str, str]]:
    roles: dict[str, ModelEntry | None] = {
        "this model": report.candidate,
        "compared with": report.baseline,
        "in use before": report.in_use,
    }
    return [(role, model.content_digest, _share(model.accuracy)) for role, model in roles.items() if model]


def _share(value: float | None) -> str:
    return "" if value is None else percent(value, 2)
