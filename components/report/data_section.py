"""What the data was: images per split and class, files left out and why, and what ViewGen made of it."""

import dataclasses
from collections.abc import Mapping, Sequence

from components.contracts import records
from components.contracts.drift_record import DriftRecord
from components.contracts.ingestion_record import IngestionSummary, QuarantineEntry
from components.contracts.views_record import ViewsRecord
from components.contracts.window_record import WindowRecord
from components.report.scales import byte_size, percent, significant


@dataclasses.dataclass(frozen=True)
class Data:
    """Counts as the page shows them."""

    split_heads: list[str]
    splits: list[list[str]]  # a row per class, then one for all
    warnings: list[str]
    facts: list[tuple[str, str]]
    near_pairs: list[tuple[str, str, str]]  # path in train or unlabeled, path in test, differing bits of 64

    @property
    def split_numbers(self) -> list[int]:
        """Columns that hold numbers."""
        return list(range(1, len(self.split_heads)))


@dataclasses.dataclass(frozen=True)
class Drift:
    """How the images differ from those of the span before."""

    heading: str
    rows: list[tuple[str, ...]]  # under DRIFT_HEADS
    notes: list[str]


@dataclasses.dataclass(frozen=True)
class Window:
    """The images of each span that was trained on."""

    heads: list[str]
    rows: list[list[str]]  # a row per span, then one for all
    facts: list[tuple[str, str]]


DRIFT_HEADS = ("split", "of", "before", "now", "distance", "limit", "")


@dataclasses.dataclass(frozen=True)
class RefusedFiles:
    """The files left out for one reason."""

    reason: str
    count: int
    files: list[tuple[str, str]]  # path, sentence
    more: int  # files that are not listed


def data_section(ingestion: IngestionSummary) -> Data:
    """What the summary of ingestion says."""
    counts, classes = ingestion.records, ingestion.classes
    names = sorted({name for by_class in classes.values() for name in by_class})
    rows = [[name, *(_count(classes.get(split, {}).get(name)) for split in counts)] for name in names]
    rows.append(["all", *(_count(count) for count in counts.values())])
    return Data(
        split_heads=["class", *counts],
        splits=rows,
        warnings=list(ingestion.warnings),
        facts=_facts(ingestion),
        near_pairs=[(pair.path, pair.test_path, _count(pair.bits)) for pair in ingestion.near_duplicate_pairs],
    )


def _count(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _facts(ingestion: IngestionSummary) -> list[tuple[str, str]]:
    share = percent(ingestion.undecodable_fraction, 2)
    facts = [
        ("stored", byte_size(sum(ingestion.record_bytes.values()))),
        ("exact duplicates left out", significant(ingestion.duplicates)),
        ("same pixels under two labels", significant(ingestion.label_conflicts)),
        ("images of train that look like one of test", significant(ingestion.near_duplicates)),
        ("files that are no usable image", f"{significant(ingestion.undecodable)} ({share})"),
        ("gray in the source", percent(ingestion.gray_fraction)),
    ]
    if ingestion.white_level is not None:
        used = ", ".join(f"{bits} bits: {_count(number)}" for bits, number in ingestion.bits_of_deep_images.items())
        facts.append(("white in images of 16 bits", f"{_count(ingestion.white_level)} (they use {used})"))
    balance = _balance(ingestion.classes.get(records.TRAIN, {}))
    return facts + ([("largest to smallest train class", balance)] if balance else [])


def _balance(counts: Mapping[str, int]) -> str:
    if len(counts) < 2 or not min(counts.values()):
        return ""
    return f"{max(counts.values()) / min(counts.values()):.2f} to 1"


def drift_table(drift: DriftRecord) -> Drift:
    """What DistributionValidator measured; where nothing was compared, only why."""
    drifted = "drifted, accepted" if drift.is_accepted else "drifted"
    rows: list[tuple[str, ...]] = [
        (
            comparison.split,
            comparison.feature.replace("_", " "),
            comparison.before,
            comparison.now,
            significant(comparison.distance),
            significant(comparison.limit),
            drifted if comparison.has_drifted else "",
        )
        for comparison in drift.comparisons
    ]
    heading = "Drift from span to span"
    if drift.baseline_span is not None:
        heading = f"Span {drift.span} beside span {drift.baseline_span}"
    return Drift(heading, rows, list(drift.notes))


def window_table(window: WindowRecord) -> Window:
    """What TrainingWindow kept of each span."""
    totals = window.images
    rows = [[f"span {span.span}", *(_count(span.images.get(split)) for split in totals)] for span in window.spans]
    rows.append(["all", *(_count(count) for count in totals.values())])
    facts = [
        ("left out, because a span has them in test", _count(window.also_in_test)),
        ("left out, because a span has others of their group in test", _count(window.group_in_test)),
        ("left out, because a span has them too", _count(window.duplicates)),
        ("under another label in another span", _count(window.label_conflicts)),
    ]
    return Window(["trained on", *totals], rows, facts)


def refused_files(quarantine: Sequence[QuarantineEntry], limit: int) -> list[RefusedFiles]:
    """The quarantine by reason, most frequent first, at most ``limit`` files of each."""
    by_reason: dict[str, list[QuarantineEntry]] = {}
    for entry in quarantine:
        by_reason.setdefault(entry.reason, []).append(entry)
    groups = [_group(reason, entries, limit) for reason, entries in by_reason.items()]
    return sorted(groups, key=lambda group: -group.count)


def _group(reason: str, entries: Sequence[QuarantineEntry], limit: int) -> RefusedFiles:
    files = [(entry.path, entry.message) for entry in entries[:limit]]
    return RefusedFiles(reason.replace("_", " "), len(entries), files, len(entries) - len(files))


def view_facts(views: ViewsRecord) -> list[tuple[str, str]]:
    """What ViewGen wrote."""
    color = {1: "gray", 3: "RGB"}[views.channels]
    return [
        *((f"images, {split}", _count(count)) for split, count in views.images.items()),
        ("stored views per image", significant(views.views_per_image)),
        ("size", f"{views.size_px} × {views.size_px} px, {color}"),
        ("bytes", byte_size(views.bytes)),
    ]
