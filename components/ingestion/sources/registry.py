"""Which class reads which kind of source."""

import importlib

from components.ingestion.config import IngestionConfig, SourceKind
from components.ingestion.sources.source import Source

_CLASSES = {
    SourceKind.IMAGE_FOLDER: ("image_folder", "ImageFolder"),
    SourceKind.CIFAR_BINARY: ("cifar_binary", "CifarBinary"),
}


def open_source(root: str, config: IngestionConfig) -> Source:
    """The source that ``config.source`` names, on the data root ``root``; nothing is read yet."""
    module, name = _CLASSES[config.source]
    return getattr(importlib.import_module(f"components.ingestion.sources.{module}"), name)(root, config)
