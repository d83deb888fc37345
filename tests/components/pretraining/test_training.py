"""The loop: it goes on from checkpoints, watches, reports, and stops a run that is lost."""

import logging

import numpy as np
import pytest

from components.contracts import configuration
from components.contracts.progress import LOGGER_NAME
from components.pretraining import checkpoints, dataset, devices, plan, training
from components.pretraining.config import PretrainingConfig
from components.pretraining.training_step import ImageShape, TrainingStep, build_models
from components.simclr import watching
from components.simclr.augmentation.presets import Preset
from components.simclr.encoders.encoder import num_parameters
from pipeline import config as pipeline_config

METHODS = ("simclr", "moco", "byol")
FAINT = {"architecture": "small_cnn", "width_multiplier": 0.0625}


def of_method(method: str, **changes) -> dict:
    return {"method": method, "moco": {"queue_size": 32}, **changes}


class Run:
    """Everything ``training.train`` needs, built from settings."""

    def __init__(self, views, settings: dict, scratch, channels: int = 1):
        self.config = configuration.from_mapping(PretrainingConfig, settings, "test")
        self.image = ImageShape(16, channels, np.full(channels, 128, np.float32), np.full(channels, 64, np.float32))
        found = dataset.ViewRecords(f"{views.uri}/Split-train", str(scratch))
        self.pairs = dataset.ViewPairs(found, self.config, 16, channels, 4)
        held_out = dataset.ViewRecords(f"{views.uri}/Split-eval", str(scratch))
        self.watch_images = dataset.read_watch_images(held_out, 16, channels, 1.0, 100)
        encoder, head = build_models(self.config, self.image)
        sizes = num_parameters(encoder), num_parameters(head), encoder.output_shape[1]
        self.plan = plan.resolve(self.config, len(found), *sizes)
        self.folder = str(scratch / "checkpoints")

    def step(self) -> TrainingStep:
        return TrainingStep(self.config, self.image, self.plan.warmup_steps, self.plan.total_steps, ["/CPU:0"])

    def train(self, step: TrainingStep | None = None):
        step = step or self.step()
        return training.train(self.config, self.plan, step, self.pairs, self.watch_images, self.folder)


class PowerCut(Exception):
    pass


def cut_at(pairs: dataset.ViewPairs, step: int) -> None:
    """Make the batch of ``step`` fail once."""
    batch = pairs.batch

    def fail_once(wanted):
        if wanted == step:
            pairs.batch = batch
            raise PowerCut
        return batch(wanted)

    pairs.batch = fail_once


def test_plan_is_resolved_and_logged(views, settings, tmp_path, caplog):
    run = Run(views, settings(), tmp_path)
    assert (run.plan.steps_per_epoch, run.plan.total_steps, run.plan.warmup_steps) == (2, 8, 2)
    assert run.plan.views_per_step == 32
    assert run.plan.momentum is None
    with caplog.at_level(logging.INFO):
        plan.log_plan(run.plan, run.config)
    assert (
        "peak learning rate 0.002 (adamw, weight decay 0.0001 without BatchNorm and biases), 16 images and 32 views "
        "per step, 30 negatives per view, 8 steps (2 per epoch, 2 warm-up), chance loss 3.434" in caplog.text
    )


@pytest.mark.parametrize(
    ("optimizer", "loss", "said"),
    [
        ({"name": "lars", "weight_decay": 1e-6}, {}, "(lars, weight decay 1e-06 without BatchNorm and biases)"),
        (
            {"name": "sgd", "weight_decay": 1e-4, "decays_batch_norm_and_biases": True},
            {},
            "(sgd, weight decay 0.0001 with BatchNorm and biases)",
        ),
        (
            {"name": "sgd", "weight_decay": 0.0, "decays_batch_norm_and_biases": True},
            {"weight_decay": 0.01},
            "(sgd, weight decay 0.01 without BatchNorm and biases)",
        ),
        ({"name": "adamw", "weight_decay": 0.0}, {}, "(adamw, no weight decay)"),
    ],
)
def test_plan_says_what_decays(settings, caplog, optimizer, loss, said):
    config = configuration.from_mapping(PretrainingConfig, settings(optimizer=optimizer, loss=loss), "test")
    with caplog.at_level(logging.INFO):
        plan.log_plan(plan.resolve(config, 40, 1, 1, 1), config)
    assert said in caplog.text


