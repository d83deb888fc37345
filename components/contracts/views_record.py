"""``views_summary.json`` (artifact_files.VIEWS_SUMMARY_FILE): what ViewGen wrote."""

from components.contracts.record_files import record


@record(version=1)
class ViewsRecord:
    """Counts and format of the views."""

    content_digest: str  # of all view records, whatever their order
    images: dict[str, int]  # by split, train and eval
    bytes: int
    views_per_image: int  # 0: each image is stored whole
    size_px: int
    channels: int  # 1 or 3
