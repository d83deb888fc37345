"""Pretrains in a process of its own, so that a test can kill it: settings, views and folder as JSON in argument 1."""

import json
import logging
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3]))

import numpy as np

from components.contracts import configuration
from components.contracts.images import Color, ImageConfig
from components.pretraining import pretrain
from components.pretraining.config import PretrainingConfig

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asked = json.loads(sys.argv[1])
    description = pretrain.pretrain(
        configuration.from_mapping(PretrainingConfig, asked["settings"], "test"),
        ImageConfig(size_px=16, color=Color.GRAY, center_crop_fraction=1.0),
        pretrain.Task(
            views_uri=asked["views"],
            train_dir=asked["views"] + "/Split-train",
            eval_dir=asked["views"] + "/Split-eval",
            mean=np.array([128.0], np.float32),
            std=np.array([64.0], np.float32),
            code_digest="code",
            checkpoints_root=asked["folder"] + "/checkpoints",
            output_dir=asked["folder"] + "/model",
        ),
    )
    sys.stdout.write(description.weights_digest)