def test_plans_of_the_siblings(views, settings, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        for method in ("moco", "byol"):
            run = Run(views, of_method(method, **settings()), tmp_path / method)
            plan.log_plan(run.plan, run.config)
    assert "moco of small_cnn" in caplog.text
    assert "32 negatives per view, 8 steps (2 per epoch, 2 warm-up), chance loss 3.497, momentum 0.9," in caplog.text
    assert "0 negatives per view, 8 steps (2 per epoch, 2 warm-up), no chance loss, momentum 0.9," in caplog.text
    with pytest.raises(ValueError, match=r"moco\.queue_size is 48, but split train has only 40 images"):
        Run(views, settings(method="moco", moco={"queue_size": 48}), tmp_path / "long")


def test_goes_on_where_it_was_cut(views, settings, tmp_path):
    run = Run(views, settings(checkpoint_every_steps=3), tmp_path)
    cut_at(run.pairs, 5)  # prepared ahead: the batches before it are trained on
    with pytest.raises(PowerCut):
        run.train()
    assert checkpoints.load_latest(run.folder).step == 3
    progress, _ = run.train()
    assert progress.step == 8
    assert progress.resumed_from == [3]
    assert [entry.epoch for entry in progress.history] == [1, 2, 3, 4]
    assert progress.unfinished == []
    assert progress.seconds > 0
    assert checkpoints.load_latest(run.folder).state["history"] == configuration.to_mapping(progress.history)


def test_the_running_epoch_is_part_of_a_checkpoint(views, settings, tmp_path):
    """The mean of an epoch that was cut in two covers all its steps."""
    whole = Run(views, settings(checkpoint_every_steps=3), tmp_path / "whole")
    expected = whole.train()[0].history
    cut = Run(views, settings(checkpoint_every_steps=3), tmp_path / "cut")
    cut_at(cut.pairs, 4)
    with pytest.raises(PowerCut):
        cut.train()
    saved = checkpoints.load_latest(cut.folder)
    assert saved.step == 3
    assert len(saved.state["unfinished"]) == 1
    for entry, other in zip(cut.train()[0].history, expected, strict=True):
        assert entry.loss == pytest.approx(other.loss, rel=1e-3)


def test_checkpoints_by_time(views, settings, tmp_path):
    run = Run(views, settings(checkpoint_every_steps=1000, checkpoint_every_minutes=1e-9), tmp_path)
    cut_at(run.pairs, 6)
    with pytest.raises(PowerCut):
        run.train()
    assert checkpoints.load_latest(run.folder).step >= 1


def test_watches_labels_of_eval_only(views, settings, tmp_path):
    run = Run(views, settings(epochs=12), tmp_path)
    progress, speed = run.train()
    measured = [epoch.knn for epoch in progress.history if epoch.knn is not None]
    assert len(measured) == 6
    assert measured[-1] > 0.4  # four kinds of stripes
    assert speed.images_per_second > 0
    assert 0 <= speed.input_wait_fraction <= 1
    for entry in progress.history:
        assert 0 <= entry.alignment <= 4
        assert entry.uniformity < 0
        assert entry.chance == pytest.approx(np.log(31))


def test_reports_progress(views, settings, tmp_path, caplog):
    run = Run(views, settings(), tmp_path)
    with caplog.at_level(logging.INFO, logger=LOGGER_NAME):
        run.train()
    last = [line for line in caplog.records if line.name == LOGGER_NAME][-1]
    assert (last.done, last.total) == (8, 8)
    assert last.text.startswith("epoch 4 of 4, loss ")


@pytest.mark.parametrize(
    ("method", "chance"), [("simclr", r"log\(2N - 1\) = 3\.434"), ("moco", r"log\(Q \+ 1\) = 3\.497")]
)
def test_stuck_at_chance_is_stopped(views, settings, tmp_path, method, chance):
    """Augmentation that leaves nothing of the image: no encoder can tell its pairs. BYOL's loss has no chance value."""
    nothing = {"cutout_probability": 1.0, "cutout_side_min": 1.0, "cutout_side_max": 1.0, "noise_probability": 1.0,
               "noise_std_min": 128.0, "noise_std_max": 128.0, "translation_fraction": 0.9}  # fmt: skip
    watch = {"every_epochs": 50, "window_epochs": 3, "min_std_fraction": 0.0, "min_effective_rank": 0.0}
    optimizer = {"name": "sgd", "learning_rate": 1e-9, "scaling": "none", "weight_decay": 0.0}
    run = settings(epochs=30, augmentation=nothing, watch=watch, optimizer=optimizer, loss={"temperature": 10.0})
    with pytest.raises(watching.StuckAtChance, match=chance):
        Run(views, of_method(method, **run), tmp_path).train()


def test_collapse_is_stopped(views, settings, tmp_path):
    """Decay takes the weights, gains and shifts away: every image becomes the same representation.

    The representations are watched alike in every method; BYOL has no chance value that would stop it as well.
    """
    optimizer = {"name": "sgd", "learning_rate": 1.0, "scaling": "none", "momentum": 0.0, "weight_decay": 1.0,
                 "decays_batch_norm_and_biases": True}  # fmt: skip
    watch = {"every_epochs": 50, "chance_fraction": 1.0}  # a collapsed run is at chance as well
    run = settings(epochs=25, encoder=FAINT, augmentation={}, optimizer=optimizer, watch=watch,
                   loss={"temperature": 10.0})  # fmt: skip
    with pytest.raises(watching.Collapsed, match=r"for 5 epochs the (std|effective_rank) of the representations"):
        Run(views, of_method("byol", **run), tmp_path).train()


def test_a_run_that_explodes_is_stopped(views, settings, tmp_path):
    """Each step turns the weights round and makes them a hundred times as large."""
    optimizer = {"name": "sgd", "learning_rate": 100.0, "scaling": "none", "momentum": 0.0, "weight_decay": 1.0}
    run = settings(epochs=60, encoder=FAINT, augmentation={}, optimizer=optimizer, schedule={"warmup_epochs": 0},
                   watch={"window_epochs": 60})  # fmt: skip
    with pytest.raises(watching.NonFinite, match=r"stopped at step \d+: .* is not finite"):
        Run(views, run, tmp_path).train()


@pytest.mark.parametrize("method", METHODS)
def test_healthy_run_is_not_stopped_by_the_defaults(views, settings, tmp_path, method):
    run = Run(views, of_method(method, **settings(epochs=15, watch={"every_epochs": 15})), tmp_path)
    progress, _ = run.train()
    assert len(progress.history) == 15
    last = progress.history[-1]
    assert last.effective_rank > 3
    assert last.knn > 0.4  # four kinds of stripes
    if method == "byol":
        assert (last.top1, last.top5, last.chance) == (None, None, None)
    else:
        assert last.top1 > 0.15  # guessing finds one in 31, or in 33
        assert last.chance == pytest.approx(np.log({"simclr": 31, "moco": 33}[method]))


@pytest.mark.parametrize("name", pipeline_config.named_configs())
def test_healthy_run_of_each_config_is_not_stopped(views, settings, tmp_path, name):
    """Augmentation, optimiser, temperature and bounds as the config says; encoder, batch and length of a small run."""
    chosen = configuration.to_mapping(pipeline_config.load(name).pretraining)
    kept = {group: chosen[group] for group in ("augmentation", "optimizer", "loss", "watch")}
    run = Run(views, settings(epochs=15, **kept), tmp_path)
    assert len(run.train()[0].history) == 15


@pytest.mark.parametrize("preset", [preset for preset in Preset if preset is not Preset.NONE])
def test_healthy_run_of_each_preset_is_not_stopped(views, colored_views, settings, tmp_path, preset):
    """By the default bounds, on images of the colours that the preset is for."""
    is_gray = preset in (Preset.DIGITS, Preset.GRAY_MEDICAL)
    optimizer = {"name": "adamw", "learning_rate": 0.005, "scaling": "none", "weight_decay": 0.0001}
    run = settings(epochs=20, augmentation={"preset": preset.value}, watch={"every_epochs": 20}, optimizer=optimizer)
    history = Run(views if is_gray else colored_views, run, tmp_path, 1 if is_gray else 3).train()[0].history
    assert len(history) == 20
    assert history[-1].loss < 0.8 * history[0].loss
    assert history[-1].top1 > 3 * np.exp(-history[-1].chance)  # at a low temperature it learns first


def test_resumed_equals_uninterrupted(views, settings, tmp_path):
    """Equal in every weight, statistic, optimiser variable, loss scale and key: compiled, deterministic.

    MoCo has the most to restore, and all that SimCLR has; ``test_pretrain`` kills BYOL.
    """
    config = settings(jit_compile=True, precision="float16", checkpoint_every_steps=3, watch={"every_epochs": 50})
    run = Run(views, of_method("moco", **config), tmp_path)
    with devices.op_determinism(True):
        whole = run.step()
        whole.optimizer.dynamic_scale.assign(48.0)  # no scale that a new optimiser has
        cut_at(run.pairs, 7)
        with pytest.raises(PowerCut):
            run.train(whole)
        saved = checkpoints.load_latest(run.folder)
        assert saved.step == 6
        whole.run(run.pairs.batch(7))  # seven steps were taken before the cut
        resumed = run.step()
        progress, _ = run.train(resumed)
    assert progress.resumed_from == [6]
    assert float(resumed.optimizer.dynamic_scale) == 48.0
    expected = whole.arrays()
    assert [name for name, array in resumed.arrays().items() if not np.array_equal(array, expected[name])] == []
    assert not np.array_equal(expected["encoder/00000"], saved.arrays["encoder/00000"])
