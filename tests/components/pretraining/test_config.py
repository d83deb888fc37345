"""Settings: each rule has a config that breaks it; derived numbers are those of the papers."""

import subprocess
import sys

import pytest

from components.contracts import configuration
from components.contracts.configuration import ConfigError
from components.pretraining.config import PretrainingConfig
from components.simclr.config import Method


def load(**settings) -> PretrainingConfig:
    return configuration.from_mapping(PretrainingConfig, settings, "experiment.yaml", "pretraining")


@pytest.mark.parametrize(("epochs", "warmup"), [(100, 10), (11, 10), (10, 1.0), (3, 0.3), (1, 0.1)])
def test_warm_up_shrinks_where_it_would_not_end(epochs, warmup):
    config = load(epochs=epochs)
    assert config.warmup_epochs == pytest.approx(warmup)
    assert config.schedule.warmup_epochs == 10  # as set: the parameter of the step, and so its cache, stay the same
    assert bool(config.schedule.note(epochs)) is (epochs <= 10)


def test_batch_norm_is_estimated_from_a_tenth_of_the_steps():
    config = load(global_batch_size=128, batch_norm_batches=16)
    found = [config.batch_norm_images(steps) for steps in (1000, 160, 60, 19, 9, 3, 1)]
    assert found == [16 * 128, 16 * 128, 6 * 128, 128, 115, 38, 16]


