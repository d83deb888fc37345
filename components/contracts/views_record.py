"""Keys of ``views_summary.json`` (artifact_files.VIEWS_SUMMARY_FILE): what ViewGen wrote."""

CONTENT_DIGEST = "content_digest"
RECORDS = "records"  # {split: images}
BYTES = "bytes"
VIEWS_PER_IMAGE = "views_per_image"
SIZE_PX = "size_px"
CHANNELS = "channels"
