"""The rule of the baseline on short histories, and in a real pipeline on a real metadata store."""

import dataclasses
import logging

import pytest
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.types import Channel, standard_artifacts

from components.contracts import artifact_files, artifacts
from components.contracts.evidence import Verdict
from components.linear_evaluation import blessing_resolver
from components.linear_evaluation.blessing_resolver import (
    BlessedBaseline,
    earlier_blessings,
    report_of,
    resolve_baseline,
)


def make_model(number: int, digest: str) -> standard_artifacts.Model:
    model = standard_artifacts.Model()
    model.id, model.uri = number, f"/models/{number}"
    model.set_string_custom_property(artifact_files.CONTENT_DIGEST, digest)
    return model


@dataclasses.dataclass
class History:
    """Models and blessings in the order in which they are made; ``judge`` stands for the Gate."""

    models: dict = dataclasses.field(default_factory=dict)
    blessings: dict = dataclasses.field(default_factory=dict)

    def model(self, digest: str, span: int | None = None, test_split: str = "t") -> types.Artifact:
        number = 100 + len(self.models)
        self.models[number] = make_model(number, digest)
        self.models[number].set_string_custom_property(artifact_files.TEST_SPLIT_DIGEST, test_split)
        artifacts.set_data_span(self.models[number], span)
        return self.models[number]

    def earlier(self, candidate) -> list[int]:
        return [found.id for found in earlier_blessings(candidate, self.models, self.blessings)]

    def resolve(self, candidate) -> tuple[int | None, int | None]:
        found = resolve_baseline(candidate, self.models, self.blessings)
        return tuple(artifact.id if artifact else None for artifact in found)

    def judge(self, candidate, verdict: Verdict) -> int:
        """Give a verdict as the Gate does, and return the blessing's id."""
        baseline, in_force = resolve_baseline(candidate, self.models, self.blessings)
        blessing = standard_artifacts.ModelBlessing()
        blessing.id = 200 + len(self.blessings)
        describe(blessing, candidate, baseline, in_force, verdict.value)
        self.blessings[blessing.id] = blessing
        return blessing.id


def describe(blessing, candidate, baseline, in_force, verdict: str) -> None:
    blessing.set_string_custom_property(artifact_files.VERDICT, verdict)
    artifacts.set_data_span(blessing, artifacts.data_span(candidate))
    for key in (artifact_files.CONTENT_DIGEST, artifact_files.TEST_SPLIT_DIGEST):
        blessing.set_string_custom_property(key, candidate.get_string_custom_property(key))
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, candidate.id)
    if baseline:
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id)
    if in_force:
        blessing.set_int_custom_property(blessing_resolver.IN_FORCE_ID, in_force.id)


def test_nothing_is_in_use_at_first():
    history = History()
    first = history.model("a")
    assert history.resolve(first) == (None, None)
    history.judge(first, Verdict.NOT_BLESSED)
    assert history.resolve(first) == (None, None)


def test_an_unchanged_run_resolves_what_the_first_one_did():
    history = History()
    first = history.model("a")
    blessing = history.judge(first, Verdict.BLESSED)
    assert history.resolve(first) == (None, None)
    second = history.model("b")
    assert history.resolve(second) == (first.id, blessing)
    history.judge(second, Verdict.BLESSED)
    assert history.resolve(second) == (first.id, blessing)


def test_a_blessing_of_an_older_span_is_not_in_force_after_one_of_a_newer():
    history = History()
    newer, older = history.model("a", span=13), history.model("b", span=12)
    in_force = history.judge(newer, Verdict.BLESSED)
    history.judge(older, Verdict.BLESSED)  # by a Gate that did not know of the newer one yet
    candidate = history.model("c", span=14)
    assert history.resolve(candidate) == (newer.id, in_force)
    latest = history.judge(candidate, Verdict.BLESSED)
    assert history.resolve(history.model("d", span=14)) == (candidate.id, latest)
    without_spans = history.model("e")
    assert history.judge(without_spans, Verdict.BLESSED)
    assert history.resolve(history.model("f", span=1))[0] == without_spans.id


def test_going_back_compares_with_the_model_in_use():
    history = History()
    first, second = history.model("a"), history.model("b")
    history.judge(first, Verdict.BLESSED)
    of_second = history.judge(second, Verdict.BLESSED)
    assert history.resolve(first) == (second.id, of_second)
    history.judge(first, Verdict.NOT_BLESSED)
    assert history.resolve(first) == (second.id, of_second)
    # Had it won, it would be in use again, though its artifact is the older one.
    of_first = history.judge(first, Verdict.BLESSED)
    assert history.resolve(first) == (second.id, of_second)
    assert history.resolve(second) == (first.id, of_first)


