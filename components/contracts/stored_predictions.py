"""The predictions for each test image, and pictures of some: the arrays of ``test_predictions.npz``.

Test images are in ascending order of their digests. m images, k classes, d dimensions; pictures are (s, s, c) uint8, as
the encoder sees the images, shrunk.
"""

import dataclasses
import io
from collections.abc import Mapping

import numpy as np

from components.contracts.evidence import FeatureKind
from components.contracts.record_files import RecordError

_PREDICTED = "predicted"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Pictures:
    """Thumbnails of test images, and of the train images nearest to some of them."""

    thumbnail_rows: np.ndarray  # (t,) int64, test images that are a fair sample
    thumbnails: np.ndarray  # (t, s, s, c)
    mistake_rows: np.ndarray  # (w,) int64, misclassified test images not among those, most confident first
    mistake_thumbnails: np.ndarray  # (w, s, s, c)
    query_rows: np.ndarray  # (q,) int64, test images shown with their neighbours
    query_thumbnails: np.ndarray  # (q, s, s, c)
    neighbour_digests: np.ndarray  # (q, j) str, the nearest train images, nearest first
    neighbour_labels: np.ndarray  # (q, j) int64
    neighbour_similarities: np.ndarray  # (q, j) float32, cosine
    neighbour_thumbnails: np.ndarray  # (q, j, s, s, c)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class StoredPredictions:
    """The predictions for every test image."""

    digests: np.ndarray  # (m,) str
    labels: np.ndarray  # (m,) int64, index into class_names
    class_names: np.ndarray  # (k,) str
    scores: np.ndarray  # (m, k) float32, probabilities of the exported model's head
    representations: np.ndarray  # (m, d) float32
    pictures: Pictures
    # Classes that the heads on each kind of features predict: for each label fraction, ascending, (draws, m) int64.
    predicted: Mapping[FeatureKind, tuple[np.ndarray, ...]]

    @property
    def true_classes(self) -> np.ndarray:
        """(m,) str, the labels by name."""
        return self.class_names[self.labels]

    @property
    def predicted_classes(self) -> np.ndarray:
        """(m,) str, the names of the likeliest classes."""
        return self.class_names[self.scores.argmax(axis=1)]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays of the file by name."""
        own = {name: getattr(self, name) for name in _own_names()}
        pictures = {field.name: getattr(self.pictures, field.name) for field in dataclasses.fields(Pictures)}
        predicted = {
            _predicted_by(kind, position): classes
            for kind, of_fractions in self.predicted.items()
            for position, classes in enumerate(of_fractions)
        }
        return own | pictures | predicted


def from_bytes(content: bytes, source: str) -> StoredPredictions:
    """Read the content of the file; ``source`` is named in errors.

    Raises:
        RecordError: it is no such file, lacks an array, or its arrays do not fit together.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return _from_arrays(dict(arrays))
    except Exception as error:  # NumPy and its decompression raise many kinds for a damaged file
        raise RecordError(f"{source}: expected the arrays of test predictions: {error}") from error


def _from_arrays(arrays: Mapping[str, np.ndarray]) -> StoredPredictions:
    pictures = [field.name for field in dataclasses.fields(Pictures)]
    if missing := sorted({*_own_names(), *pictures} - set(arrays)):
        raise ValueError(f"the arrays {', '.join(missing)} are missing")
    found = StoredPredictions(
        **{name: arrays[name] for name in _own_names()},
        pictures=Pictures(**{name: arrays[name] for name in pictures}),
        predicted={kind: of_kind for kind in FeatureKind if (of_kind := _predicted(arrays, kind))},
    )
    _check_shapes(found)
    return found


def _check_shapes(found: StoredPredictions) -> None:
    images, classes = len(found.digests), len(found.class_names)
    expected = {"digests": (images,), "labels": (images,), "class_names": (classes,), "scores": (images, classes)}
    for name, shape in expected.items():
        if getattr(found, name).shape != shape:
            raise ValueError(f"{name} should have the shape {shape}, found {getattr(found, name).shape}")
    if images and not 0 <= found.labels.min() <= found.labels.max() < classes:
        raise ValueError(f"labels should lie below the number of classes, {classes}, and not below 0")


def _own_names() -> list[str]:
    names = [field.name for field in dataclasses.fields(StoredPredictions)]
    return [name for name in names if name not in ("pictures", "predicted")]


def _predicted(arrays: Mapping[str, np.ndarray], kind: FeatureKind) -> tuple[np.ndarray, ...]:
    count = sum(1 for name in arrays if name.rpartition("_")[0] == f"{_PREDICTED}_{kind.value}")
    return tuple(arrays[_predicted_by(kind, position)] for position in range(count))


def _predicted_by(kind: FeatureKind, position: int) -> str:
    return f"{_PREDICTED}_{kind.value}_{position}"
