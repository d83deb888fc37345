"""A file may extend another; every error names the file or the override that the value came from."""

import pytest

from components.contracts.configuration import ConfigError
from pipeline import config as pipeline_config
from pipeline import config_files


def _write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return str(folder / f"{next(iter(texts))}.yaml")


def test_a_file_changes_the_settings_of_a_named_config(tmp_path):
    own = _write(tmp_path, own="extends: photos\npretraining: {epochs: 7, encoder: {width_multiplier: 0.25}}\n")
    photos, mine = pipeline_config.load("photos"), pipeline_config.load(own)
    assert (mine.pretraining.epochs, mine.pretraining.encoder.width_multiplier) == (7, 0.25)
    assert mine.pretraining.encoder.architecture == photos.pretraining.encoder.architecture
    assert mine.image == photos.image and mine.gate == photos.gate


def test_a_chain_is_read_from_its_far_end(tmp_path):
    (tmp_path / "below").mkdir()
    _write(tmp_path, base="pretraining: {epochs: 9, seed: 5}\nimage: {size_px: 48}\n")
    _write(tmp_path / "below", middle="extends: ../base.yaml\npretraining: {epochs: 8}\n")
    top = _write(tmp_path, top="extends: below/middle.yaml\nimage: null\n")
    found = config_files.read(top, ("pretraining.seed=6",)).values
    assert found == {"pretraining": {"epochs": 8, "seed": 6}, "image": None}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"a": "extends: a.yaml"}, r"a\.yaml: extends: a circle: .*a\.yaml extends .*a\.yaml"),
        ({"a": "extends: b.yaml", "b": "extends: c.yaml", "c": "extends: b.yaml"}, r"c\.yaml: extends: a circle: .*b"),
        ({"a": "extends: fotos"}, r"a\.yaml: extends: fotos: neither a file .*; did you mean photos\?"),
        ({"a": "extends: [photos]"}, r"a\.yaml: extends: expected a name or a path, found \['photos'\]"),
        ({"a": "extends: b.yaml", "b": "image: {size: 3}"}, r"b\.yaml: image\.size: unknown key"),
        ({"a": "extends: b.yaml\nimage: {color: red}", "b": "image: {size_px: 32}"}, r"/a\.yaml: image\.color: "),
        ({"a": "extends: b.yaml\nimage: {color: red}", "b": "image: {size_px: 1}"}, r"/b\.yaml: image\.size_px: "),
        (
            {"a": "extends: b.yaml\nimage: {size_px: 512}", "b": "ingestion: {stored_short_side_px: 64}"},
            r"b\.yaml and .*a\.yaml: \(top level\): ingestion\.stored_short_side_px \(64\) is less",
        ),
        ({"a": "extends: b.yaml", "b": "x: 1\nx: 2"}, r"b\.yaml: line 2, column 1: key x stands twice"),
    ],
)
def test_an_error_names_the_file_it_is_in(tmp_path, texts, message):
    with pytest.raises(ConfigError, match=message):
        pipeline_config.load(_write(tmp_path, **texts))


def test_an_error_names_the_override_it_is_in(tmp_path):
    own = _write(tmp_path, own="pretraining: {epochs: 7}\n")
    with pytest.raises(ConfigError) as caught:
        pipeline_config.load(own, ("image.size_px=32", "pretraining.epochs=0", "gate.min_acuracy=1"))
    epochs, accuracy = sorted(str(caught.value).splitlines(), reverse=True)
    assert epochs.startswith(f"{own} with --set pretraining.epochs=0: pretraining.epochs: ")
    assert accuracy.startswith(f"{own} with --set gate.min_acuracy=1: gate.min_acuracy: unknown key")
    assert accuracy.endswith("; did you mean gate.min_accuracy?")


@pytest.mark.parametrize("name", config_files.names())
def test_every_named_config_begins_with_its_command_and_a_sentence(name):
    assert (config_files.FOLDER / f"{name}.yaml").read_text().startswith(f"# simclr run --config {name}")
    assert 20 < len(config_files.summary(name)) < 200
