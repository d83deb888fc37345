"""Which steps an edit runs again: those whose executor can import the edited file, and those that use their output."""

import pathlib
import shutil
from typing import NamedTuple

import pytest
from tfx.dsl.components.common.resolver import Resolver

from components.contracts import artifact_files
from components.contracts.code_digest import DATA_SUFFIXES, code_digest, model_code_digests
from components.contracts.import_graph import ImportGraph
from pipeline import config as pipeline_config
from pipeline import graph

_ROOT = pathlib.Path(__file__).parents[3]
_ALL_STEPS = ("ingestion.span_pattern=span-{SPAN}", "training_spans=2", "tuning.enabled=true", "baselines.enabled=true")

_AFTER_PROBE = "Evaluator Gate Pusher Report"
_AFTER_TRAINER = f"FeatureExtractor LinearProbe Baselines {_AFTER_PROBE}"
_AFTER_VIEWS = f"Tuner Trainer {_AFTER_TRAINER}"
_AFTER_SCHEMA = f"ExampleValidator AnomalyGate Transform {_AFTER_VIEWS}"
_AFTER_STATISTICS = f"SchemaGen DistributionValidator {_AFTER_SCHEMA}"
_AFTER_IMAGES = f"StatisticsGen TrainingWindow ViewGen {_AFTER_STATISTICS}"
_ALL_OF_OURS = f"ImageExampleGen {_AFTER_IMAGES}".replace("ExampleValidator ", "")  # whose executor is TFX's
_NONE = ""

# The edited file below components/, the steps whose code it is, and the steps that run again because of their outputs.
_TABLE = [
    ("ingestion/decoding/decoder.py", "ImageExampleGen Pusher", _AFTER_IMAGES),
    ("ingestion/splits.py", "ImageExampleGen", _AFTER_IMAGES),
    ("ingestion/beam/writing.py", "ImageExampleGen", _AFTER_IMAGES),
    ("ingestion/reading/sources/digits.py", "ImageExampleGen", _AFTER_IMAGES),
    ("ingestion/driver.py", _NONE, _NONE),
    ("ingestion/component.py", _NONE, _NONE),
    ("validation/statistics_executor.py", "StatisticsGen", _AFTER_STATISTICS),
    ("validation/schema_executor.py", "SchemaGen", _AFTER_SCHEMA),
    ("validation/schema_resolver.py", _NONE, _NONE),
    ("validation/drift_executor.py", "DistributionValidator", "AnomalyGate Report"),
    ("validation/anomalies.py", "AnomalyGate", _NONE),
    ("window/merging.py", "TrainingWindow", f"Transform ViewGen {_AFTER_VIEWS}"),
    ("preprocessing/transform_module.py", "Transform", _AFTER_VIEWS),
    ("preprocessing/image_preparation.py", "Transform Tuner Trainer LinearProbe Baselines Pusher", _AFTER_VIEWS),
    ("augmentation/shards.py", "ViewGen", _AFTER_VIEWS),
    ("simclr/augmentation/uint8_crops.py", "ViewGen Tuner Trainer Baselines", _AFTER_VIEWS),
    ("simclr/augmentation/tensor_engine.py", "Tuner Trainer Baselines", _AFTER_TRAINER),
    ("simclr/methods/byol.py", "Tuner Trainer Baselines", _AFTER_TRAINER),
    ("simclr/encoders/resnet.py", "Tuner Trainer FeatureExtractor LinearProbe Baselines", _AFTER_TRAINER),
    ("simclr/in_memory.py", _NONE, _NONE),
    ("pretraining/tuner_module.py", "Tuner", f"Trainer {_AFTER_TRAINER}"),
    ("pretraining/trainer_module.py", "Tuner Trainer", _AFTER_TRAINER),
    ("pretraining/training.py", "Tuner Trainer", _AFTER_TRAINER),
    ("features/frozen_features.py", "FeatureExtractor LinearProbe", f"Baselines {_AFTER_PROBE}"),
    ("linear_evaluation/saved_model.py", "LinearProbe", f"Baselines {_AFTER_PROBE}"),
    ("linear_evaluation/evaluator_executor.py", "Evaluator", "Gate Pusher Report"),
    ("linear_evaluation/gate.py", "Gate", "Pusher Report"),
    ("baselines/fitting.py", "Baselines", "Report"),
    ("export/publishing.py", "Pusher", "Report"),
    ("export/consumer.py", _NONE, _NONE),
    ("report/page.py", "Report", _NONE),
    ("report/report.html", "Report", _NONE),
    ("report/report.css", "Report", _NONE),
    ("report/report.js", "Report", _NONE),
    ("report/component.py", _NONE, _NONE),
    ("transfer/segmentation.py", _NONE, _NONE),
    ("contracts/import_graph.py", "Pusher Report", _NONE),
    ("contracts/records.py", _ALL_OF_OURS, "ExampleValidator"),
    ("__init__.py", _ALL_OF_OURS, "ExampleValidator"),
    ("../pipeline/graph.py", _NONE, _NONE),
    ("../pipeline/run_node.py", _NONE, _NONE),
    ("../pipeline/kfp/compilation.py", _NONE, _NONE),
    ("../pipeline/configs/digits.yaml", _NONE, _NONE),
]


