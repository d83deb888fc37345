"""What a training on the views of ``conftest`` is given."""

import pathlib

import numpy as np

from components.pretraining import pretrain


def task_of(views, folder: pathlib.Path) -> pretrain.Task:
    return pretrain.Task(
        views_uri=views.uri,
        train_dir=f"{views.uri}/Split-train",
        eval_dir=f"{views.uri}/Split-eval",
        mean=np.array([128.0], np.float32),
        std=np.array([64.0], np.float32),
        code_digest="code",
        checkpoints_root=str(folder / "checkpoints"),
        output_dir=str(folder / "model"),
    )
