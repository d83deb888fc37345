"""The arrays of test_predictions.npz: written and read back, and refused where they cannot be used."""

import dataclasses

import numpy as np
import pytest

from components.contracts import files, stored_predictions
from components.contracts.evidence import FeatureKind
from components.contracts.record_files import RecordError
from tests.components.evidence_records import make_predictions

LABELS = np.array([0, 1, 1])
SCORES = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)
DRAWS = (np.array([[0, 1, 0], [1, 1, 1]]), np.array([[0, 1, 1]]))


def written(tmp_path, arrays: dict[str, np.ndarray]) -> bytes:
    path = f"{tmp_path}/test_predictions.npz"
    files.write_arrays(path, arrays)
    return files.read_bytes(path)


def test_arrays_are_read_back_as_they_were_written(tmp_path):
    predicted = {FeatureKind.ENCODER: DRAWS, FeatureKind.RANDOM_ENCODER: DRAWS[::-1]}
    made = make_predictions(LABELS, SCORES, predicted=predicted)
    found = stored_predictions.from_bytes(written(tmp_path, made.to_arrays()), "here")
    assert {name: array.tolist() for name, array in found.to_arrays().items()} == {
        name: array.tolist() for name, array in made.to_arrays().items()
    }
    assert list(found.predicted) == [FeatureKind.ENCODER, FeatureKind.RANDOM_ENCODER]
    for kind, parts in predicted.items():
        assert [part.tolist() for part in found.predicted[kind]] == [part.tolist() for part in parts]
    assert found.true_classes.tolist() == ["cat", "dog", "dog"]
    assert found.predicted_classes.tolist() == ["cat", "dog", "cat"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"labels": np.array([0, 1])}, r"labels should have the shape \(3,\), found \(2,\)"),
        ({"scores": SCORES[:, :1]}, r"scores should have the shape \(3, 2\), found \(3, 1\)"),
        ({"labels": np.array([0, 1, 2])}, r"labels should lie below the number of classes, 2"),
        ({"labels": np.array([-1, 1, 1])}, r"labels should lie below the number of classes, 2, and not below 0"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(tmp_path, change, sentence):
    arrays = dataclasses.replace(make_predictions(LABELS, SCORES), **change).to_arrays()
    with pytest.raises(RecordError, match=rf"^here: .*{sentence}"):
        stored_predictions.from_bytes(written(tmp_path, arrays), "here")


def test_a_missing_array_and_a_damaged_file_are_named(tmp_path):
    arrays = make_predictions(LABELS, SCORES).to_arrays()
    del arrays["scores"], arrays["query_rows"]
    with pytest.raises(RecordError, match=r"here: .*the arrays query_rows, scores are missing"):
        stored_predictions.from_bytes(written(tmp_path, arrays), "here")
    with pytest.raises(RecordError, match="here: expected the arrays of test predictions"):
        stored_predictions.from_bytes(b"PK half a file", "here")