def test_defaults_load_and_survive_the_round_trip():
    config = load()
    assert configuration.from_json(PretrainingConfig, configuration.to_json(config), "parameter") == config
    assert config.augmentation.has_affine is False


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_gpus": 2, "jit_compile": True}, "jit_compile works on one replica only"),
        ({"num_gpus": 3}, r"global_batch_size \(256\) must be a multiple of num_gpus \(3\)"),
        ({"loss": {"weight_decay": 1e-4}}, "weights would decay twice"),
        ({"encoder": {"depth": 3}}, r"pretraining\.encoder\.depth: unknown key"),
        ({"encoder": {"architecture": "resnet51"}}, r"pretraining\.encoder\.architecture: .*found 'resnet51'"),
        ({"epochs": "many"}, r"pretraining\.epochs: .*found 'many'"),
        ({"epochs": 0}, r"pretraining\.epochs: .*greater than or equal to 1"),
        ({"loss": {"temperature": 0}}, r"pretraining\.loss\.temperature: .*greater than 0"),
        ({"projection_head": {"layers": 5}}, r"pretraining\.projection_head\.layers: .*less than or equal to 4"),
        ({"projection_head": {"kept_layers": 2}}, r"pretraining\.projection_head: kept_layers \(2\) must be less than"),
        ({"encoder": {"initial_weights": "imagenet"}}, r"strides in other places than resnet18: set architecture to"),
        (
            {"encoder": {"initial_weights": "imagenet", "architecture": "resnet50_v1", "width_multiplier": 0.5}},
            "ImageNet weights need width_multiplier 1",
        ),
        ({"encoder": {"initial_weights_digest": "0" * 64}}, r"initial_weights_digest is the digest of a \.keras file"),
        ({"augmentation": {"zoom_min": 1.2}}, r"zoom_min \(1\.2\) must not exceed zoom_max"),
        ({"method": "moko"}, r"pretraining\.method: .*found 'moko'"),
        ({"method": "moco", "moco": {"queue_size": 1000}}, r"moco\.queue_size \(1000\) must be a multiple of global_"),
        ({"method": "moco", "moco": {"momentum": 1.0}}, r"pretraining\.moco\.momentum: .*less than 1"),
        (
            {"method": "moco", "moco": {"key_batch_norm_groups": 3}},
            r"must be a multiple of moco\.key_batch_norm_groups",
        ),
        ({"method": "moco", "moco": {"key_batch_norm_groups": 256}}, "at least two images in each group"),
        ({"method": "moco", "num_gpus": 8}, r"groups \(4\) must be a multiple of num_gpus \(8\)"),
        ({"gradient_cache_chunks": 3}, r"must be a multiple of gradient_cache_chunks \(3\)"),
        ({"gradient_cache_chunks": 2, "num_gpus": 2}, r"chunks \(2\) works on one replica only"),
        (
            {"gradient_cache_chunks": 2, "method": "byol"},
            r"chunks \(2\) is for method simclr.*set it to 1 for method byol",
        ),
        ({"precision": "float64"}, r"pretraining\.precision: .*found 'float64'"),
    ],
)
def test_refusals_name_the_key(settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load(**settings)
    assert str(caught.value).startswith("experiment.yaml: pretraining")


def test_pairs_of_settings_that_fit_are_accepted():
    assert load(num_gpus=2).num_replicas == 2
    assert load(loss={"weight_decay": 1e-4}, optimizer={"weight_decay": 0.0}).loss.weight_decay == 1e-4
    assert load(num_gpus=0).num_replicas == 1


def test_learning_rate_follows_the_global_batch():
    assert load(global_batch_size=4096).learning_rate == pytest.approx(0.003)
    sqrt = {"learning_rate": 0.075, "scaling": "sqrt"}
    assert load(global_batch_size=4096, optimizer=sqrt).learning_rate == pytest.approx(4.8)
    linear = {"learning_rate": 0.3, "scaling": "linear"}
    assert load(global_batch_size=4096, optimizer=linear).learning_rate == pytest.approx(4.8)  # the paper's


def test_steps_of_an_epoch_drop_the_incomplete_batch():
    config = load(global_batch_size=100)
    assert [config.steps_per_epoch(images) for images in (100, 199, 200)] == [1, 1, 2]
    with pytest.raises(ValueError, match=r"global_batch_size is 100, but split train has only 99 images"):
        config.steps_per_epoch(99)


def test_siblings_have_defaults_of_their_own():
    """What a config says goes before; what it does not say is the method's, however the config was made."""
    assert load().projection_head.final_batch_norm is True
    assert load(method="moco").projection_head.final_batch_norm is False
    assert [load(method=name).loss.temperature for name in ("simclr", "moco")] == [0.1, 0.2]
    assert load(method="moco", loss={"temperature": 0.3}).loss.temperature == 0.3
    decaying = load(method="moco", loss={"weight_decay": 1e-4}, optimizer={"weight_decay": 0.0})
    assert (decaying.loss.temperature, decaying.loss.weight_decay) == (0.2, 1e-4)
    assert PretrainingConfig(method=Method.MOCO) == load(method="moco")
    byol = load(method="byol", projection_head={"layers": 3})
    assert (byol.projection_head.layers, byol.projection_head.output_width) == (3, 256)
    assert PretrainingConfig(method=Method.BYOL) == load(method="byol")
    assert PretrainingConfig() == load(method="simclr") == load()


def test_momentum_follows_the_size_of_the_data():
    """The published ones: MoCo on ImageNet and on CIFAR-10, BYOL on ImageNet."""
    moco, byol = load(method="moco"), load(method="byol")
    assert [round(moco.momentum(steps), 3) for steps in (5004, 98, 5)] == [0.999, 0.99, 0.9]
    assert byol.momentum(312) == pytest.approx(0.997, abs=1e-3)
    assert load(method="byol", byol={"momentum": 0.5}).momentum(312) == 0.5
    assert load().momentum(312) is None


def test_a_queue_as_long_as_the_train_split_is_refused():
    config = load(method="moco", global_batch_size=64, moco={"queue_size": 128})
    assert config.steps_per_epoch(129) == 2
    with pytest.raises(ValueError, match=r"pretraining\.moco\.queue_size is 128, but split train has only 128 images"):
        config.steps_per_epoch(128)


def test_reading_a_config_imports_no_framework():
    code = (
        "import sys, components.pretraining.config; "
        "print([name for name in ('tensorflow', 'keras', 'tfx', 'apache_beam', 'cv2') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