def test_a_model_of_other_classes_is_no_baseline_but_stays_in_force():
    history = History()
    first, grown = history.model("a"), history.model("b")
    first.set_string_custom_property(artifact_files.CLASSES_DIGEST, "cat, dog")
    grown.set_string_custom_property(artifact_files.CLASSES_DIGEST, "cat, cow, dog")
    in_force = history.judge(first, Verdict.BLESSED)
    assert history.resolve(grown) == (None, in_force)
    history.judge(grown, Verdict.BLESSED)
    assert history.resolve(grown) == (None, in_force)  # again, from the cache


def test_a_rejected_model_changes_nothing():
    history = History()
    first, rejected = history.model("a"), history.model("c")
    of_first = history.judge(first, Verdict.BLESSED)
    history.judge(rejected, Verdict.NOT_BLESSED)
    assert history.resolve(rejected) == (first.id, of_first)
    assert history.resolve(first) == (None, None)


def test_the_same_content_under_another_artifact():
    history = History()
    first, second = history.model("a"), history.model("b")
    history.judge(first, Verdict.BLESSED)
    of_second = history.judge(second, Verdict.BLESSED)
    twin = history.model("b")
    assert history.resolve(twin) == (first.id, of_second)
    history.judge(twin, Verdict.UNCHANGED)
    assert history.resolve(twin) == (first.id, of_second)
    assert history.resolve(second)[0] == first.id
    third = history.model("d")
    assert history.resolve(third) == (second.id, of_second)
    of_third = history.judge(third, Verdict.BLESSED)
    assert history.resolve(twin) == (third.id, of_third)


def test_other_models_blessed_on_the_same_test_images_are_counted_once_each():
    history = History()
    first, elsewhere, rejected = history.model("a"), history.model("b", test_split="u"), history.model("c")
    assert history.earlier(first) == []
    of_first = history.judge(first, Verdict.BLESSED)
    assert history.earlier(first) == []
    of_elsewhere = history.judge(elsewhere, Verdict.BLESSED)
    history.judge(rejected, Verdict.NOT_BLESSED)
    assert history.earlier(rejected) == [of_first]
    assert history.earlier(history.model("d", test_split="u")) == [of_elsewhere]
    again = history.model("e")
    of_again = history.judge(again, Verdict.BLESSED)
    history.judge(first, Verdict.BLESSED)
    assert history.earlier(first) == [of_again]
    assert history.earlier(history.model("a")) == [of_again]  # the same content under another artifact
    assert history.earlier(history.model("f")) == [of_first, of_again]


def test_an_unchanged_run_counts_what_the_first_one_did():
    history = History()
    first, second = history.model("a"), history.model("b", span=5)
    of_first = history.judge(first, Verdict.BLESSED)
    history.judge(second, Verdict.BLESSED)
    assert history.earlier(second) == [of_first]
    history.judge(history.model("c", span=4), Verdict.BLESSED)  # of an older span, so not in force
    assert history.earlier(second) == [of_first]


def make_report(number: int, digest: str, verdict: Verdict) -> artifacts.Report:
    report = artifacts.Report()
    report.id = number
    report.set_string_custom_property(artifact_files.CONTENT_DIGEST, digest)
    report.set_string_custom_property(artifact_files.VERDICT, verdict.value)
    return report


def test_the_report_of_the_model_in_use_is_the_latest_of_a_run_that_blessed_it():
    reports = [
        make_report(number, digest, verdict)
        for number, digest, verdict in (
            (3, "a", Verdict.BLESSED),
            (2, "a", Verdict.BLESSED),
            (4, "a", Verdict.UNCHANGED),
            (5, "b", Verdict.BLESSED),
            (6, "c", Verdict.NOT_BLESSED),
        )
    ]

    def found(compared, candidate):
        return [report.id for report in report_of(compared, make_model(9, candidate), reports)]

    assert found(make_model(1, "a"), "b") == [3]
    assert found(make_model(1, "c"), "b") == []
    assert found(None, "b") == []
    assert found(make_model(1, "b"), "b") == []  # a model is not compared with itself


def test_blessings_of_others_and_of_lost_models_do_not_count(caplog):
    history = History()
    first, second = history.model("a"), history.model("b")
    of_first = history.judge(first, Verdict.BLESSED)
    stranger = standard_artifacts.ModelBlessing()  # as the Evaluator writes it
    stranger.id = 900
    stranger.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, 1)
    stranger.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, second.id)
    history.blessings[stranger.id] = stranger
    assert history.resolve(history.model("c")) == (first.id, of_first)
    history.judge(second, Verdict.BLESSED)
    del history.models[second.id]
    with caplog.at_level(logging.WARNING):
        assert history.resolve(history.model("d")) == (first.id, of_first)
    assert "is gone" in caplog.text


