"""What every worker of an ingestion must know."""

from typing import NamedTuple

from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.decoder import DecodingRules
from components.ingestion.splits import bucket_count

NAMESPACE = "simclr.ingestion"  # of the Beam counters


class WorkOrder(NamedTuple):
    """The same for all workers."""

    root: str  # data root
    output_uri: str  # of the Examples artifact
    staging_folder: str
    images: int  # how many images the items name; an estimate if only reading the files can tell
    has_groups: bool  # whether an image may belong to a group
    config: IngestionConfig
    rules: DecodingRules

    @property
    def buckets(self) -> int:
        """Into how many buckets the copies are divided."""
        return bucket_count(self.images)
