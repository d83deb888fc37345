"""Batches are decoded whole or not at all, and the message says why."""

import numpy as np
import pytest
import tensorflow as tf

from components.linear_evaluation.batch_decoding import decode_batch


def numbers(texts):
    """Two numbers of each text, such as "3" -> [3, 6]."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def decode(encoded):
        return decode_batch(encoded, lambda text: tf.strings.to_number(text, tf.int32) * tf.constant([1, 2]))

    return decode(tf.constant(texts, tf.string, shape=(len(texts),))).numpy()


@pytest.mark.parametrize("size", [0, 1, 2, 100])
def test_order_is_kept(size):
    expected = np.arange(size, dtype=np.int32)[:, np.newaxis] * [1, 2]
    np.testing.assert_array_equal(numbers([str(number) for number in range(size)]), expected)


def test_all_that_fail_are_named_and_a_long_list_is_cut():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"image \[1 3\] of the batch of 4"):
        numbers(["1", "a", "2", "b"])
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"image \[0 1 2 3 4 \.\.\. 15 16 17 18 19\] of the batch of 20"
    ):
        numbers(["x"] * 20)
