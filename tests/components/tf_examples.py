"""tf.Examples of bytes features, and files of them."""

import pathlib
from collections.abc import Iterable, Mapping

import tensorflow as tf


def make_example(features: Mapping[str, bytes | None]) -> tf.train.Example:
    """Features that are None are left out."""
    lists = {name: tf.train.BytesList(value=[value]) for name, value in features.items() if value is not None}
    feature = {name: tf.train.Feature(bytes_list=values) for name, values in lists.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature))


def write_examples(path: pathlib.Path, examples: Iterable[tf.train.Example]) -> str:
    """A gzipped TFRecord file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), options="GZIP") as writer:
        for example in examples:
            writer.write(example.SerializeToString())
    return str(path)
