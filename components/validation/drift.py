"""Drift between two spans: TFDV's measurements in, comparisons with their numbers and sentences out."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from components.contracts import drift_record, records
from components.validation.config import ValidationConfig

# What is measured of the images themselves; TFDV compares histograms of them.
IMAGE_FEATURES = (
    records.HEIGHT,
    records.WIDTH,
    records.CHANNELS,
    records.ENCODED_BYTES,
    records.PIXEL_MEAN,
    records.PIXEL_STD,
)


class SplitStatistics(NamedTuple):
    """Statistics of one split in the span before and in the new one."""

    before: statistics_pb2.DatasetFeatureStatistics
    now: statistics_pb2.DatasetFeatureStatistics


def limits(config: ValidationConfig) -> dict[str, float]:
    """How far each feature may drift; features without a limit are left out."""
    by_feature = {records.LABEL: config.max_label_drift, **dict.fromkeys(IMAGE_FEATURES, config.max_image_drift)}
    return {feature: limit for feature, limit in by_feature.items() if limit is not None}


def comparable(splits: Mapping[str, SplitStatistics], min_images: int) -> tuple[list[str], list[str]]:
    """Which splits have enough images to tell a drift from chance.

    Args:
        splits: those that both spans have.
        min_images: fewer in either span are too few.

    Returns:
        The splits to compare, and a sentence about each of the others.
    """
    chosen, notes = [], []
    for split, (before, now) in splits.items():
        if min(before.num_examples, now.num_examples) >= min_images:
            chosen.append(split)
        else:
            notes.append(
                f"split {split} is not compared: {before.num_examples} images before and {now.num_examples} now, at "
                f"least {min_images} expected (validation.min_drift_images)"
            )
    return chosen, notes


def nothing_before(span: int | None) -> str:
    """A sentence about a span without one to compare it with; None where the data has no spans."""
    what = "the data has no spans" if span is None else f"span {span} has no span before it"
    return f"{what}, so there is nothing to compare with"


def comparisons(
    split: str, measured: anomalies_pb2.Anomalies, statistics: SplitStatistics, config: ValidationConfig
) -> list[dict[str, Any]]:
    """Every feature of a split beside what it was.

    Args:
        split: its name.
        measured: what TFDV says of it.
        statistics: from which it says so.
        config: the limits.

    Returns:
        Mappings with the keys of ``drift_record``, in the order of ``limits``.

    Raises:
        ValueError: TFDV did not compare a feature that both spans have, or one of them lacks it.
    """
    by_feature = {info.path.step[0]: info.drift_measurements[0].value for info in measured.drift_skew_info}
    described = []
    for feature, limit in limits(config).items():
        if feature == records.LABEL and split == records.UNLABELED:
            continue
        if feature not in by_feature:
            raise ValueError(f"split {split}, feature {feature}: TFDV did not compare it with the span before")
        distance = by_feature[feature]
        is_label = feature == records.LABEL
        before, now = (_labels if is_label else _numbers)(feature, statistics)
        described.append(
            {
                drift_record.SPLIT: split,
                drift_record.FEATURE: feature,
                drift_record.MEASURE: drift_record.LABEL_SHARE if is_label else drift_record.DIVERGENCE,
                drift_record.DISTANCE: distance,
                drift_record.LIMIT: limit,
                drift_record.BEFORE: before,
                drift_record.NOW: now,
                drift_record.DRIFTED: distance > limit,
            }
        )
    return described


def sentences(record: Mapping[str, Any]) -> list[str]:
    """One sentence for each drift that nobody accepted.

    Args:
        record: content of ``artifact_files.DRIFT_FILE``.
    """
    if record[drift_record.ACCEPTED]:
        return []
    spans = f"span {record[drift_record.SPAN]}", f"span {record[drift_record.BASELINE_SPAN]}"
    keys = {records.LABEL: "validation.max_label_drift"}
    return [
        f"split {drift[drift_record.SPLIT]}, feature {drift[drift_record.FEATURE]} drifted: "
        f"{drift[drift_record.NOW]} in {spans[0]}, {drift[drift_record.BEFORE]} in {spans[1]} "
        f"({drift[drift_record.MEASURE]} {drift[drift_record.DISTANCE]:.3f}, "
        f"{keys.get(drift[drift_record.FEATURE], 'validation.max_image_drift')} is {drift[drift_record.LIMIT]:g})."
        for drift in record[drift_record.COMPARISONS]
        if drift[drift_record.DRIFTED]
    ]


def _labels(feature: str, statistics: SplitStatistics) -> tuple[str, str]:
    """The class whose share changed most, with its share before and now."""
    before, now = (_shares(_find(feature, dataset)) for dataset in statistics)
    names: Sequence[str] = sorted({*before, *now})
    name = max(names, key=lambda name: abs(now.get(name, 0.0) - before.get(name, 0.0)))
    return f"class {name} {before.get(name, 0.0):.1%}", f"class {name} {now.get(name, 0.0):.1%}"


def _shares(feature: statistics_pb2.FeatureNameStatistics) -> dict[str, float]:
    buckets = feature.string_stats.rank_histogram.buckets
    total = sum(bucket.sample_count for bucket in buckets)
    return {bucket.label: bucket.sample_count / total for bucket in buckets}


def _numbers(feature: str, statistics: SplitStatistics) -> tuple[str, str]:
    before, now = (_find(feature, dataset).num_stats for dataset in statistics)
    return f"{before.mean:.4g} ± {before.std_dev:.2g}", f"{now.mean:.4g} ± {now.std_dev:.2g}"


def _find(feature: str, statistics: statistics_pb2.DatasetFeatureStatistics) -> statistics_pb2.FeatureNameStatistics:
    return next(found for found in statistics.features if found.path.step[:] == [feature])
