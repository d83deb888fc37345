"""Names and types of the features in the records that steps pass on.

An *image record* (ImageExampleGen) is one stored image with its light statistics. A *view record* (ViewGen) is one
image as several crops, without a label in split ``train``, or one labelled unaugmented image in split ``eval``.
"""

IMAGE = "image"  # bytes, PNG or JPEG, 8-bit RGB or gray: the stored image
LABEL = "label"  # bytes, UTF-8 class name; absent if the image has none
GROUP = "group"  # bytes, UTF-8, such as a patient: all images of a group are in the same split; absent if none
# bytes, 64 lower-case hex characters: SHA-256 of height, width, channels and the stored pixels, before a JPEG encoding
DIGEST = "digest"
PATH = "path"  # bytes, UTF-8: where the image came from, relative to the data root
HEIGHT = "height"  # int64, pixels, of the stored image
WIDTH = "width"  # int64, pixels, of the stored image
CHANNELS = "channels"  # int64, of the source image before conversion: 1 (gray) or 3 (colour)
ENCODED_BYTES = "encoded_bytes"  # int64, size of IMAGE
PIXEL_MEAN = "pixel_mean"  # float32, 0 to 255, over all pixels and channels of the stored image
PIXEL_STD = "pixel_std"  # float32, 0 to 127.5, likewise

VIEWS = "views"  # bytes list, PNG or JPEG: K crops of size_px x size_px (train), or the one stored image (K = 0, eval)

# Features that StatisticsGen reads: all but the image bytes.
STATISTICS_FEATURES = (HEIGHT, WIDTH, CHANNELS, ENCODED_BYTES, PIXEL_MEAN, PIXEL_STD, LABEL)

# Splits of image records. UNLABELED exists only if there are images without labels.
TRAIN = "train"
TEST = "test"
UNLABELED = "unlabeled"
# Splits of view records: TRAIN (train and unlabeled images, no labels) and EVAL (a labelled, held-out part of train).
EVAL = "eval"

# Features of the transform graph's output.
PIXELS = "pixels"  # float32 (size_px, size_px, channels), standardised by the channel moments
CHANNEL_MEAN = "channel_mean"  # float32 (channels,), 0 to 255
CHANNEL_STD = "channel_std"  # float32 (channels,), 0 to 127.5
LABEL_INDEX = "label_index"  # int64 scalar, index into the label vocabulary, -1 out of vocabulary

# Name of the label vocabulary in the transform graph.
LABEL_VOCABULARY = "label_vocabulary"
