"""What feature extraction writes down: keys of ``features.json`` and the files of one split beside it.

``features.json`` (artifact_files.FEATURES_FILE)::

    {ENCODER_DIGEST: str (of weights and BatchNorm statistics, the same before and after),
     DIMENSIONS: {evidence.ENCODER | evidence.RANDOM_ENCODER | evidence.RAW_PIXELS: int}, COUNTS: {split: int},
     CONFIG: {...}}

``<split>/``, n labelled images in ascending order of digest::

    images.npz      DIGESTS, LABELS (class names) and GROUPS (equal where images belong together; the digest where an
                    image has none): (n,) str
    <features>.npy  (n, d) float32
"""

ENCODER_DIGEST = "encoder_digest"
DIMENSIONS = "dimensions"
COUNTS = "counts"
CONFIG = "config"

IMAGES_FILE = "images.npz"
DIGESTS = "digests"
LABELS = "labels"
GROUPS = "groups"
