"""What FeatureExtractor writes: ``features.json``, and a folder for each split.

``<split>/``, n labelled images in ascending order of digest::

    images.npz      DIGESTS, LABELS (class names) and GROUPS (equal where images belong together; the digest where an
                    image has no group): (n,) str
    <kind>.npy      (n, d) float32, for each ``FeatureKind`` in ``FeaturesSummary.dimensions``
"""

import pydantic

from components.contracts.evidence import FeatureKind
from components.contracts.record_files import record

IMAGES_FILE = "images.npz"
DIGESTS = "digests"
LABELS = "labels"
GROUPS = "groups"


@record(version=1)
class FeaturesSummary:
    """``features.json``."""

    encoder_digest: str  # of weights and BatchNorm statistics, the same before and after
    dimensions: dict[FeatureKind, int]
    counts: dict[str, int]  # labelled images by split
    config: dict[str, pydantic.JsonValue]  # FeaturesConfig
