"""The test representations on a plane by t-SNE, as an SVG."""

import colorsys
import dataclasses
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from components.report.svg import element, join

_WIDTH, _HEIGHT, _MARGIN = 760, 600, 26
_MIN_IMAGES = 5
_MAX_PLACED_NAMES = 30
_LONGEST_NAME = 16  # characters
# Ten colours that are easy to distinguish on white and on near-black.
_PALETTE = (
    *("#4e79a7", "#f28e2b", "#e15759", "#59a14f", "#b07aa1"),
    *("#2aa5a0", "#c9a400", "#ff7fa0", "#9c755f", "#8a93a3"),
)


class NoMapError(ValueError):
    """The representations cannot be laid out; the message says why."""


@dataclasses.dataclass(frozen=True)
class Point:
    """One image on the map."""

    label: str
    predicted: str | None
    thumbnail: int | None  # index of its thumbnail


def class_color(index: int) -> str:
    """A colour for class ``index``; the first ten are the easiest to distinguish."""
    if index < len(_PALETTE):
        return _PALETTE[index]
    red, green, blue = colorsys.hls_to_rgb(index * 0.618034 % 1, 0.55, 0.55)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def lay_out(representations: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
    """Lay the images out on a plane: t-SNE of the directions, after PCA to at most 50 dimensions.

    Args:
        representations: (n, d) float.
        perplexity: > 1; at most a third of the images is used.
        seed: of t-SNE.

    Returns:
        (n, 2) float in 0..1.

    Raises:
        NoMapError: too few images, a value that is not finite, or representations that are all alike.

    Source: van der Maaten and Hinton 2008; scikit-learn's implementation, started from the principal components.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    count = len(representations)
    if count < _MIN_IMAGES:
        raise NoMapError(f"{count} images are too few for a map, {_MIN_IMAGES} are needed")
    if not np.isfinite(representations).all():
        raise NoMapError("some representations are not finite")
    norms = np.linalg.norm(representations, axis=1, keepdims=True)
    directions = (representations / np.maximum(norms, 1e-12)).astype(np.float64)
    if np.ptp(directions, axis=0).max() < 1e-6:
        raise NoMapError("all representations point the same way: the encoder has collapsed")
    reduced = PCA(min(50, *directions.shape), random_state=seed).fit_transform(directions)
    layout = TSNE(
        init="pca" if reduced.shape[1] > 1 else "random",
        perplexity=min(perplexity, (count - 1) / 3),
        random_state=seed,
    ).fit_transform(reduced)
    low, high = layout.min(axis=0), layout.max(axis=0)
    return (layout - low) / np.maximum(high - low, 1e-12)


def map_svg(places: np.ndarray, points: Sequence[Point], class_names: Sequence[str]) -> Markup:
    """Draw the map: a dot per image in the colour of its class, ringed if the head is wrong, and the classes' names.

    Args:
        places: (n, 2) float in 0..1.
        points: n images, in the order of ``places``.
        class_names: all classes; the index decides the colour.
    """
    colors = {name: class_color(index) for index, name in enumerate(class_names)}
    left = _MARGIN + places[:, 0] * (_WIDTH - 2 * _MARGIN)
    top = _MARGIN + places[:, 1] * (_HEIGHT - 2 * _MARGIN)
    radius = 5.0 if len(points) <= 600 else 4.0
    circles = []
    for x, y, point in zip(left, top, points, strict=True):
        is_wrong = point.predicted is not None and point.predicted != point.label
        text = point.label + (f", taken for {point.predicted}" if is_wrong else "")
        circles.append(
            element(
                "circle",
                element("title", text),
                cx=float(x),
                cy=float(y),
                r=radius,
                fill=colors[point.label],
                class_="wrong" if is_wrong else None,
            )
        )
    names = _class_places(left, top, points) if len(class_names) <= _MAX_PLACED_NAMES else []
    return element(
        "svg",
        element("title", f"Map of {len(points)} test images; near points have similar representations"),
        join(circles),
        *(element("text", _short(name), x=x, y=max(y - 10, 16.0), class_="place") for name, x, y in names),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
    )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _class_places(left: np.ndarray, top: np.ndarray, points: Sequence[Point]) -> list[tuple[str, float, float]]:
    """For each class, the point nearest to the median of the class, so that the name is among its images."""
    labels = np.array([point.label for point in points])
    places = []
    for name in sorted(set(labels)):
        rows = np.flatnonzero(labels == name)
        distance = np.hypot(left[rows] - np.median(left[rows]), top[rows] - np.median(top[rows]))
        nearest = rows[np.argmin(distance)]
        places.append((str(name), float(left[nearest]), float(top[nearest])))
    return places
