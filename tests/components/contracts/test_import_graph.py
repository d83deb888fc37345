import textwrap

import pytest

from components.contracts.import_graph import ImportGraph

_FILES = {
    "components/__init__.py": "",
    "components/a/__init__.py": "from components.b import made_here",
    "components/a/one.py": "",
    "components/a/two.py": "import numpy as np",
    "components/b/__init__.py": "made_here = 1",
    "components/b/three.py": "",
    "pipeline/__init__.py": "",
}


@pytest.fixture
def graph_with(tmp_path):
    """The graph of a small project in which ``components.a.here`` has the given source."""

    def make(source):
        for name, content in {**_FILES, "components/a/here.py": textwrap.dedent(source)}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return ImportGraph(tmp_path)

    return make


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("import components.a.one", {"components.a.one"}),
        ("import components.a.one as one, json", {"components.a.one", "json"}),
        ("from components.a import one", {"components.a.one"}),
        ("from components.a.one import f", {"components.a.one"}),
        ("from components.a.one import *", {"components.a.one"}),
        ("from components.b import made_here, three", {"components.b", "components.b.three"}),
        ("from . import one", {"components.a.one"}),
        ("from .one import f", {"components.a.one"}),
        ("from ..b import three", {"components.b.three"}),
        ("from tfx.types import artifact", {"tfx.types.artifact"}),
        ("def f():\n    from components.a import one", {"components.a.one"}),
        ("try:\n    import json\nexcept ImportError:\n    import components.a.one", {"json", "components.a.one"}),
        ("import importlib\nimportlib.import_module('components.a.one')", {"importlib", "components.a.one"}),
        ("importlib.import_module(f'components.b.{name}')", {"components.b.three"}),
        ("RUN_FN = 'components.a.one.run_fn'", {"components.a.one"}),
        ("'''See components.a.one.'''", set()),
        ("NAME = 'components.'", set()),
    ],
)
def test_imports_are_found_in_the_source(source, imported, graph_with):
    assert graph_with(source).imports("components.a.here") == imported


def test_what_is_imported_for_types_never_runs(graph_with):
    graph = graph_with(
        """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from components.a import one
        else:
            from components.a import two
        """
    )
    assert graph.imports("components.a.here") == {"typing.TYPE_CHECKING", "components.a.two"}


def test_a_module_reaches_what_its_imports_and_its_packages_import(graph_with):
    graph = graph_with("from components.a import two")
    reached = {"components", "components.a", "components.b", "components.a.here", "components.a.two"}
    assert graph.reachable(["components.a.here"]) == reached


def test_modules_that_import_each_other_are_no_endless_loop(graph_with):
    graph = graph_with("from components.a import here")
    assert "components.a.here" in graph.reachable(["components.a.here"])


def test_a_name_that_only_running_tells_is_an_error(graph_with):
    graph = graph_with("import importlib\nimportlib.import_module(name)")
    with pytest.raises(ValueError, match=r"components/a/here\.py: line 2: import_module expects a literal .*got name"):
        graph.reachable(["components.a.here"])


def test_an_unknown_module_is_an_error(graph_with):
    with pytest.raises(ValueError, match=r"no module 'components\.a\.gone' below"):
        graph_with("").imports("components.a.gone")
