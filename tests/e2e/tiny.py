"""The start of whole runs in tests: a config that needs seconds, and some handwritten digits as image files."""

import pathlib

import yaml

from pipeline.local import bundled_data

_TINY = {
    "pipeline_name": "tiny",
    "image": {"size_px": 16, "color": "gray", "center_crop_fraction": 1.0},
    "views": {"views_per_image": 2, "crop": {"area_min": 0.6}},
    "pretraining": {
        "encoder": {"architecture": "small_cnn", "width_multiplier": 0.25},
        "optimizer": {"name": "adamw", "learning_rate": 0.002, "scaling": "none"},
        "schedule": {"warmup_epochs": 1},
        "epochs": 3,
        "global_batch_size": 64,
        "jit_compile": True,  # with it a run repeats to the bit
    },
    "linear_evaluation": {
        "label_fractions": [0.1, 1.0],
        "label_draws": 2,
        "l2_strengths": [1.0, 0.01],
        "bootstrap_resamples": 200,
    },
    # A chance encoder is right in one of ten images; three epochs need not be worth more than raw pixels.
    "gate": {"min_accuracy": 0.3, "min_test_images": 30, "pretraining_gain": "advised"},
}


def write(root: pathlib.Path, images_per_class: int) -> None:
    """Put ``tiny.yaml`` and the folder ``digits`` into ``root``."""
    (root / "tiny.yaml").write_text(yaml.safe_dump(_TINY))
    for folder in bundled_data.write_digits(root / "digits").iterdir():
        for path in sorted(folder.iterdir())[images_per_class:]:
            path.unlink()
