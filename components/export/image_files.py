"""Turns image files into what a model reads: decoded and stored again as ingestion did with the training images.

Each version of the registry carries the settings for this, so that a consumer needs no pipeline config.
"""

import pydantic

from components.contracts import configuration
from components.contracts.images import ImageConfig
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import Reason, RefusedImage

# The fields of IngestionConfig that decide pixels and bytes; the rest is about folders and splits.
_INGESTION_FIELDS = (
    *("stored_short_side_px", "stored_format", "jpeg_quality", "alpha_background"),
    *("max_pixels", "max_file_bytes", "min_side_px", "max_aspect_ratio", "white_level"),
)


@configuration.configuration
class Decoding:
    """How image files become what a model reads."""

    image: ImageConfig
    ingestion: dict[str, pydantic.JsonValue]  # the fields of IngestionConfig that decide pixels and bytes


def decoding_settings(
    ingestion_config: IngestionConfig, image_config: ImageConfig, white_level: int | None
) -> Decoding:
    """The part of the two configs that ``FileReader`` needs.

    Args:
        ingestion_config: settings of ingestion.
        image_config: settings of images.
        white_level: which ingestion found, None if no image had 16 bits.
    """
    ingestion = configuration.to_mapping(ingestion_config)
    if white_level is not None:
        ingestion["white_level"] = white_level
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
        from components.ingestion.decoding import decoder, local_file, stored_record

        self._config = configuration.from_mapping(IngestionConfig, decoding.ingestion, source, "decoding.ingestion")
        self._rules = decoder.decoding_rules(self._config, decoding.image)
        self._decode, self._encode = decoder.decode_image_bytes, stored_record.encode
        self._read_local = local_file.read_local

    def read_file(self, path: str) -> bytes:
        """The same for the file at ``path``; no pipe, device or file that is too large is read.

        Raises:
            OSError: it cannot be opened.
            RefusedImage: ingestion would have refused it.
        """
        return self.read(self._read_local(path, self._config.max_file_bytes))

    def read(self, encoded: bytes) -> bytes:
        """Turn an image file of any accepted format into the 8-bit PNG or JPEG that ingestion would have stored.

        Raises:
            RefusedImage: ingestion would have refused it.
        """
        if len(encoded) > self._config.max_file_bytes:
            message = f"{len(encoded)} bytes, at most {self._config.max_file_bytes} expected"
            raise RefusedImage(Reason.FILE_TOO_LARGE, message)
        return self._encode(self._decode(encoded, self._rules), self._config)
