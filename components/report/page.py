"""One run as one HTML page that loads nothing from elsewhere.

Labels, file names and messages are untrusted: the template escapes them, and the page's own policy lets no script run
but the one it carries.
"""

import base64
import dataclasses
import hashlib
import io
import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2
from markupsafe import Markup
from PIL import Image

from components.contracts import evidence
from components.report import baselines_section, data_section, pretraining_section, results_section
from components.report.config import ReportConfig
from components.report.examples_section import Examples, examples_section
from components.report.run_record import RunRecord
from components.report.scales import duration, percent, significant
from components.report.settings_section import settings_section
from components.report.sprites import data_uri
from components.report.tuning_section import tuning_section
from components.report.verdict_section import verdict_section

_FOLDER = pathlib.Path(__file__).parent
_SECTIONS = (
    ("verdict", "Verdict"),
    ("results", "Results"),
    ("confusion", "Confusions"),
    ("map", "Map"),
    ("neighbours", "Neighbours"),
    ("pretraining", "Pretraining"),
    ("views", "Views"),
    ("data", "Data"),
    ("cost", "Time"),
    ("settings", "Settings"),
)
_SIGNS = {  # paths of a tick, a cross, an equals sign and a question mark
    "good": "M13 25l8 8 14-17",
    "bad": "M15 15l18 18M33 15L15 33",
    "same": "M14 19h20M14 29h20",
    "unknown": "M18 18a6 6 0 1 1 8 6q-2 1-2 4M24 35v.1",
}
_LOWEST_RECALLS = 20
_GRID_PX = 540  # width to which a small grid of views is enlarged, by whole factors


@dataclasses.dataclass(frozen=True)
class ViewGrid:
    """The picture of the views."""

    data_uri: str
    width: int
    height: int

    @property
    def shown_px(self) -> int:
        """Width on the page: whole multiples keep small pixels sharp and square."""
        return self.width * max(1, _GRID_PX // self.width)


def render_page(record: RunRecord, config: ReportConfig) -> str:
    """The page about ``record``.

    Returns:
        A whole HTML document, self-contained.
    """
    script = (_FOLDER / "report.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        title=config.title,
        style=Markup((_FOLDER / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        sections=_SECTIONS,
        **_contents(record, config),
    )


def _contents(record: RunRecord, config: ReportConfig) -> dict[str, Any]:
    verdict = verdict_section(record)
    has_predictions = record.predictions is not None and len(record.predictions[evidence.TEST_LABELS]) > 0
    examples: Examples | None = examples_section(record.predictions, config) if has_predictions else None
    confusion = results_section.confusion(record.probe) if record.probe else None
    return {
        "verdict": verdict,
        "sign": _SIGNS[verdict.style],
        "tiles": _tiles(record),
        "results": _results(record.probe) if record.probe else None,
        "baselines": baselines_section.baselines_section(record.baselines) if record.baselines else None,
        "confusion": confusion,
        "lowest_recalls": _lowest_recalls(confusion),
        "examples": examples,
        "pretraining": _pretraining(record.pretraining),
        "tuning": tuning_section(record.tuning) if record.tuning else None,
        "view_grid": _view_grid(record.view_grid),
        "views_facts": data_section.view_facts(record.views) if record.views else [],
        "data": data_section.data_section(record.ingestion) if record.ingestion else None,
        "drift": data_section.drift_table(record.drift) if record.drift else None,
        "drift_heads": data_section.DRIFT_HEADS,
        "window": data_section.window_table(record.window) if record.window else None,
        "refused": data_section.refused_files(record, config.quarantine_files),
        "cost": _cost(record.seconds),
        "settings": settings_section(record.settings),
        "versions": list(record.versions.items()),
    }


def _tiles(record: RunRecord) -> list[results_section.Tile]:
    tiles = results_section.accuracy_tiles(record.probe) if record.probe else []
    counts = (record.ingestion or {}).get("records")
    if counts:
        parts = ", ".join(f"{split} {count:,}" for split, count in counts.items())
        tiles.append(results_section.Tile("Images", f"{sum(counts.values()):,}", parts))
    if record.seconds:
        tiles.append(
            results_section.Tile("Time", duration(sum(record.seconds.values())), "in the steps that record it")
        )
    return tiles


def _results(probe: Mapping[str, Any]) -> dict[str, Any]:
    rows = results_section.comparison_rows(probe)
    has_auroc = any(row[-1] for row in rows)
    return {
        "confidence": percent(probe[evidence.CONFIDENCE], 0) if evidence.CONFIDENCE in probe else "",
        "has_auroc": has_auroc,
        "comparison": rows if has_auroc else [row[:-1] for row in rows],
        "differences": results_section.difference_rows(probe),
        "fraction_chart": results_section.fraction_chart(probe),
        "fractions": results_section.fraction_rows(probe),
    }


def _lowest_recalls(confusion: results_section.Confusion | None) -> list[list[str]]:
    entries = confusion.recalls[:_LOWEST_RECALLS] if confusion else []
    return [
        [name, "no image" if recall is None else percent(recall), significant(count)] for name, recall, count in entries
    ]


def _pretraining(content: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if content is None:
        return None
    return {"facts": pretraining_section.facts(content), "curves": pretraining_section.curves(content)}


def _view_grid(png: bytes | None) -> ViewGrid | None:
    if png is None:
        return None
    with Image.open(io.BytesIO(png)) as image:
        return ViewGrid(data_uri(("image/png", png)), *image.size)


def _cost(seconds: Mapping[str, float]) -> list[tuple[str, str, float]]:
    """Step, time, and time as a part of the longest."""
    longest = max(seconds.values(), default=0.0) or 1.0
    return [(name, duration(value), value / longest) for name, value in seconds.items()]
