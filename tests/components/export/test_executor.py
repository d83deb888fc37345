"""The Pusher's executor on real artifacts and a real SavedModel."""

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tfx import types
from tfx.types import standard_artifacts

from components.contracts import artifact_files, artifacts, configuration, signatures
from components.contracts.code_digest import model_code_digests
from components.contracts.evidence import Check, CheckName, FeatureKind, SplitCounts, SplitUse, Verdict
from components.contracts.images import ImageConfig
from components.contracts.push_record import PushRecord
from components.contracts.record_files import read_record, record_to_mapping, write_record
from components.export import registry
from components.export.component import Pusher
from components.export.config import ExportConfig, KubeflowRegistryConfig
from components.export.executor import Executor
from components.export.kubeflow_registry import ModelRegistryError
from components.ingestion.config import IngestionConfig
from tests.components.evidence_records import make_features, make_fraction, make_probe, make_verdict
from tests.components.example_records import INGESTION, PLAN, PRETRAINING

DIGEST, OTHER_DIGEST = "a" * 64, "b" * 64

TRAINED = dataclasses.replace(
    PRETRAINING,
    plan=dataclasses.replace(PLAN, method="byol", total_steps=70),
    config={"epochs": 7},
    tuned={"learning_rate": 0.00123},
)
PROBE = make_probe(
    counts=SplitCounts(train=900, test=332),
    features={
        FeatureKind.ENCODER: make_features(
            0.987,
            accuracy_interval=(0.98, 0.99),
            fractions=(make_fraction(0.1, 90, (0.864, 0.888)), make_fraction(1.0, 900, (0.987,))),
        ),
        FeatureKind.RAW_PIXELS: make_features(0.5),
    },
)


