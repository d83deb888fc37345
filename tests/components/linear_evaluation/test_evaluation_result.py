"""Numbers read from TFMA; a whole evaluation is read in test_component.py."""

import numpy as np
import pytest

from components.linear_evaluation import evaluation_result
from components.linear_evaluation.evaluator_config import ACCURACY_METRIC, EXAMPLE_COUNT_METRIC


@pytest.mark.parametrize(("right", "images", "is_rounded_down"), [(9, 10, True), (190, 200, True), (3, 4, False)])
def test_shares_of_images_are_exact_although_tfma_divides_in_float32(right, images, is_rounded_down):
    as_float32 = float(np.float32(right) / np.float32(images))
    assert (as_float32 < right / images) == is_rounded_down
    metrics = {ACCURACY_METRIC: as_float32, EXAMPLE_COUNT_METRIC: float(images)}
    assert evaluation_result.exact_accuracy(metrics) == right / images