def test_a_candidate_without_identity_is_refused():
    nameless = standard_artifacts.Model()
    nameless.uri = "/models/x"
    with pytest.raises(ValueError, match="/models/x has no property content_digest"):
        resolve_baseline(nameless, {}, {})


# -- a real pipeline -------------------------------------------------------------------------------------------------


@component
def Candidate(model: OutputArtifact[standard_artifacts.Model], digest: Parameter[str], code: Parameter[str]):
    model.set_string_custom_property(artifact_files.CONTENT_DIGEST, digest)
    model.set_string_custom_property(artifact_files.TEST_SPLIT_DIGEST, "t")
    model.set_string_custom_property("code", code)


@component
def Judge(
    model: InputArtifact[standard_artifacts.Model],
    blessing: OutputArtifact[standard_artifacts.ModelBlessing],
    verdict: Parameter[str],
    baseline_model: InputArtifact[standard_artifacts.Model] = None,
    model_blessing: InputArtifact[standard_artifacts.ModelBlessing] = None,
):
    describe(blessing, model, baseline_model, model_blessing, verdict)


@dataclasses.dataclass
class Runs:
    """Runs a small pipeline several times on one metadata store."""

    root: str

    def run(self, digest: str, verdict: Verdict, code: str = "1") -> dict[str, str]:
        """States of the executions of one run by node, and the content digests that the resolver found."""
        candidate = Candidate(digest=digest, code=code)
        resolver = Resolver(
            strategy_class=BlessedBaseline,
            candidate=candidate.outputs["model"],
            model=Channel(type=standard_artifacts.Model),
            model_blessing=Channel(type=standard_artifacts.ModelBlessing),
            earlier_blessings=Channel(type=standard_artifacts.ModelBlessing),
            baseline_report=Channel(type=artifacts.Report),
        ).with_id("BlessedBaseline")
        judge = Judge(
            model=candidate.outputs["model"],
            baseline_model=resolver.outputs["model"],
            model_blessing=resolver.outputs["model_blessing"],
            verdict=verdict.value,
        )
        connection = metadata.sqlite_metadata_connection_config(f"{self.root}/metadata.sqlite")
        LocalDagRunner().run(
            pipeline.Pipeline(
                pipeline_name="small",
                pipeline_root=f"{self.root}/root",
                components=[candidate, resolver, judge],
                enable_cache=True,
                metadata_connection_config=connection,
            )
        )
        return self._outcome(connection)

    def _outcome(self, connection) -> dict[str, str]:
        with metadata.Metadata(connection) as handle:
            store = handle.store
            executions = sorted(store.get_executions(), key=lambda execution: execution.id)[-3:]
            types_by_id = {kind.id: kind.name for kind in store.get_execution_types()}
            outcome = {}
            for execution in executions:
                name = types_by_id[execution.type_id].rpartition(".")[2]
                outcome[name] = execution.State.Name(execution.last_known_state)
                if name == "Resolver":
                    outcome["baseline"] = self._resolved(store, execution.id)
        return outcome

    def _resolved(self, store, execution_id: int) -> str:
        events = store.get_events_by_execution_ids([execution_id])
        ids = [event.artifact_id for event in events if event.path.steps[0].key == "model"]
        found = store.get_artifacts_by_id(ids)
        return found[0].custom_properties[artifact_files.CONTENT_DIGEST].string_value if found else "none"


def test_a_real_pipeline_resolves_and_caches_as_the_rule_says(tmp_path):
    runs = Runs(str(tmp_path))
    fresh, cached = "COMPLETE", "CACHED"

    def summary(outcome):
        return outcome["baseline"], outcome["Candidate"], outcome["Judge"]

    # The very first run: neither baseline nor blessing, not even the type of a blessing.
    assert summary(runs.run("a", Verdict.BLESSED)) == ("none", fresh, fresh)
    assert summary(runs.run("a", Verdict.BLESSED)) == ("none", cached, cached)
    assert summary(runs.run("b", Verdict.BLESSED)) == ("a", fresh, fresh)
    assert summary(runs.run("b", Verdict.BLESSED)) == ("a", cached, cached)
    # Back to the first settings: judged anew, against the model in use.
    assert summary(runs.run("a", Verdict.NOT_BLESSED)) == ("b", cached, fresh)
    assert summary(runs.run("a", Verdict.NOT_BLESSED)) == ("b", cached, cached)
    # A rejected third, and back to the second: nothing has changed for it.
    assert summary(runs.run("c", Verdict.NOT_BLESSED)) == ("b", fresh, fresh)
    assert summary(runs.run("b", Verdict.BLESSED)) == ("a", cached, cached)
    # Edited code that gives the same content: judged once, then cached.
    assert summary(runs.run("b", Verdict.UNCHANGED, code="2")) == ("a", fresh, fresh)
    assert summary(runs.run("b", Verdict.UNCHANGED, code="2")) == ("a", cached, cached)
