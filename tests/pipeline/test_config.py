"""Settings: every file loads, and every rule has a config that breaks it."""

import pytest

from components.contracts.configuration import ConfigError
from pipeline import config as pipeline_config


@pytest.mark.parametrize("name", pipeline_config.named_configs())
def test_every_named_config_loads(name):
    assert pipeline_config.load(name).pipeline_name


def test_no_two_named_configs_share_a_pipeline_name():
    """The image holds a graph per name."""
    names = [pipeline_config.load(name).pipeline_name for name in pipeline_config.named_configs()]
    assert len(names) == len(set(names))


def test_a_resolved_config_loads_to_itself(tmp_path):
    resolved = pipeline_config.load("digits", ("pretraining.epochs=20",))
    path = tmp_path / "resolved.yaml"
    path.write_text(pipeline_config.to_yaml(resolved))
    assert pipeline_config.load(str(path)) == resolved
    assert resolved.pretraining.epochs == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pretraning: {}", "pretraning: unknown key"),
        ("pretraining: {epoch: 3}", r"pretraining.epoch: unknown key.*; did you mean pretraining.epochs\?"),
        ("epochs: 3", r"epochs: unknown key.*; did you mean pretraining.epochs or "),
        ("pretraining: {epochs: .nan}", "pretraining.epochs: expected a finite number, found nan"),
        ("linear_evaluation: {label_fractions: [1.0, .inf]}", "label_fractions.1: expected a finite number, found inf"),
        ("gate: {min_accuracy: 0.9}\ngate: {}", "key gate stands twice: in line 1 and in line 2"),
        ("pretraining: {epochs: many}", "pretraining.epochs: .*integer, found 'many'"),
        ("pretraining: {epochs: '3'}", "pretraining.epochs: .*integer, found '3'"),
        ("pretraining: {epochs: 0}", "pretraining.epochs: .*greater than or equal to 1, found 0"),
        ("image: {color: blue}", "image.color: .*'rgb' or 'gray', found 'blue'"),
        ("pipeline_name: Has Spaces", "pipeline_name: "),
        ("views: {views_per_image: 0}", "views.views_per_image .* contradict each other"),
        ("image: {size_px: 512}", "stored_short_side_px .* is less than image.size_px"),
        ("training_spans: 2", r"training_spans \(2\) needs ingestion.span_pattern"),
        ("features: {random_encoder: false}", "gate.pretraining_gain: required needs features.random_encoder"),
        ("features: {raw_pixels: false}", "gate.pretraining_gain: required needs features.raw_pixels"),
        ("tuning: {enabled: true, epochs: 101}", r"tuning.epochs \(101\) must not exceed pretraining.epochs \(100\)"),
        ("tuning: {batch_size: [2]}", r"tuning: batch_size must hold 1"),
        (
            "{image: {color: gray}, pretraining: {encoder: {architecture: resnet50_v1, initial_weights: imagenet}}}",
            "imagenet needs image.color: rgb",
        ),
        ("beam: {pipeline_args: ['--streaming']}", "name a runner"),
        ("- a list", "expected a mapping"),
        ("a: [", "not YAML"),
    ],
)
def test_a_config_that_cannot_be_used_is_named_with_file_and_key(tmp_path, text, message):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        pipeline_config.load(str(path))
    assert str(path) in str(error.value)


def test_all_mistakes_are_told_at_once(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("image: {size_px: 2}\npretraining: {epochs: 0}\n")
    with pytest.raises(ConfigError) as error:
        pipeline_config.load(str(path))
    assert "image.size_px" in str(error.value)
    assert "pretraining.epochs" in str(error.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pretraining.epochs", "expected dotted.key=value"),
        ("=3", "expected dotted.key=value"),
        ("pretraining.epochs.deep=3", "epochs"),
        ("pretraining.epochs=[", "not YAML"),
        ("nothing.here=1", "nothing: unknown key"),
    ],
)
def test_a_wrong_override_is_named(override, message):
    with pytest.raises(ConfigError, match=message):
        pipeline_config.load("digits", ("pretraining.epochs=30", override))


def test_an_unknown_name_lists_the_known(tmp_path):
    with pytest.raises(ConfigError, match=r"neither a file nor one of the named configs .*; did you mean digits\?"):
        pipeline_config.load("digts")


def test_a_search_is_looked_at_only_where_there_is_one():
    pipeline_config.load("digits", ("tuning.enabled=true",))
    shorter = "pretraining.epochs=10"
    assert pipeline_config.load("digits", (shorter,)).tuning.epochs == 20
    with pytest.raises(ConfigError, match=r"tuning\.epochs \(20\) must not exceed pretraining\.epochs \(10\)"):
        pipeline_config.load("digits", (shorter, "tuning.enabled=true"))


def test_a_config_is_frozen():
    config = pipeline_config.load("digits")
    with pytest.raises(AttributeError):
        config.pipeline_name = "other"


def test_every_setting_is_described():
    described = pipeline_config.describe(pipeline_config.load("digits"))
    assert ("bundled_data", '"digits"') in [(key, value) for key, value, _ in described]
    assert [key for key, _, description in described if not description] == []
