"""Image files as a model wants to read them: decoded and stored again as ingestion did with its training images.

The settings that decide this travel with each version as plain values, so that a consumer needs no pipeline config.
"""

from collections.abc import Mapping
from typing import Any

from components.contracts import configuration
from components.contracts.images import ImageConfig
from components.ingestion.config import IngestionConfig

_IMAGE, _INGESTION = "image", "ingestion"
# The fields of IngestionConfig that decide pixels and bytes; the rest is about folders and splits.
_INGESTION_FIELDS = (
    *("stored_short_side_px", "stored_format", "jpeg_quality", "alpha_background"),
    *("max_pixels", "min_side_px", "max_aspect_ratio"),
)


def decoding_settings(ingestion_config: IngestionConfig, image_config: ImageConfig) -> dict[str, Any]:
    """The part of the two configs that ``FileReader`` needs, as plain values."""
    ingestion = configuration.to_mapping(ingestion_config)
    return {
        _IMAGE: configuration.to_mapping(image_config),
        _INGESTION: {field: ingestion[field] for field in _INGESTION_FIELDS},
    }


class FileReader:
    """Reads image files as ingestion read those the model was trained with."""

    def __init__(self, settings: Mapping[str, Any], source: str):
        """Take over the settings of a version.

        Args:
            settings: as ``decoding_settings`` gives them.
            source: where they came from, for the error message.

        Raises:
            ConfigError: ``settings`` hold something else.
        """
        # Not at the top: the Pusher needs the settings only, and Pillow and the encoder of records cost start-up time.
        from components.ingestion.decoding import decoder, stored_record

        self._config = configuration.from_mapping(IngestionConfig, dict(settings[_INGESTION]), source, _INGESTION)
        image_config = configuration.from_mapping(ImageConfig, dict(settings[_IMAGE]), source, _IMAGE)
        self._rules = decoder.decoding_rules(self._config, image_config)
        self._decode, self._encode = decoder.decode_image_bytes, stored_record.encode

    def read(self, encoded: bytes) -> bytes:
        """An image file of any accepted format as the 8-bit PNG or JPEG that would have been stored for it.

        Raises:
            RefusedImage: ingestion would have refused the file.
        """
        return self._encode(self._decode(encoded, self._rules), self._config)
