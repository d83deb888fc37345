"""A batch of encoded images in, their pixels out, inside the served graph; the error for a bad image names its index.

A decoding op fails the whole request without saying which image was bad. tf.data can continue after an element that
failed, so a batch is decoded with tf.data, and the error lists the images that are missing at the end.
"""

from collections.abc import Callable

import tensorflow as tf

_NAMED_AT_EACH_END = 5  # indices shown at the start and the end of a long list of bad images


def decode_batch(encoded: tf.Tensor, decode: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Decode every image of a batch, several at a time.

    Args:
        encoded: (n,) string; n may be 0.
        decode: scalar string -> pixels, all of one known shape.

    Returns:
        (n, ...) decoded images, in order.

    Raises:
        tf.errors.InvalidArgumentError: ``decode`` fails on some images; the message lists their indices in the batch,
            counted from 0 (when run).
    """
    size = tf.shape(encoded, out_type=tf.int64)[0]
    places, pixels = _decodable(encoded, size, decode)
    bad = tf.raw_ops.ListDiff(x=tf.range(size), y=places, out_idx=tf.int64).out
    message = tf.strings.format(
        "image {} of the batch of {} (counted from 0) cannot be decoded: 8-bit JPEG or PNG bytes are expected",
        (bad, size),
        summarize=_NAMED_AT_EACH_END,
    )
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(tf.size(bad), 0), [message])]):
        return tf.identity(pixels)


def _decodable(
    encoded: tf.Tensor, size: tf.Tensor, decode: Callable[[tf.Tensor], tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Indices and pixels of the images that can be decoded, (m,) int64 and (m, ...)."""
    images = tf.data.Dataset.from_tensor_slices((tf.range(size), encoded))
    decoded = images.map(
        lambda place, image: (place, decode(image)), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    ).ignore_errors()
    none = tf.data.Dataset.from_tensors(
        tf.nest.map_structure(lambda spec: tf.zeros((0, *spec.shape), spec.dtype), decoded.element_spec)
    )
    return _without_tuning(decoded.batch(tf.maximum(size, 1)).concatenate(none).take(1)).get_single_element()


def _without_tuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """``dataset`` without tf.data's optimisations, which take time at each request and pay off in long use only."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.inject_prefetch = False
    return dataset.with_options(options)
