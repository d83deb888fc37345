"""Arrows point one way: the logic of a room never needs TFX, and no room but contracts and simclr serves another."""

import ast
import pathlib
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_COMPONENTS = _ROOT / "components"
# The files of a room that may know TFX: its doors, and what TFX itself calls by path.
_DOORS = (
    "component",
    "executor",
    "driver",
    "resolver",
    "artifacts",
    "beam_transforms",
    "evaluator_config",
    "trainer_module",
    "tuner_module",
)
# Ingestion's decoder, with its settings and its way to store an image, is the consumer's too, and the deterministic
# transform is shared by probe and serving.
_OPEN_ROOMS = {"contracts", "simclr", "preprocessing"}
_OPEN_MODULES = {
    "components.ingestion.config",
    "components.ingestion.decoding.decoder",
    "components.ingestion.decoding.refusals",
    "components.ingestion.decoding.stored_record",
}
# The probe reads what feature extraction wrote. What is trained for comparison sees what pretraining saw, and is judged
# as the probe is, so it uses their pieces. The code digests of their components name the rooms that they use.
_OPEN_TO = {
    "linear_evaluation": ("components.features",),
    "baselines": (
        "components.augmentation.config",
        "components.features",
        "components.linear_evaluation",
        "components.pretraining",
    ),
}


def _logic_modules():
    for path in sorted(_COMPONENTS.rglob("*.py")):
        if not any(path.stem.endswith(door) for door in _DOORS):
            yield ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_logic_imports_without_tfx():
    blocker = (
        "import importlib, sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tfx' or name.startswith('tfx.'):\n"
        "            raise ImportError('the logic imports ' + name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except ImportError as error:\n"
        "        sys.exit(f'{name}: {error}')\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", blocker, *_logic_modules()], cwd=_ROOT, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-2000:]


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", sorted(_COMPONENTS.rglob("*.py")), ids=lambda path: str(path.relative_to(_COMPONENTS)))
def test_rooms_import_only_contracts_and_the_method(path):
    room = path.relative_to(_COMPONENTS).parts[0]
    for name in _imports(path):
        if not name.startswith(("components.", "pipeline")):
            continue
        assert not name.startswith("pipeline"), f"{path}: a room may not know the graph"
        other = name.split(".")[1]
        is_open = other in _OPEN_ROOMS or any(
            name.startswith(module) for module in (*_OPEN_MODULES, *_OPEN_TO.get(room, ()))
        )
        assert other == room or is_open, f"{path} imports {name}"
