"""The lines of ``simclr check`` about real files, with images and steps that are really timed."""

import pytest
import yaml
from PIL import Image

from pipeline import cli

TINY = {
    "image": {"size_px": 16, "color": "gray"},
    "pretraining": {
        "encoder": {"architecture": "small_cnn", "width_multiplier": 0.25},
        "schedule": {"warmup_epochs": 1},
        "epochs": 3,
        "global_batch_size": 16,
    },
    "gate": {"min_test_images": 10},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A config, and a folder of 60 labelled and 10 other images, one of which is none."""
    root = tmp_path_factory.mktemp("check")
    (root / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    for folder, number in {"train/cat": 25, "train/dog": 20, "test/cat": 8, "test/dog": 7, "unlabeled": 10}.items():
        (root / "data" / folder).mkdir(parents=True)
        for index in range(number):
            Image.new("L", (20, 20), 10 * index).save(root / "data" / folder / f"{index}.png")
    (root / "data" / "test" / "cat" / "0.png").write_bytes(b"no image")
    (root / "data" / "stray.png").touch()
    return root


def check(place, capfd, *settings):
    words = [word for setting in settings for word in ("--set", setting)]
    arguments = ["check", "--config", str(place / "tiny.yaml"), "--data", str(place / "data")]
    code = cli.main([*arguments, "--workdir", str(place / "work"), *words])
    return code, capfd.readouterr().out.splitlines()


def test_a_labelled_folder_is_told_before_a_run(place, capfd):
    code, lines = check(place, capfd)
    assert code == 0
    assert lines[:6] == [
        f"Data       {place}/data: 70 images listed, source image_folder",
        "           train: 45 (2 classes: cat 25, dog 20)",
        "           test: 15 (2 classes: cat 8, dog 7)",
        "           unlabeled: 10",
        "Left out   outside_layout 1; first: stray.png",
        # A tenth of the 45 is held out for watching.
        "Batch      about 50 images for pretraining: 3 steps of 16 images in each epoch, 3 epochs, 9 steps",
    ]
    told = dict(line.split(maxsplit=1) for line in lines[6:])
    assert told["GPUs"].startswith("pretraining.num_gpus asks for 0, ")
    assert "test/cat/0.png (unknown_format: " in told["Refused"]
    assert f"free in {place}/work" in told["Disk"]
    assert "for training" in told["Time"] and "timed: 15 images, 5 steps" in told["Time"]
    assert told["Result"] == "nothing is in the way of a run"
    assert not (place / "work").exists()


def test_all_that_stops_a_run_is_told_at_once(place, capfd):
    code, lines = check(place, capfd, "gate.min_test_images=50", "pretraining.num_gpus=16")
    assert code == 1
    problems = [line for line in lines if line.startswith("Problem ")]
    assert len(problems) == 2
    assert "15 test images are fewer than gate.min_test_images (50)" in problems[0]
    assert "pretraining.num_gpus is 16, but TensorFlow sees" in problems[1]
    assert not any(line.startswith(("Result", "Time")) for line in lines)


def test_spans_are_asked_for_by_their_folder(place, capfd):
    code = cli.main(["check", "--config", str(place / "tiny.yaml"), "--data", str(place), "--set",
                     "ingestion.span_pattern=span-{SPAN}"])  # fmt: skip
    assert code == 2
    assert "name that of a span with --data" in capfd.readouterr().err
