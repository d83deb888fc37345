"""Names of initial weights: each resolves to one file, and the digest of its content is part of the cache key."""

import dataclasses
import hashlib
import pathlib

import pytest

from components.contracts import configuration, signatures
from components.contracts.configuration import ConfigError
from components.contracts.images import ImageConfig
from components.export import publishing, registry
from components.export.image_files import Decoding
from components.pretraining.config import PretrainingConfig
from components.simclr.config import EncoderConfig
from pipeline import config as pipeline_config
from pipeline import run_parameters
from pipeline.node import initial_weights


def push(root: pathlib.Path, folder: pathlib.Path, content: str) -> None:
    file = folder / signatures.ENCODER_FILE
    file.parent.mkdir(parents=True)
    file.write_text(content)
    (folder / "saved_model.pb").write_text(content)
    publishing.push(
        root,
        "encoder",
        folder,
        content_digest=content,
        source="test",
        decoding=Decoding(image=ImageConfig(), ingestion={}),
        span=None,
        blessing=None,
        describe=lambda number: {registry.MODEL_CARD_FILE: "card"},
        lock_timeout_seconds=5,
    )


@pytest.fixture
def models(tmp_path):
    root = tmp_path / "registry"
    for content in ("first", "second"):
        push(root, tmp_path / content, content)
    return root / "encoder"


def config_with(name: str) -> pipeline_config.PipelineConfig:
    config = pipeline_config.load("digits")
    encoder = EncoderConfig(initial_weights=name)
    return dataclasses.replace(config, pretraining=dataclasses.replace(config.pretraining, encoder=encoder))


@pytest.mark.parametrize(
    ("name", "content"),
    [("", "second"), ("blessed", "second"), ("previous", "first"), ("1", "first"), ("2", "second")],
)
def test_versions_and_aliases_lead_to_files(models, name, content, monkeypatch):
    monkeypatch.chdir(models.parent)
    for path in (models / name, pathlib.Path("encoder") / name):  # relative paths too
        assert pathlib.Path(initial_weights.find_file(str(path))).read_text() == content


def test_files_and_uris_stay_what_they_are(models, tmp_path):
    assert initial_weights.find_file("gs://bucket/encoder.keras") == "gs://bucket/encoder.keras"
    file = tmp_path / "own.keras"
    file.write_text("own")
    assert initial_weights.find_file(str(file)) == str(file)


def test_the_content_reaches_the_run_parameters(models):
    values = run_parameters.bindings(
        initial_weights.resolved(config_with(str(models / "blessed"))), "/data", "/registry"
    )
    bound = configuration.from_json(PretrainingConfig, values["pretraining"], "test").encoder
    assert bound.initial_weights == str(models / "2" / signatures.ENCODER_FILE)
    assert bound.initial_weights_digest == hashlib.sha256(b"second").hexdigest()


def test_a_file_of_other_content_is_another_parameter(tmp_path):
    file = tmp_path / "own.keras"
    digests = set()
    for content in ("a", "b", "a"):
        file.write_text(content)
        digests.add(configuration.digest(initial_weights.resolved(config_with(str(file))).pretraining))
    assert len(digests) == 2


@pytest.mark.parametrize("name", ["nothing", "encoder/7", "encoder/1/variables"])
def test_a_name_without_a_file_is_said(models, name, monkeypatch):
    monkeypatch.chdir(models.parent)
    with pytest.raises(ConfigError, match=r"^pretraining\..*(is neither a \.keras file|has no version '7')"):
        initial_weights.resolved(config_with(name))


def test_without_a_file_nothing_changes():
    config = pipeline_config.load("digits")
    assert initial_weights.resolved(config) is config
