"""Test images that one of two models predicts right and the other wrong."""

import dataclasses
import math

import numpy as np
from PIL import Image

from components.contracts.stored_predictions import StoredPredictions
from components.report.examples_section import Shown, thumbnails
from components.report.scales import percent
from components.report.sprites import Sheet, sprite_sheet


@dataclasses.dataclass(frozen=True)
class Flipped:
    """The images of one direction: how many there are, and those that are shown."""

    count: int
    shown: list[Shown]


@dataclasses.dataclass(frozen=True)
class Flips:
    """Both directions, over the test images that both models were measured on."""

    images: int  # in common
    accuracies: tuple[float, float]  # on the images in common; NaN if there are none
    differences: np.ndarray  # (images,) 1 if only the second model is right, -1 if only the first, else 0
    to_wrong: Flipped
    to_right: Flipped
    sheet: Sheet | None


@dataclasses.dataclass(frozen=True)
class _Side:
    """One model's answers on the common images; arrays of one length."""

    word: str
    rows: np.ndarray  # in its predictions
    labels: np.ndarray  # names
    predicted: np.ndarray  # names
    scores: np.ndarray  # of the predicted class

    @property
    def is_right(self) -> np.ndarray:
        return self.labels == self.predicted


def flips(before: StoredPredictions, now: StoredPredictions, words: tuple[str, str], limit: int) -> Flips:
    """Compare the answers of two models, image by image.

    Args:
        before: predictions of one model.
        now: predictions of the other.
        words: names of the two models, such as "before" and "now".
        limit: images shown per direction: of those with a thumbnail, the ones with the most confident wrong answers.
    """
    rows_before, rows_now = common_rows(before, now)
    sides = _side(before, rows_before, words[0]), _side(now, rows_now, words[1])
    pictures = _pictures(before, now, rows_before, rows_now)
    lost = _most_confident(*sides)
    won = _most_confident(*reversed(sides))
    shown_lost, shown_won = ([position for position in found if position in pictures][:limit] for found in (lost, won))
    shown = [*shown_lost, *shown_won]
    sheet = sprite_sheet("flipped-image", np.stack([pictures[position] for position in shown])) if shown else None
    captions = [
        Shown(sheet.name, sheet.cell(cell), _caption(position, sides)) for cell, position in enumerate(shown) if sheet
    ]
    before_accuracy, now_accuracy = (float(side.is_right.mean()) if len(rows_now) else math.nan for side in sides)
    return Flips(
        images=len(rows_now),
        differences=sides[1].is_right.astype(np.int64) - sides[0].is_right,
        accuracies=(before_accuracy, now_accuracy),
        to_wrong=Flipped(len(lost), captions[: len(shown_lost)]),
        to_right=Flipped(len(won), captions[len(shown_lost) :]),
        sheet=sheet,
    )


def common_rows(before: StoredPredictions, now: StoredPredictions) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the test images that both were measured on, in the same order; two (m,) int arrays."""
    _, rows_before, rows_now = np.intersect1d(before.digests, now.digests, assume_unique=True, return_indices=True)
    return rows_before, rows_now


def _side(predictions: StoredPredictions, rows: np.ndarray, word: str) -> _Side:
    names = predictions.class_names.astype(str)
    scores = predictions.scores[rows]
    labels = names[predictions.labels[rows]]
    return _Side(word, rows, labels, names[scores.argmax(axis=1)], scores.max(axis=1))


def _most_confident(right: _Side, wrong: _Side) -> list[int]:
    """Common images that ``right`` predicts right and ``wrong`` wrong, the highest scores of ``wrong`` first."""
    positions = np.flatnonzero(right.is_right & ~wrong.is_right)
    return positions[np.argsort(-wrong.scores[positions], kind="stable")].tolist()


def _pictures(
    before: StoredPredictions, now: StoredPredictions, rows_before: np.ndarray, rows_now: np.ndarray
) -> dict[int, np.ndarray]:
    """Thumbnails of common images by position, all of the size and colour that the second model's have."""
    found: dict[int, np.ndarray] = {}
    shape = now.pictures.thumbnails.shape[1:]
    for predictions, rows in ((before, rows_before), (now, rows_now)):  # the second model's own if both have one
        pictures, cells = thumbnails(predictions)
        found |= {
            position: _fitted(pictures[cells[row]], shape) for position, row in enumerate(rows.tolist()) if row in cells
        }
    return found


def _fitted(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """``picture`` with the size and colour of ``shape``: (s, s, c) uint8."""
    if picture.shape == shape:
        return picture
    image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
    resized = image.convert("L" if shape[2] == 1 else "RGB").resize((shape[1], shape[0]))
    return np.asarray(resized).reshape(shape)


def _caption(position: int, sides: tuple[_Side, _Side]) -> list[tuple[str, str]]:
    lines = [(str(sides[1].labels[position]), "")]
    for side in sides:
        style = "ok" if side.is_right[position] else "off"
        lines.append((f"{side.word}: {side.predicted[position]}, {percent(float(side.scores[position]), 0)}", style))
    return lines
