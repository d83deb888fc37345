"""A real transform graph over four flat images."""

import pathlib

import numpy as np
import tensorflow as tf
from tfx.types import standard_artifacts
from tfx.types.artifact_utils import encode_split_names

from components.contracts import records
from components.contracts.images import Color, ImageConfig
from tests.components.tf_examples import make_example, write_examples
from tests.components.transform_runs import run_transform

IMAGE = ImageConfig(size_px=16, color=Color.GRAY, center_crop_fraction=1.0)
PIXELS = (40, 60, 200, 100)  # mean 100


def write_transform_graph(root: pathlib.Path) -> standard_artifacts.TransformGraph:
    examples = standard_artifacts.Examples()
    examples.uri, examples.split_names = str(root / "examples"), encode_split_names([records.TRAIN])
    encoded = (tf.io.encode_png(np.full((16, 16, 1), value, np.uint8)).numpy() for value in PIXELS)
    write_examples(
        root / "examples" / "Split-train" / "data_tfrecord-00000-of-00001.gz",
        (make_example({records.IMAGE: image, records.LABEL: b"a"}) for image in encoded),
    )
    return run_transform(examples, root, IMAGE)
