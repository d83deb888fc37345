"""FeatureExtractor, LinearProbe, resolver, TFX's Evaluator, Gate and TFX's Pusher in one real pipeline, three times."""

import json
import pathlib
import shutil

import pytest
from tfx import types
from tfx.components import Pusher
from tfx.dsl.components.common.importer import Importer
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import pusher_pb2
from tfx.types import Channel, standard_artifacts

from components.contracts import artifact_files, artifacts, configuration, records, stored_predictions
from components.contracts.evidence import SplitUse, Verdict, VerdictReport
from components.contracts.record_files import read_record
from components.features.component import FeatureExtractor
from components.features.config import FeaturesConfig
from components.linear_evaluation import evaluation_result
from components.linear_evaluation.blessing_resolver import BlessedBaseline
from components.linear_evaluation.component import Gate, LinearProbe
from components.linear_evaluation.config import GateConfig, LinearEvaluationConfig, PretrainingGain
from components.linear_evaluation.evaluator_component import Evaluator
from tests.components.labelled_shapes import IMAGE_CONFIG, Workplace

CONFIG = LinearEvaluationConfig(label_fractions=(1.0,), l2_strengths=(1.0, 0.01), bootstrap_resamples=200)
FEATURES = FeaturesConfig(raw_pixels=False)
GATE = GateConfig(min_accuracy=0.4, min_class_recall=0.1, pretraining_gain=PretrainingGain.ADVISED)


class Runs:
    """One metadata store, one registry, and a run for each encoder."""

    def __init__(self, root: pathlib.Path, workplace: Workplace):
        self._root, self._workplace = root, workplace
        self._connection = metadata.sqlite_metadata_connection_config(str(root / "metadata.sqlite"))

    def run(self, encoder_file: str) -> dict[str, str]:
        """Run the steps on one of the workplace's encoders; states by node."""
        encoder_dir = self._root / "encoders" / encoder_file
        if not encoder_dir.exists():
            (encoder_dir / "Format-Serving").mkdir(parents=True)
            for name, source in (
                (artifact_files.ENCODER_FILE, encoder_file),
                (artifact_files.INITIAL_ENCODER_FILE, artifact_files.INITIAL_ENCODER_FILE),
                (artifact_files.PROJECTION_HEAD_FILE, artifact_files.PROJECTION_HEAD_FILE),
            ):
                shutil.copy(self._workplace.encoder_dir / source, encoder_dir / "Format-Serving" / name)
        LocalDagRunner().run(
            pipeline.Pipeline(
                pipeline_name="linear-evaluation",
                pipeline_root=str(self._root / "root"),
                components=self._components(str(encoder_dir)),
                enable_cache=True,
                metadata_connection_config=self._connection,
                beam_pipeline_args=["--runner=FnApiRunner"],
            )
        )
        return self._states()

    def _components(self, encoder_dir: str) -> list:
        examples = Importer(
            source_uri=str(self._workplace.examples_dir),
            artifact_type=standard_artifacts.Examples,
            properties={"split_names": json.dumps([records.TRAIN, records.TEST])},
        ).with_id("Examples")
        graph = Importer(
            source_uri=str(self._workplace.transform_graph_dir), artifact_type=standard_artifacts.TransformGraph
        ).with_id("Graph")
        encoder = Importer(source_uri=encoder_dir, artifact_type=standard_artifacts.Model).with_id("Encoder")
        images = examples.outputs["result"]
        labelled = {
            "examples": images,
            "encoder": encoder.outputs["result"],
            "transform_graph": graph.outputs["result"],
        }
        features = FeatureExtractor(**labelled, config=FEATURES)
        probe = LinearProbe(
            **labelled,
            features=features.outputs["features"],
            config=CONFIG,
            image_config=IMAGE_CONFIG,
        )
        model = probe.outputs["model"]
        baseline = Resolver(
            strategy_class=BlessedBaseline,
            candidate=model,
            model=Channel(type=standard_artifacts.Model),
            model_blessing=Channel(type=standard_artifacts.ModelBlessing),
            earlier_blessings=Channel(type=standard_artifacts.ModelBlessing),
            baseline_report=Channel(type=artifacts.Report),
        ).with_id("BlessedBaseline")
        evaluator = Evaluator(
            examples=images,
            model=model,
            baseline_model=baseline.outputs["model"],
            config=GATE,
        )
        gate = Gate(
            evaluation=evaluator.outputs["evaluation"],
            probe_report=probe.outputs["probe_report"],
            model=model,
            baseline_model=baseline.outputs["model"],
            model_blessing=baseline.outputs["model_blessing"],
            earlier_blessings=baseline.outputs["earlier_blessings"],
            config=GATE,
        )
        pusher = Pusher(
            model=model,
            model_blessing=gate.outputs["blessing"],
            push_destination=pusher_pb2.PushDestination(
                filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(self._root / "serving"))
            ),
        )
        return [examples, graph, encoder, features, probe, baseline, evaluator, gate, pusher]

    def _states(self) -> dict[str, str]:
        with metadata.Metadata(self._connection) as handle:
            store = handle.store
            latest = sorted(store.get_executions(), key=lambda execution: execution.id)[-9:]
            names = {kind.id: kind.name.rpartition(".")[2] for kind in store.get_execution_types()}
            return {names[execution.type_id]: execution.State.Name(execution.last_known_state) for execution in latest}

    def latest(self, kind: type[types.Artifact]) -> types.Artifact:
        """The newest artifact of this type that belongs to this project's steps or the Pusher."""
        with metadata.Metadata(self._connection) as handle:
            found = [
                artifact
                for artifact in handle.store.get_artifacts_by_type(kind.TYPE_NAME)
                if kind is not standard_artifacts.ModelBlessing or artifact_files.VERDICT in artifact.custom_properties
            ]
        newest = max(found, key=lambda artifact: artifact.id)
        artifact = kind()
        artifact.set_mlmd_artifact(newest)
        return artifact


