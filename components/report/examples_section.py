"""What the encoder does with single images: the embedding map, nearest neighbours, and the worst mistakes."""

import dataclasses
import json
from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from components.contracts import evidence
from components.report.config import ReportConfig
from components.report.embedding_map import NoMapError, Point, class_color, lay_out, map_svg
from components.report.scales import percent
from components.report.sprites import Sheet, sprite_sheet

Predictions = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class EmbeddingMap:
    """The map, or why there is none."""

    svg: Markup | None
    points_json: Markup
    classes: list[tuple[str, str]]  # name, colour
    images: int
    missing: str = ""


@dataclasses.dataclass(frozen=True)
class Shown:
    """An image with a caption."""

    sheet: str  # CSS class of its sheet
    cell: str  # CSS variables that choose the image
    lines: list[tuple[str, str]]  # text, style ("", "ok" or "off")


@dataclasses.dataclass(frozen=True)
class Examples:
    """Everything the page shows of single images."""

    sheets: list[Sheet]
    map: EmbeddingMap
    neighbours: list[tuple[Shown, list[Shown]]]
    mistakes: list[Shown]
    mistake_count: int


def examples_section(predictions: Predictions, config: ReportConfig) -> Examples:
    """Lay out what ``test_predictions.npz`` holds; see ``contracts.evidence``."""
    pictures, cells = thumbnails(predictions)
    sheet = sprite_sheet("test-image", pictures) if len(pictures) else None
    neighbour_sheet, neighbours = _neighbours(predictions)
    mistakes, mistake_count = _mistakes(predictions, sheet, cells, config)
    return Examples(
        sheets=[found for found in (sheet, neighbour_sheet) if found],
        map=_map(predictions, sheet, cells, config),
        neighbours=neighbours,
        mistakes=mistakes,
        mistake_count=mistake_count,
    )


def thumbnails(predictions: Predictions) -> tuple[np.ndarray, dict[int, int]]:
    """All thumbnails of test images, a fair sample first and then mistakes beside it, and row -> its thumbnail."""
    rows = np.concatenate([predictions[evidence.THUMBNAIL_ROWS], predictions[evidence.MISTAKE_ROWS]])
    pictures = np.concatenate([predictions[evidence.THUMBNAILS], predictions[evidence.MISTAKE_THUMBNAILS]])
    return pictures, {int(row): cell for cell, row in enumerate(rows)}


def _names(predictions: Predictions) -> list[str]:
    return [str(name) for name in predictions[evidence.TEST_CLASS_NAMES]]


def _predicted(predictions: Predictions) -> np.ndarray:
    return np.argmax(predictions[evidence.TEST_SCORES], axis=1)


def _map(predictions: Predictions, sheet: Sheet | None, cells: Mapping[int, int], config: ReportConfig) -> EmbeddingMap:
    names = _names(predictions)
    labels, predicted = predictions[evidence.TEST_LABELS], _predicted(predictions)
    # The sample with thumbnails first; the order of digests makes the rest a random sample too.
    sample = predictions[evidence.THUMBNAIL_ROWS]
    rows = np.concatenate([sample, np.setdiff1d(np.arange(len(labels)), sample)])[: config.embedding_map_images]
    classes = [(name, class_color(index)) for index, name in enumerate(names)]
    if not len(rows):
        return EmbeddingMap(None, Markup("[]"), classes, 0, "The map is switched off by its setting.")
    points = [Point(names[labels[row]], names[predicted[row]], cells.get(int(row))) for row in rows]
    try:
        places = lay_out(predictions[evidence.TEST_REPRESENTATIONS][rows], config.perplexity, config.seed)
    except NoMapError as error:
        return EmbeddingMap(None, Markup("[]"), classes, 0, f"There is no map: {error}.")
    return EmbeddingMap(map_svg(places, points, names), _points_json(points, sheet), classes, len(points))


def _points_json(points: list[Point], sheet: Sheet | None) -> Markup:
    """What the page's script needs of each point, safe inside a script element."""
    content = [
        {
            "label": point.label,
            "predicted": point.predicted,
            "cell": sheet.cell(point.thumbnail) if sheet and point.thumbnail is not None else None,
        }
        for point in points
    ]
    text = json.dumps(content)
    for character in "<>&'":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _neighbours(predictions: Predictions) -> tuple[Sheet | None, list[tuple[Shown, list[Shown]]]]:
    queries = predictions.get(evidence.QUERY_ROWS)
    if queries is None or not len(queries):
        return None, []
    names, labels, predicted = _names(predictions), predictions[evidence.TEST_LABELS], _predicted(predictions)
    near = predictions[evidence.NEIGHBOUR_THUMBNAILS]
    count, neighbours = near.shape[:2]
    images = np.concatenate([predictions[evidence.QUERY_THUMBNAILS], near.reshape(count * neighbours, *near.shape[2:])])
    sheet = sprite_sheet("near-image", images)
    rows = []
    for index, row in enumerate(queries):
        label = names[labels[row]]
        query = Shown(sheet.name, sheet.cell(index), _judged(label, names[predicted[row]]))
        found = []
        for place in range(neighbours):
            other = names[predictions[evidence.NEIGHBOUR_LABELS][index, place]]
            similarity = predictions[evidence.NEIGHBOUR_SIMILARITIES][index, place]
            lines = [(other, "ok" if other == label else "off"), (f"{similarity:.2f}", "")]
            found.append(Shown(sheet.name, sheet.cell(count + index * neighbours + place), lines))
        rows.append((query, found))
    return sheet, rows


def _judged(label: str, predicted: str) -> list[tuple[str, str]]:
    return [(label, ""), ("right", "ok") if label == predicted else (f"taken for {predicted}", "off")]


def _mistakes(
    predictions: Predictions, sheet: Sheet | None, cells: Mapping[int, int], config: ReportConfig
) -> tuple[list[Shown], int]:
    """The most confident mistakes that have a thumbnail, and how many mistakes there are in all."""
    names, labels, predicted = _names(predictions), predictions[evidence.TEST_LABELS], _predicted(predictions)
    wrong = np.flatnonzero(labels != predicted)
    scores = predictions[evidence.TEST_SCORES]
    if sheet is None:
        return [], len(wrong)
    ordered = sorted((row for row in wrong if int(row) in cells), key=lambda row: -scores[row, predicted[row]])
    shown = []
    for row in ordered[: config.wrong_examples]:
        guess, label = names[predicted[row]], names[labels[row]]
        lines = [
            (label, ""),
            (f"taken for {guess}, {percent(scores[row, predicted[row]], 0)}", "off"),
            (f"{label}: {percent(scores[row, labels[row]], 0)}", ""),
        ]
        shown.append(Shown(sheet.name, sheet.cell(cells[int(row)]), lines))
    return shown, len(wrong)
