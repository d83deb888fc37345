"""What may import what, declared once: pipeline → component → executor → logic → simclr and contracts.

Read from the import statements of every module, those inside functions included. ``ARCHITECTURE.md`` draws the same.
"""

import pathlib
from collections.abc import Iterator

from components.contracts.import_graph import ImportGraph

_GRAPH = ImportGraph(pathlib.Path(__file__).parents[1])
_OF_COMPONENTS = [module for module in _GRAPH.files if module.count(".") > 1 and module.startswith("components.")]

# What each folder of ``components`` uses of the others: a folder, or one module of it. All may use ``contracts``.
_ARROWS = {
    "augmentation": {"preprocessing.opencv_decoding", "simclr"},
    "baselines": {
        "augmentation.config",
        "features.extraction",
        "linear_evaluation",
        "preprocessing",
        "pretraining",
        "simclr",
    },
    "export": {"ingestion.config", "ingestion.decoding", "preprocessing.image_preparation", "simclr.encoders"},
    "features": {"simclr.encoders"},
    "linear_evaluation": {"features", "preprocessing", "simclr.encoders", "simclr.knn"},
    "pretraining": {"preprocessing", "simclr"},
    "report": {"linear_evaluation.intervals"},
    "transfer": {"linear_evaluation.intervals", "preprocessing.image_preparation", "simclr.config", "simclr.encoders"},
}
# The modules that know TFX. Components declare the steps; the others run them, or are called by TFX.
_COMPONENTS = {"component", "linear_evaluation.evaluator_component", "pretraining.tuner_component"}
_EXECUTORS = {
    "executor",
    "contracts.artifacts",
    "contracts.span_artifacts",
    "ingestion.driver",
    "linear_evaluation.blessing_resolver",
    "linear_evaluation.evaluator_executor",
    "linear_evaluation.gate_executor",
    "pretraining.trainer_module",
    "pretraining.tuner_executor",
    "pretraining.tuner_module",
    "validation.anomaly_gate_executor",
    "validation.drift_executor",
    "validation.schema_executor",
    "validation.schema_resolver",
    "validation.statistics_executor",
    "validation.statistics_resolver",
    "window.span_resolver",
}
_LOGIC, _EXECUTOR, _COMPONENT = range(3)
_TFX = {"tfx", "ml_metadata"}
_FRAMEWORKS = {*_TFX, "apache_beam", "keras", "tensorflow"}  # slow to import: reading a config needs none of them


def _folder(module: str) -> str:
    return module.split(".")[1]


def _layer(module: str) -> int:
    names = {module.removeprefix("components."), module.removeprefix(f"components.{_folder(module)}.")}
    return _COMPONENT if names & _COMPONENTS else _EXECUTOR if names & _EXECUTORS else _LOGIC


def _is_arrow(folder: str, module: str) -> bool:
    return any(f"{module}.".startswith(f"components.{used}.") for used in _ARROWS.get(folder, ()))


def _objections(module: str) -> Iterator[str]:
    """What is wrong with the imports of a module in ``components``."""
    folder, layer = _folder(module), _layer(module)
    for name in _GRAPH.imports(module):
        if name.partition(".")[0] in ("pipeline", "benchmarks", "tests"):
            yield f"{name}: a step may not know who uses it"
        elif name.partition(".")[0] in _TFX and layer == _LOGIC:
            yield f"{name}: logic does not know TFX"
        elif name.partition(".")[0] == "apache_beam" and folder == "simclr":
            yield f"{name}: the method does not know Beam"
        elif name.startswith("components."):
            if _folder(name) not in (folder, "contracts") and not _is_arrow(folder, name):
                yield f"{name}: {folder} has no arrow to it"
            if _folder(name) not in (folder, "contracts") and _layer(name) != _LOGIC:
                yield f"{name}: only the logic of another folder is for others"
            if _layer(name) > layer or _layer(name) == _COMPONENT:
                yield f"{name}: arrows within a folder point from component to executor to logic"


def test_every_import_follows_an_arrow():
    assert [f"{module} imports {why}" for module in _OF_COMPONENTS for why in _objections(module)] == []


def test_every_arrow_and_every_name_is_used():
    used = {(_folder(module), name) for module in _OF_COMPONENTS for name in _GRAPH.imports(module)}
    unused = {
        (folder, arrow)
        for folder, arrows in _ARROWS.items()
        for arrow in arrows
        if not any(folder == user and f"{name}.".startswith(f"components.{arrow}.") for user, name in used)
    }
    assert unused == set()
    in_folders = {name.removeprefix(f"components.{_folder(name)}.") for name in _OF_COMPONENTS}
    assert {*_COMPONENTS, *_EXECUTORS} <= {name.removeprefix("components.") for name in _OF_COMPONENTS} | in_folders


def test_reading_a_config_imports_no_framework():
    configs = [name for name in _OF_COMPONENTS if name.rpartition(".")[2] in ("config", "tuning_config")]
    assert len(configs) > 10
    imported = {name.partition(".")[0] for module in _GRAPH.reachable(configs) for name in _GRAPH.imports(module)}
    assert not imported & _FRAMEWORKS


def test_the_parts_of_the_pipeline_are_no_circle():
    arrows = {}
    for module in _GRAPH.files:
        if module.startswith("pipeline."):
            names = {_part(name) for name in _GRAPH.imports(module) if name.startswith("pipeline.")}
            arrows.setdefault(_part(module), set()).update(names - {_part(module)})
    while leaves := {part for part, names in arrows.items() if not names & arrows.keys()}:
        for part in leaves:
            del arrows[part]
    assert arrows == {}


def _part(module: str) -> str:
    """The folder of ``pipeline`` that a module lies in, or the module itself if it lies at the top."""
    return ".".join(module.split(".")[:2])