def stored_accuracies(report_dir: str) -> dict:
    """Accuracy over all test images and by class, counted from the stored predictions."""
    path = pathlib.Path(report_dir, artifact_files.TEST_PREDICTIONS_FILE)
    stored = stored_predictions.from_bytes(path.read_bytes(), str(path))
    right, names = stored.predicted_classes == stored.true_classes, stored.true_classes
    return {None: right.mean(), **{name: right[names == name].mean() for name in set(names.tolist())}}


def test_good_encoder_same_again_worse_encoder(workplace, tmp_path):
    runs = Runs(tmp_path, workplace)
    steps = ("FeatureExtractor", "LinearProbe", "Evaluator", "Gate", "Pusher")
    states = runs.run(artifact_files.ENCODER_FILE)
    assert {name: states[name] for name in steps} == dict.fromkeys(steps, "COMPLETE")
    report = runs.latest(artifacts.ProbeReport)
    blessing = runs.latest(standard_artifacts.ModelBlessing)
    assert blessing.get_string_custom_property(artifact_files.VERDICT) == Verdict.BLESSED
    assert runs.latest(standard_artifacts.PushedModel).get_int_custom_property("pushed") == 1

    # TFMA, which read the records and ran the SavedModel itself, counts what the probe counted.
    found = evaluation_result.read_evaluation(runs.latest(standard_artifacts.ModelEvaluation).uri)
    counted = stored_accuracies(report.uri)
    assert 0.4 < counted[None] < 1 and len({round(value, 4) for value in counted.values()}) > 1
    assert found.accuracy == pytest.approx(counted.pop(None), abs=1e-6)
    assert found.class_recall == pytest.approx(counted, abs=1e-6)
    assert (found.images, found.baseline_accuracy) == (90, None)
    good_accuracy = found.accuracy

    again = runs.run(artifact_files.ENCODER_FILE)
    assert {name: again[name] for name in steps} == dict.fromkeys(steps, "CACHED")

    worse = runs.run(artifact_files.INITIAL_ENCODER_FILE)
    assert {name: worse[name] for name in steps} == dict.fromkeys(steps, "COMPLETE")
    blessing = runs.latest(standard_artifacts.ModelBlessing)
    assert blessing.get_string_custom_property(artifact_files.VERDICT) == Verdict.NOT_BLESSED
    assert runs.latest(standard_artifacts.PushedModel).get_int_custom_property("pushed") == 0
    verdict = read_record(VerdictReport, f"{blessing.uri}/{artifact_files.VERDICT_FILE}")
    assert "below that of the model in use" in verdict.reason
    assert verdict.test_split == SplitUse(
        test_split_digest=report.get_string_custom_property(artifact_files.TEST_SPLIT_DIGEST), earlier_blessings=1
    )
    assert verdict.baseline.accuracy == pytest.approx(good_accuracy)
    assert verdict.candidate.accuracy == pytest.approx(
        stored_accuracies(runs.latest(artifacts.ProbeReport).uri)[None], abs=1e-6
    )


def test_parameters_are_canonical_and_carry_the_code():
    probe = LinearProbe(
        examples=Channel(type=standard_artifacts.Examples),
        encoder=Channel(type=standard_artifacts.Model),
        transform_graph=Channel(type=standard_artifacts.TransformGraph),
        features=Channel(type=artifacts.Features),
        config=CONFIG,
        image_config=IMAGE_CONFIG,
    )
    assert probe.exec_properties[artifact_files.CONFIG] == configuration.to_json(CONFIG)
    assert len(probe.exec_properties[artifact_files.CODE_DIGEST]) == 64
    assert {key: channel.type for key, channel in probe.outputs.items()} == {
        "model": standard_artifacts.Model,
        "probe_report": artifacts.ProbeReport,
    }


def test_a_channel_of_another_type_is_refused():
    with pytest.raises(TypeError, match="ModelEvaluation"):
        Gate(
            evaluation=Channel(type=standard_artifacts.Examples),
            probe_report=Channel(type=artifacts.ProbeReport),
            model=Channel(type=standard_artifacts.Model),
            baseline_model=Channel(type=standard_artifacts.Model),
            model_blessing=Channel(type=standard_artifacts.ModelBlessing),
            earlier_blessings=Channel(type=standard_artifacts.ModelBlessing),
            config=GATE,
        )
