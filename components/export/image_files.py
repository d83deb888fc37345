"""Turns image files into what a model reads: decoded and stored again as ingestion did with the training images.

Each version of the registry carries the settings for this, so that a consumer needs no pipeline config.
"""

import pydantic

from components.contracts import configuration
from components.contracts.images import ImageConfig
from components.ingestion.config import IngestionConfig

# The fields of IngestionConfig that decide pixels and bytes; the rest is about folders and splits.
_INGESTION_FIELDS = (
    *("stored_short_side_px", "stored_format", "jpeg_quality", "alpha_background"),
    *("max_pixels", "min_side_px", "max_aspect_ratio"),
)


@configuration.configuration
class Decoding:
    """How image files become what a model reads."""

    image: ImageConfig
    ingestion: dict[str, pydantic.JsonValue]  # the fields of IngestionConfig that decide pixels and bytes


def decoding_settings(ingestion_config: IngestionConfig, image_config: ImageConfig) -> Decoding:
    """The part of the two configs that ``FileReader`` needs."""
    ingestion = configuration.to_mapping(ingestion_config)
    return Decoding(image=image_config, ingestion={field: ingestion[field] for field in _INGESTION_FIELDS})


class FileReader:
    """Reads image files as ingestion read the training images."""

    def __init__(self, decoding: Decoding, source: str):
        """Take over the settings of a version.

        Args:
            decoding: of the version.
            source: the file that holds them, for the error message.

        Raises:
            ConfigError: a setting of ingestion is unknown or has a wrong value.
        """
        # Imported here because the Pusher needs the settings only, and Pillow takes time to load.
        from components.ingestion.decoding import decoder, stored_record

        self._config = configuration.from_mapping(IngestionConfig, decoding.ingestion, source, "decoding.ingestion")
        self._rules = decoder.decoding_rules(self._config, decoding.image)
        self._decode, self._encode = decoder.decode_image_bytes, stored_record.encode

    def read(self, encoded: bytes) -> bytes:
        """Turn an image file of any accepted format into the 8-bit PNG or JPEG that ingestion would have stored.

        Raises:
            RefusedImage: ingestion would have refused it.
        """
        return self._encode(self._decode(encoded, self._rules), self._config)
