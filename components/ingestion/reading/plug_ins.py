"""Finds the source that a setting names: ``ingestion.source: digits`` is the file ``sources/digits.py``.

Apart from ``source``, so that code that only handles images does not depend on every source.
"""

import importlib

from components.ingestion.config import IngestionConfig
from components.ingestion.reading.source import Source


def open_source(root: str, config: IngestionConfig) -> Source:
    """The source that ``config.source`` names, on the data root ``root``; nothing is read yet."""
    return importlib.import_module(f"components.ingestion.reading.sources.{config.source}").open_source(root, config)
