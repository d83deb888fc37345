"""One run as one HTML page, or two runs side by side as another."""

import dataclasses
import io
from typing import Any

from PIL import Image

from components.contracts.evidence import ProbeReport, VerdictReport
from components.report import baselines_section, calibration_section, data_section, pretraining_section, results_section
from components.report.changes import Changes, Words, changes
from components.report.config import ReportConfig
from components.report.cost_section import StepCost, step_costs
from components.report.examples_section import examples_section
from components.report.rendering import render
from components.report.results_section import Tile
from components.report.run_record import RunRecord
from components.report.scales import duration, percent, significant
from components.report.settings_section import settings_section
from components.report.sprites import Sheet, data_uri
from components.report.tuning_section import tuning_section
from components.report.verdict_section import verdict_section

_SECTIONS = (
    ("verdict", "Verdict"),
    ("changes", "Changes"),
    ("results", "Results"),
    ("confusion", "Confusions"),
    ("map", "Map"),
    ("neighbours", "Neighbours"),
    ("pretraining", "Pretraining"),
    ("views", "Views"),
    ("data", "Data"),
    ("cost", "Cost"),
    ("settings", "Settings"),
)
_SIGNS = {  # paths of a tick, a cross and an equals sign
    "good": "M13 25l8 8 14-17",
    "bad": "M15 15l18 18M33 15L15 33",
    "same": "M14 19h20M14 29h20",
}
_LOWEST_RECALLS = 20
_GRID_PX = 540  # width to which a small grid of views is enlarged, by whole factors
_IN_USE = Words(before="before", now="now", with_before="before", with_now="now")
_SIDE_BY_SIDE = Words(before="A", now="B", with_before="with A", with_now="with B")


@dataclasses.dataclass(frozen=True)
class ViewGrid:
    """The picture of the views that the encoder saw."""

    data_uri: str
    width: int
    height: int

    @property
    def shown_px(self) -> int:
        """Width on the page: whole multiples keep small pixels sharp and square."""
        return self.width * max(1, _GRID_PX // self.width)


def render_page(record: RunRecord, config: ReportConfig, baseline: RunRecord | None) -> str:
    """The page about ``record``.

    Args:
        record: of the run.
        config: what the page shows.
        baseline: of the run whose model was in use; None if there was none, or its files cannot be read.

    Returns:
        A whole HTML document, self-contained.
    """
    verdict = verdict_section(record)
    examples = examples_section(record.predictions, config)
    confusion = results_section.confusion(record.probe)
    costs = step_costs(record)
    changed = changes(baseline, record, _IN_USE, config.flipped_examples) if baseline else None
    return render(
        "report.html",
        title=config.title,
        run=record.trace.run,
        sections=_SECTIONS,
        verdict=verdict,
        sign=_SIGNS[verdict.style],
        tiles=_tiles(record, costs),
        changes=changed,
        no_changes=_no_changes(record.verdict),
        results=_results(record.probe),
        baselines=baselines_section.baselines_section(record.baselines) if record.baselines else None,
        confusion=confusion,
        lowest_recalls=_lowest_recalls(confusion),
        examples=examples,
        sheets=[*examples.sheets, *_flip_sheets(changed)],
        pretraining={
            "facts": pretraining_section.facts(record.pretraining),
            "curves": pretraining_section.curves(record.pretraining),
        },
        tuning=tuning_section(record.tuning) if record.tuning else None,
        view_grid=_view_grid(record.view_grid),
        views_facts=data_section.view_facts(record.views),
        data=data_section.data_section(record.ingestion),
        drift=data_section.drift_table(record.drift),
        drift_heads=data_section.DRIFT_HEADS,
        window=data_section.window_table(record.window) if record.window else None,
        refused=data_section.refused_files(record.quarantine, config.quarantine_files),
        costs=costs,
        longest=max(cost.seconds for cost in costs),
        settings=settings_section(record.trace.settings),
        versions=list(record.trace.versions.items()),
    )


def render_comparison(first: RunRecord, second: RunRecord, config: ReportConfig) -> str:
    """The page about two runs side by side.

    Args:
        first: run A.
        second: run B.
        config: what the page shows.

    Returns:
        A whole HTML document, self-contained.
    """
    changed = changes(first, second, _SIDE_BY_SIDE, config.flipped_examples)
    verdicts = [verdict_section(record) for record in (first, second)]
    return render(
        "comparison.html",
        title=config.title,
        verdicts=list(zip(("A", "B"), changed.runs, verdicts, strict=True)),
        changes=changed,
        sheets=_flip_sheets(changed),
    )


def _flip_sheets(changed: Changes | None) -> list[Sheet]:
    return [changed.flips.sheet] if changed and changed.flips.sheet else []


def _no_changes(verdict: VerdictReport) -> str:
    """Why there is nothing to compare with."""
    if verdict.in_use is None:
        return "No other model was in use."
    digest = verdict.in_use.content_digest
    if digest == verdict.candidate.content_digest:
        return "This model is the one in use."
    return (
        f"The run of the model in use, {digest[:12]}, left no report, or its files are gone or from another version of "
        "this project."
    )


def _tiles(record: RunRecord, costs: list[StepCost]) -> list[Tile]:
    counts = record.ingestion.records
    parts = ", ".join(f"{split} {count:,}" for split, count in counts.items())
    seconds = sum(cost.seconds for cost in costs)
    speed = record.pretraining.images_per_second
    return [
        *results_section.accuracy_tiles(record.probe),
        Tile("Images", f"{sum(counts.values()):,}", parts),
        Tile("Time", duration(seconds), f"pretraining {significant(speed, 3)} images/s" if speed else ""),
    ]


def _results(probe: ProbeReport) -> dict[str, Any]:
    calibration = probe.encoder.calibration
    rows = results_section.comparison_rows(probe)
    has_auroc = any(row[-1] for row in rows)
    return {
        "confidence": percent(probe.confidence, 0),
        "has_auroc": has_auroc,
        "comparison": rows if has_auroc else [row[:-1] for row in rows],
        "differences": results_section.difference_rows(probe),
        "fraction_chart": results_section.fraction_chart(probe),
        "fractions": results_section.fraction_rows(probe),
        "reliability_chart": calibration_section.reliability_chart(calibration),
        "calibration_error": calibration_section.calibration_error(calibration),
        "calibration": calibration_section.calibration_rows(calibration),
    }


def _lowest_recalls(confusion: results_section.Confusion) -> list[list[str]]:
    return [
        [name, "no image" if recall is None else percent(recall), significant(count)]
        for name, recall, count in confusion.recalls[:_LOWEST_RECALLS]
    ]


def _view_grid(png: bytes) -> ViewGrid:
    with Image.open(io.BytesIO(png)) as image:
        return ViewGrid(data_uri(("image/png", png)), *image.size)
