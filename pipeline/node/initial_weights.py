"""Resolves the name of initial weights, such as a version in a registry, to a file and the digest of its content.

This happens when a run starts, so that new content under an old name is not taken from the cache.
"""

import dataclasses
import pathlib

from components.contracts import signatures
from components.contracts.configuration import ConfigError
from components.contracts.paths import is_uri
from components.export import registry
from components.simclr.config import IMAGENET
from pipeline.config import PipelineConfig


def resolved(config: PipelineConfig) -> PipelineConfig:
    """The config with the path of the file that ``pretraining.encoder.initial_weights`` names, and with its digest.

    Raises:
        ConfigError: there is no such file, version or alias, or the file has another digest than
            ``initial_weights_digest``.
    """
    encoder = config.pretraining.encoder
    if encoder.initial_weights in (None, IMAGENET):
        return config
    # Imported here because it loads Keras, which most runs do not need yet.
    from components.simclr.encoders import initial_weights

    try:
        encoder = dataclasses.replace(encoder, initial_weights=find_file(encoder.initial_weights))
        encoder = initial_weights.with_digest(encoder)
    except ValueError as error:
        raise ConfigError(f"pretraining.{str(error).removeprefix('pretraining.')}") from None
    return dataclasses.replace(config, pretraining=dataclasses.replace(config.pretraining, encoder=encoder))


def find_file(name: str) -> str:
    """The ``.keras`` file behind a name.

    Args:
        name: a ``.keras`` file (a URI too), a version's folder, ``<registry>/<model>`` for the blessed version, or
            ``<registry>/<model>/<alias>``.

    Returns:
        An absolute path, or the URI as it is.

    Raises:
        ValueError: nothing has this name.
    """
    if is_uri(name):
        return name
    path = pathlib.Path(name).absolute()
    if path.is_file():
        return str(path)
    folder = _version_folder(path)
    file = folder / signatures.ENCODER_FILE
    if not file.is_file():
        raise ValueError(
            f"encoder.initial_weights: {name} is neither a .keras file, nor a model, version or alias in a registry: "
            f"there is no {file}"
        )
    return str(file)


def _version_folder(path: pathlib.Path) -> pathlib.Path:
    model, version = (path, registry.BLESSED) if (path / registry.INDEX_FILE).is_file() else (path.parent, path.name)
    if not (model / registry.INDEX_FILE).is_file():
        return path
    return registry.version_folder(model.parent, model.name, registry.find_version(model.parent, model.name, version))
