"""Reads the file of a compiled graph without TFX, and checks its digest."""

import hashlib
import json
import pathlib

from components.contracts.configuration import ConfigError


def digest(text: str) -> str:
    """SHA-256 of a compiled graph's canonical JSON, 64 hex characters."""
    return hashlib.sha256(text.encode()).hexdigest()


def read(path: pathlib.Path, expected_digest: str) -> str:
    """The compiled graph in ``path``.

    Raises:
        ConfigError: there is no such file, or the run was compiled from another graph.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"no compiled graph in the image: {path}: {error.strerror}") from None
    if digest(text) != expected_digest:
        raise ConfigError(
            f"the image and the pipeline do not belong together: the graph in {path} has digest {digest(text)}, the "
            f"pipeline was compiled from {expected_digest}; compile the pipeline again with the code of this image"
        )
    return text


def pipeline_name(text: str) -> str:
    """Name of the pipeline whose compiled graph is ``text``."""
    return json.loads(text)["pipelineInfo"]["id"]


def node_ids(text: str) -> list[str]:
    """Ids of the graph's nodes, in the order of the IR, which is topological."""
    return [node["pipelineNode"]["nodeInfo"]["id"] for node in json.loads(text)["nodes"]]