class Step(NamedTuple):
    executor: str | None  # dotted name of the module; None for a resolver, which runs every time
    digest: str | None  # the parameter of the step
    producers: frozenset[str]  # names of the steps whose outputs it uses


@pytest.fixture(scope="module")
def steps():
    """Every step that a run can have, by name, in the order of the graph."""
    nodes = graph.create_pipeline(pipeline_config.load("digits", _ALL_STEPS)).components
    return {
        node.id: Step(
            None if isinstance(node, Resolver) else node.executor_spec.executor_class.__module__,
            node.exec_properties.get(artifact_files.CODE_DIGEST),
            frozenset(name for channel in node.inputs.values() for name in channel.get_data_dependent_node_ids()),
        )
        for node in nodes
    }


@pytest.fixture(scope="module")
def executors(steps):
    return {name: step.executor for name, step in steps.items() if step.digest}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the code; a test that edits it restores it."""
    root = tmp_path_factory.mktemp("copy")
    for package in ("components", "pipeline"):
        shutil.copytree(_ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def digests(executors, root):
    code = ImportGraph(root)
    return {name: code_digest(executor, graph=code) for name, executor in executors.items()}


@pytest.fixture(scope="module")
def unedited(executors, tree):
    return digests(executors, tree)


@pytest.mark.parametrize(("file", "whose_code", "with_new_inputs"), _TABLE, ids=[row[0] for row in _TABLE])
def test_an_edit_runs_these_steps_again(file, whose_code, with_new_inputs, steps, executors, tree, unedited):
    path = tree / "components" / file
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    try:
        edited = digests(executors, tree)
    finally:
        path.write_bytes(content)
    changed = {name for name in edited if edited[name] != unedited[name]}
    assert changed == set(whose_code.split())
    again = set(changed)
    for name, step in steps.items():
        if step.producers & again:
            again.add(name)
    assert {name for name in again if steps[name].executor} == {*whose_code.split(), *with_new_inputs.split()}


def test_the_table_has_a_row_for_every_folder():
    folders = {path.parent.name for path in (_ROOT / "components").glob("*/__init__.py")}
    assert folders <= {file.partition("/")[0] for file, _, _ in _TABLE}


def test_every_step_with_an_executor_of_this_project_has_its_digest(steps):
    for name, step in steps.items():
        is_ours = (step.executor or "").startswith("components.")
        assert step.digest == (code_digest(step.executor) if is_ours else None), name


def test_a_copy_elsewhere_has_the_same_digests(steps, unedited):
    assert unedited == {name: step.digest for name, step in steps.items() if step.digest}


def test_a_new_source_and_a_renamed_file_count(tree):
    def digest():
        return code_digest("components.ingestion.executor", graph=ImportGraph(tree))

    before = digest()
    sources = tree / "components/ingestion/reading/sources"
    (sources / "added.py").write_text("")
    added = digest()
    (sources / "added.py").rename(sources / "renamed.py")
    renamed = digest()
    (sources / "renamed.py").unlink()
    assert len({before, added, renamed}) == 3
    assert digest() == before


def test_an_unknown_module_is_an_error():
    with pytest.raises(ValueError, match=r"no module 'components\.kitchen\.executor'"):
        code_digest("components.kitchen.executor")


def test_the_digests_of_a_model_are_those_of_its_steps(steps):
    digests = model_code_digests()
    assert (digests["pretraining"], digests["export"]) == (steps["Trainer"].digest, steps["Pusher"].digest)


def test_no_kind_of_file_is_left_out():
    """If the digest ignored a kind of file, an edit of such a file would run no step again."""
    files = (path for path in (_ROOT / "components").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {path.suffix for path in files} == {".py", *DATA_SUFFIXES}
