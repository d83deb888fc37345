"""Drift between two spans: TFDV's measurements in, comparisons with their numbers and sentences out."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from components.contracts import records
from components.contracts.drift_record import Comparison, DriftRecord, Measure
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
    """A sentence that says why a span is compared with nothing; ``span`` is None if the data has no spans."""
    what = "the data has no spans" if span is None else f"span {span} has no span before it"
    return f"{what}, so there is nothing to compare with"


def comparisons(
    split: str, measured: anomalies_pb2.Anomalies, statistics: SplitStatistics, config: ValidationConfig
) -> list[Comparison]:
    """Compare every feature of a split with what it was.

    Args:
        split: its name.
        measured: TFDV's distances.
        statistics: of the split, before and now; the distances were computed from them.
        config: the limits.

    Returns:
        One comparison per feature, in the order of ``limits``.

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
        is_label = feature == records.LABEL
        before, now = (_labels if is_label else _numbers)(feature, statistics)
        described.append(
            Comparison(
                split=split,
                feature=feature,
                measure=Measure.LABEL_SHARE if is_label else Measure.DIVERGENCE,
                distance=by_feature[feature],
                limit=limit,
                before=before,
                now=now,
            )
        )
    return described


def sentences(record: DriftRecord) -> list[str]:
    """One sentence for each drift that nobody accepted."""
    if record.is_accepted:
        return []
    keys = {Measure.LABEL_SHARE: "validation.max_label_drift", Measure.DIVERGENCE: "validation.max_image_drift"}
    return [
        f"split {found.split}, feature {found.feature} drifted: {found.now} in span {record.span}, {found.before} in "
        f"span {record.baseline_span} ({found.measure.value} {found.distance:.3f}, {keys[found.measure]} is "
        f"{found.limit:g})."
        for found in record.comparisons
        if found.has_drifted
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