class Workplace:
    """Artifacts in a temporary folder, and the Pusher run on them."""

    def __init__(self, root: pathlib.Path, saved_models: dict[str, pathlib.Path]):
        self.root, self.registry, self._saved_models, self._runs = root, root / "registry", saved_models, 0
        self.config = ExportConfig()
        self.ingestion = INGESTION

    def model(self, digest: str, span: int | None = None) -> standard_artifacts.Model:
        model = standard_artifacts.Model()
        model.uri = str(self.root / "model" / digest[:4])
        shutil.copytree(self._saved_models[digest], f"{model.uri}/Format-Serving", dirs_exist_ok=True)
        model.set_string_custom_property(artifact_files.CONTENT_DIGEST, digest)
        artifacts.set_data_span(model, span)
        return model

    def blessing(self, verdict: str, reason: str) -> standard_artifacts.ModelBlessing:
        self._runs += 1
        blessing = standard_artifacts.ModelBlessing()
        blessing.uri = str(self.root / "blessing" / str(self._runs))
        pathlib.Path(blessing.uri).mkdir(parents=True)
        check = Check(name=CheckName.MIN_ACCURACY, value=0.987654, threshold=0.9, passed=True, text="in words")
        report = make_verdict(
            Verdict(verdict),
            reason=reason,
            checks=(check,),
            warnings=("few images",),
            test_split=SplitUse(test_split_digest="e" * 64, earlier_blessings=3),
        )
        write_record(f"{blessing.uri}/{artifact_files.VERDICT_FILE}", report)
        blessing.set_int_custom_property("blessed", int(verdict in ("blessed", "unchanged")))
        blessing.set_string_custom_property(artifact_files.VERDICT, verdict)
        blessing.set_string_custom_property(artifact_files.REASON, reason)
        return blessing

    def evidence(self) -> dict:
        """The artifacts whose content goes with a version, each with its one file that is read."""
        contents = {
            "pretrained_model": (
                standard_artifacts.Model,
                f"Format-Serving/{artifact_files.PRETRAINING_FILE}",
                record_to_mapping(TRAINED),
            ),
        }
        examples = standard_artifacts.Examples()
        examples.uri = str(self.root / "examples")
        write_record(f"{examples.uri}/{artifact_files.INGESTION_SUMMARY_FILE}", self.ingestion)
        found = {"examples": [examples]}
        for name, (kind, file, content) in contents.items():
            artifact = kind()
            artifact.uri = str(self.root / name)
            path = pathlib.Path(artifact.uri, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
            found[name] = [artifact]
        probe_report = artifacts.ProbeReport()
        probe_report.uri = str(self.root / "probe_report")
        write_record(f"{probe_report.uri}/{artifact_files.PROBE_FILE}", PROBE)
        return {**found, "probe_report": [probe_report]}

    def push(self, digest: str, verdict: str, reason: str = "accuracy 0.99 is at least 0.9", span: int | None = None):
        pushed = standard_artifacts.PushedModel()
        pusher = Pusher(
            model=types.Channel(standard_artifacts.Model),
            model_blessing=types.Channel(standard_artifacts.ModelBlessing),
            examples=types.Channel(standard_artifacts.Examples),
            pretrained_model=types.Channel(standard_artifacts.Model),
            probe_report=types.Channel(artifacts.ProbeReport),
            registry=str(self.registry),
            config=self.config,
            ingestion_config=IngestionConfig(),
            image_config=ImageConfig(size_px=24),
            pipeline_config=json.dumps({"pretraining": {"epochs": 7}}),
        )
        inputs = {
            "model": [self.model(digest, span)],
            "model_blessing": [self.blessing(verdict, reason)],
            **self.evidence(),
        }
        pushed.uri = str(self.root / "pushed" / str(self._runs))
        Executor().Do(inputs, {"pushed_model": [pushed]}, dict(pusher.exec_properties))
        return pushed, read_record(PushRecord, f"{pushed.uri}/{artifact_files.PUSH_FILE}")


@pytest.fixture
def workplace(tmp_path, saved_models):
    return Workplace(tmp_path, saved_models)


def test_a_blessed_model_is_pushed_as_it_was_evaluated(workplace):
    pushed, outcome = workplace.push(DIGEST, "blessed")
    version = workplace.registry / "image-encoder" / "1"
    registered = outcome.registered
    assert registered.is_new and registered.is_in_use
    assert (registered.version, registered.content_digest, registered.directory) == (1, DIGEST, str(version))
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_destination") == str(version)
    assert pushed.get_string_custom_property("pushed_version") == "1"
    assert pushed.get_int_custom_property(artifact_files.VERSION) == 1
    assert pushed.get_string_custom_property(artifact_files.CONTENT_DIGEST) == DIGEST
    assert pushed.get_float_custom_property(artifact_files.SECONDS) > 0

    evaluated = pathlib.Path(workplace.model(DIGEST).uri, "Format-Serving")
    for path in [path for path in evaluated.rglob("*") if path.is_file()]:
        assert (version / path.relative_to(evaluated)).read_bytes() == path.read_bytes()
    pixels = tf.constant(np.random.default_rng(0).integers(0, 256, (4, 20, 20, 3)), tf.uint8)
    given = [
        tf.saved_model.load(str(folder)).signatures[signatures.EMBED_PIXELS](pixels=pixels)["representation"].numpy()
        for folder in (evaluated, version)
    ]
    np.testing.assert_array_equal(*given)


def test_a_refused_model_is_not_pushed_and_the_reason_is_kept(workplace):
    reason = "accuracy 0.90 is 0.05 below min_accuracy 0.95"
    pushed, outcome = workplace.push(DIGEST, "not blessed", reason)
    assert (outcome.registered, outcome.reason) == (None, reason)
    assert pushed.get_int_custom_property("pushed") == 0
    assert not pushed.get_string_custom_property("pushed_destination")
    assert outcome.candidate == str(workplace.registry / "image-encoder" / "candidate")
    assert outcome.message == f"nothing pushed: not blessed; the candidate is in {outcome.candidate}"
    kept = registry.find_version(workplace.registry, "image-encoder", "candidate")
    assert kept.content_digest == DIGEST and registry.is_intact(workplace.registry, "image-encoder", kept)
    card = pathlib.Path(outcome.candidate, registry.MODEL_CARD_FILE).read_text()
    assert card.startswith("# image-encoder, candidate\n")
    assert 'load_encoder("<registry>/image-encoder", "candidate")  # it was not blessed' in card


def test_a_refused_model_whose_evidence_is_missing_is_no_candidate(workplace, monkeypatch):
    evidence = workplace.evidence()
    pathlib.Path(evidence["probe_report"][0].uri, artifact_files.PROBE_FILE).unlink()
    monkeypatch.setattr(workplace, "evidence", lambda: evidence)
    _, outcome = workplace.push(DIGEST, "not blessed", "the probe report is missing")
    assert (outcome.candidate, outcome.reason) == (None, "the probe report is missing")
    assert "no candidate is kept: " in outcome.message and not workplace.registry.exists()


def test_the_same_model_is_pushed_once(workplace):
    workplace.push(DIGEST, "blessed")
    _, again = workplace.push(DIGEST, "blessed")
    assert (again.registered.version, again.registered.is_new) == (1, False)
    _, other = workplace.push(OTHER_DIGEST, "blessed")
    assert (other.registered.version, other.registered.is_new) == (2, True)
    aliases = registry.read_index(workplace.registry, "image-encoder").aliases
    assert aliases == {"blessed": 2, "previous": 1}


def test_a_model_of_an_older_span_that_was_judged_before_a_newer_was_pushed_stays_out(workplace):
    _, newer = workplace.push(DIGEST, "blessed", span=13)
    assert newer.registered.is_in_use
    pushed, outcome = workplace.push(OTHER_DIGEST, "blessed", span=12)
    assert pushed.get_int_custom_property("pushed") == 0
    assert outcome.registered is None and outcome.candidate.endswith("/image-encoder/candidate")
    assert "in use, was made from span 13: a model of span 12 does not replace it" in outcome.reason
    [version] = registry.read_index(workplace.registry, "image-encoder").versions
    assert (version.content_digest, version.span) == (DIGEST, 13)
    _, newest = workplace.push(OTHER_DIGEST, "blessed", span=14)
    assert newest.registered.version == 2


def test_an_unchanged_model_whose_push_was_lost_is_pushed_now(workplace):
    _, outcome = workplace.push(DIGEST, "unchanged", "this model is in use")
    assert (outcome.registered.version, outcome.registered.is_new) == (1, True)
    _, again = workplace.push(DIGEST, "unchanged", "this model is in use")
    assert (again.registered.version, again.registered.is_new) == (1, False)


def test_the_model_card_says_why(workplace):
    workplace.push(DIGEST, "blessed", "accuracy 0.99 is at least 0.9")
    card = (workplace.registry / "image-encoder" / "1" / registry.MODEL_CARD_FILE).read_text()
    for text in (
        "# image-encoder, version 1",
        DIGEST,
        "accuracy 0.99 is at least 0.9",
        "0.987654",
        "few images",
        "Other models blessed on these test images before this one: 3.",
        "size px: 24",
        "cat, dog, hen",
    ):
        assert text in card, text


def test_a_version_carries_how_it_was_made_and_what_it_is_worth(workplace):
    workplace.push(DIGEST, "blessed", span=12)
    version = workplace.registry / "image-encoder" / "1"
    record = json.loads((version / signatures.RECORD_FILE).read_text())
    assert record["data"]["records"] == {"train": 900, "test": 332} and record["span"] == 12
    assert record["pretraining"]["history"] == configuration.to_mapping(TRAINED.history[-1:])
    assert record["settings"] == {"pretraining": {"epochs": 7}}
    assert record["pretraining"]["tuned"] == {"learning_rate": 0.00123}
    assert record["results"] == json.loads(configuration.to_json(PROBE)) and record["verdict"]["verdict"] == "blessed"
    assert record["code_digests"] == model_code_digests()
    assert record["libraries"]["tensorflow"] == tf.__version__
    card = (version / registry.MODEL_CARD_FILE).read_text()
    for text in (
        "pretrained with BYOL",
        "## Intended use",
        "| this encoder | 0.987 (0.980 to 0.990) | 0.987 (0.887 to 1.037) | 0.967 (0.867 to 1.017) | 0.876 ± 0.012 |",
        "| raw pixels | 0.500 (0.400 to 0.550) | 0.500 (0.400 to 0.550) | 0.480 (0.380 to 0.530) |  |",
        "  - train: 900",
        "- span: 12",
        "like the 1232 of `/images`",
        "- chosen by the Tuner:\n  - learning rate: 0.00123",
        "total steps: 70",
        "epochs: 7",
        f"tensorflow: {tf.__version__}",
    ):
        assert text in card, text


def test_a_version_carries_the_white_level_that_ingestion_found(workplace):
    """The setting says "auto", but a consumer has one image, not the data set that decided."""
    workplace.ingestion = dataclasses.replace(INGESTION, white_level=4095, bits_of_deep_images={"12": 1232})
    workplace.push(DIGEST, "blessed")
    version = registry.find_version(workplace.registry, "image-encoder", registry.BLESSED)
    assert version.decoding.ingestion["white_level"] == 4095
    assert version.decoding.ingestion["max_file_bytes"] == IngestionConfig().max_file_bytes
    card = (workplace.registry / "image-encoder/1" / registry.MODEL_CARD_FILE).read_text()
    assert card.count("white level: 4095") == 2  # under the data, and under image files


@pytest.mark.parametrize("name", ["examples", "pretrained_model", "probe_report"])
def test_nothing_is_pushed_without_its_evidence(workplace, monkeypatch, name):
    evidence = workplace.evidence()
    path = next(path for path in pathlib.Path(evidence[name][0].uri).rglob("*") if path.is_file())
    path.unlink()
    monkeypatch.setattr(workplace, "evidence", lambda: evidence)
    with pytest.raises(ValueError, match=f"{path} is missing: a model is not pushed without the evidence"):
        workplace.push(DIGEST, "blessed")
    assert not workplace.registry.exists()


@pytest.mark.parametrize("has_folder", [True, False])
def test_a_server_learns_of_the_version(workplace, model_registry, has_folder):
    server = {"address": model_registry.url, "attempts": 1}
    workplace.config = ExportConfig(folder=has_folder, kubeflow_registry=KubeflowRegistryConfig(**server))
    for _ in range(2):
        pushed, outcome = workplace.push(DIGEST, "blessed")
    place = workplace.registry / "image-encoder" / "1"
    if not has_folder:
        place = pathlib.Path(workplace.model(DIGEST).uri, "Format-Serving")
        assert not workplace.registry.exists()
    assert [artifact["uri"] for artifact in model_registry.artifacts] == [str(place)] == [outcome.registered.directory]
    assert (outcome.registered.version, outcome.registered.server) == (1, model_registry.url)
    assert pushed.get_string_custom_property("pushed_destination") == str(place)
    [version] = model_registry.versions
    found = {name: value for name, value in version["customProperties"].items()}
    assert found["accuracy"]["double_value"] == 0.987
    assert found["accuracy_at_10_percent_of_labels"]["double_value"] == 0.876
    assert found["train_images"]["int_value"] == "900"
    assert found["data_digest"]["string_value"] == "c" * 64


def test_what_a_server_missed_the_next_run_makes_up_for(workplace, model_registry):
    workplace.config = ExportConfig(
        kubeflow_registry=KubeflowRegistryConfig(address=model_registry.url, attempts=1, first_wait_seconds=0.0)
    )
    model_registry.failures = [("GET registered_model", 503)]
    with pytest.raises(ModelRegistryError, match="the next run makes up for it"):
        workplace.push(DIGEST, "blessed")
    _, outcome = workplace.push(DIGEST, "unchanged", "this model is in use")
    assert (outcome.registered.version, outcome.registered.is_new, len(model_registry.versions)) == (1, False, 1)


def test_a_model_without_identity_is_refused(workplace, monkeypatch):
    monkeypatch.setattr(workplace, "model", lambda digest, span: _without_digest(Workplace.model(workplace, digest)))
    with pytest.raises(ValueError, match="has no property content_digest"):
        workplace.push(DIGEST, "blessed")
    assert not workplace.registry.exists()


def _without_digest(model):
    anonymous = standard_artifacts.Model()
    anonymous.uri = model.uri
    return anonymous


def test_a_saved_model_with_another_identity_is_refused(workplace):
    facts = pathlib.Path(workplace.model(DIGEST).uri, "Format-Serving", signatures.MODEL_FACTS_FILE)
    workplace.model = lambda digest, span: model
    model = Workplace.model(workplace, DIGEST)
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "content_digest": OTHER_DIGEST}))
    with pytest.raises(ValueError, match=f"evaluated as {DIGEST}, but the SavedModel in it is {OTHER_DIGEST}"):
        workplace.push(DIGEST, "blessed")
    assert not workplace.registry.exists()


def test_evidence_that_is_missing_stops_the_push(workplace, monkeypatch):
    def without_evidence(verdict, reason):
        blessing = Workplace.blessing(workplace, verdict, reason)
        pathlib.Path(blessing.uri, artifact_files.VERDICT_FILE).unlink()
        return blessing

    monkeypatch.setattr(workplace, "blessing", without_evidence)
    with pytest.raises(ValueError, match="without the evidence behind it"):
        workplace.push(DIGEST, "blessed")
    assert not workplace.registry.exists()


def test_a_registry_on_an_object_store_is_refused(workplace):
    workplace.registry = "gs://bucket/registry"
    with pytest.raises(ValueError, match="must be a folder of a mounted file system, found 'gs://bucket/registry'"):
        workplace.push(DIGEST, "blessed")
