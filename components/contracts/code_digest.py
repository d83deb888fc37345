"""Digest of the source code that a step runs, so that a step whose code was edited is not served from the cache.

TFX's cache key holds parameters and input artifacts but no code. Each step therefore has a parameter with the digest of
exactly those files of this project that its executor can import. Drivers and resolvers do not count: they run every
time, and their results are in the cache key.
"""

import functools
import hashlib
import os
import pathlib
from collections.abc import Iterable

from components.contracts.import_graph import ImportGraph

DATA_SUFFIXES = (".css", ".html", ".js")  # of files that a package's modules open: the templates of the report
# The executors of the steps that decide what a model is and what it is worth, by folder below ``components``.
_MODEL_EXECUTORS = {
    "ingestion": ("executor",),
    "preprocessing": ("executor",),
    "augmentation": ("executor",),
    "pretraining": ("executor",),
    "features": ("executor",),
    "linear_evaluation": ("executor", "evaluator_executor", "gate_executor"),
    "export": ("executor",),
}


@functools.cache
def _installed() -> ImportGraph:
    """The code that this process runs: what is edited later counts in the next process, as it does in Python."""
    return ImportGraph(pathlib.Path(__file__).resolve().parents[2])


def code_digest(*executors: str, graph: ImportGraph | None = None) -> str:
    """SHA-256 over names and contents of all files that these modules depend on.

    Args:
        executors: dotted names of modules, such as ``"components.ingestion.executor"``.
        graph: the code; None for the installed one.

    Returns:
        64 hex characters, the same wherever the project is installed.

    Raises:
        ValueError: a module does not exist, or what it imports is known only when it runs.
    """
    graph = graph or _installed()
    hasher = hashlib.sha256()
    for file in _files(executors, graph):
        for part in (file.encode(), graph.read(file)):
            hasher.update(len(part).to_bytes(8, "big") + part)
    return hasher.hexdigest()


def model_code_digests() -> dict[str, str]:
    """Digest by folder of what the steps in it run; folders in the order of the data."""
    return {
        folder: code_digest(*(f"components.{folder}.{name}" for name in names))
        for folder, names in _MODEL_EXECUTORS.items()
    }


def _files(executors: Iterable[str], graph: ImportGraph) -> list[str]:
    """The source files of all modules reached, and the data files in the packages reached, sorted by name."""
    sources = {graph.files[module] for module in graph.reachable(executors)}
    folders = {source.rpartition("/")[0] for source in sources}
    data = {
        f"{folder}/{name}"
        for folder in folders
        for name in os.listdir(graph.root / folder)
        if name.endswith(DATA_SUFFIXES)
    }
    return sorted(sources | data)
