"""Single images as the encoder sees them: the embedding map, nearest neighbours, and the worst mistakes."""

import dataclasses
import json
from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from components.contracts.stored_predictions import StoredPredictions
from components.report.config import ReportConfig
from components.report.embedding_map import NoMapError, Point, class_color, lay_out, map_svg
from components.report.scales import percent
from components.report.sprites import Sheet, sprite_sheet


@dataclasses.dataclass(frozen=True)
class EmbeddingMap:
    """The map, or the reason why there is none."""

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


def examples_section(predictions: StoredPredictions, config: ReportConfig) -> Examples:
    """Lay out the images and answers of ``test_predictions.npz``."""
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


def thumbnails(predictions: StoredPredictions) -> tuple[np.ndarray, dict[int, int]]:
    """All thumbnails of test images, the fair sample first and then other mistakes, and the thumbnail of each row."""
    stored = predictions.pictures
    rows = np.concatenate([stored.thumbnail_rows, stored.mistake_rows])
    pictures = np.concatenate([stored.thumbnails, stored.mistake_thumbnails])
    return pictures, {int(row): cell for cell, row in enumerate(rows)}


def _names(predictions: StoredPredictions) -> list[str]:
    return [str(name) for name in predictions.class_names]


def _predicted(predictions: StoredPredictions) -> np.ndarray:
    return np.argmax(predictions.scores, axis=1)


def _map(
    predictions: StoredPredictions, sheet: Sheet | None, cells: Mapping[int, int], config: ReportConfig
) -> EmbeddingMap:
    names = _names(predictions)
    labels, predicted = predictions.labels, _predicted(predictions)
    # The sample with thumbnails first; the order of digests makes the rest a random sample too.
    sample = predictions.pictures.thumbnail_rows
    rows = np.concatenate([sample, np.setdiff1d(np.arange(len(labels)), sample)])[: config.embedding_map_images]
    classes = [(name, class_color(index)) for index, name in enumerate(names)]
    if not len(rows):
        return EmbeddingMap(None, Markup("[]"), classes, 0, "The map is switched off by its setting.")
    points = [Point(names[labels[row]], names[predicted[row]], cells.get(int(row))) for row in rows]
    try:
        places = lay_out(predictions.representations[rows], config.perplexity, config.seed)
    except NoMapError as error:
        return EmbeddingMap(None, Markup("[]"), classes, 0, f"There is no map: {error}.")
    return EmbeddingMap(map_svg(places, points, names), _points_json(points, sheet), classes, len(points))


def _points_json(points: list[Point], sheet: Sheet | None) -> Markup:
    """The data that the page's script needs about each point, safe inside a script element."""
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


def _neighbours(predictions: StoredPredictions) -> tuple[Sheet | None, list[tuple[Shown, list[Shown]]]]:
    stored = predictions.pictures
    if not len(stored.query_rows):
        return None, []
    names, labels, predicted = _names(predictions), predictions.labels, _predicted(predictions)
    near = stored.neighbour_thumbnails
    count, neighbours = near.shape[:2]
    images = np.concatenate([stored.query_thumbnails, near.reshape(count * neighbours, *near.shape[2:])])
    sheet = sprite_sheet("near-image", images)
    rows = []
    for index, row in enumerate(stored.query_rows):
        label = names[labels[row]]
        query = Shown(sheet.name, sheet.cell(index), _judged(label, names[predicted[row]]))
        found = []
        for place in range(neighbours):
            other = names[stored.neighbour_labels[index, place]]
            similarity = stored.neighbour_similarities[index, place]
            lines = [(other, "ok" if other == label else "off"), (f"{similarity:.2f}", "")]
            found.append(Shown(sheet.name, sheet.cell(count + index * neighbours + place), lines))
        rows.append((query, found))
    return sheet, rows


def _judged(label: str, predicted: str) -> list[tuple[str, str]]:
    return [(label, ""), ("right", "ok") if label == predicted else (f"taken for {predicted}", "off")]


def _mistakes(
    predictions: StoredPredictions, sheet: Sheet | None, cells: Mapping[int, int], config: ReportConfig
) -> tuple[list[Shown], int]:
    """The most confident mistakes that have a thumbnail, and how many mistakes there are in all."""
    names, labels, predicted = _names(predictions), predictions.labels, _predicted(predictions)
    wrong = np.flatnonzero(labels != predicted)
    scores = predictions.scores
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
