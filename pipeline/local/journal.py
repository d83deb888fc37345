"""The journal of a work directory: one small file for each run, with its settings and how it ended.

It is written beside the log, first when the run starts, so that a run that was killed is in the list too. Reading it
needs neither TensorFlow nor ML Metadata.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pydantic

from components.contracts import configuration
from components.contracts.evidence import Verdict
from components.contracts.record_files import record, record_from_bytes, record_to_mapping
from components.export import durable_files
from components.report.settings_section import flat
from pipeline.config import PipelineConfig
from pipeline.workdir import Workdir

if TYPE_CHECKING:
    from pipeline.local.outcome import Outcome

_SUFFIX = ".json"


@configuration.configuration
class End:
    """How a run ended."""

    sentence: str  # the reason for the verdict, or what failed
    verdict: Verdict | None = None  # None: it failed before its end
    accuracy: float | None = None  # of the probe with all labels, on test


@record(version=1)
class Entry:
    """One run."""

    run: str  # its id, which begins with date and time in UTC
    data_root: str
    settings: dict[str, pydantic.JsonValue]  # PipelineConfig
    end: End | None = None  # None: it is running, or was killed


@dataclasses.dataclass(frozen=True)
class Row:
    """A run as a list shows it."""

    run: str
    verdict: str
    accuracy: str
    changes: str  # settings that differ from those of the run before


def start(workdir: Workdir, run: str, config: PipelineConfig) -> Entry:
    """Write the first entry of a run."""
    entry = Entry(run=run, data_root=workdir.data_root, settings=configuration.to_mapping(config))
    _write(workdir, entry)
    return entry


def finish(workdir: Workdir, entry: Entry, outcome: "Outcome") -> None:
    """Write how a run ended that came to its end."""
    accuracy = outcome.probe.encoder.accuracy
    end = End(sentence=outcome.reason, verdict=outcome.verdict, accuracy=accuracy)
    _write(workdir, dataclasses.replace(entry, end=end))


def fail(workdir: Workdir, entry: Entry, sentence: str) -> None:
    """Write why a run ended before its end."""
    _write(workdir, dataclasses.replace(entry, end=End(sentence=sentence)))


def rows(workdir: Workdir) -> Iterator[Row]:
    """The runs of a work directory, the oldest first.

    Raises:
        RecordError: an entry is damaged, or another version of this project wrote it.
    """
    before: Entry | None = None
    for path in sorted(workdir.log("").parent.glob(f"*{_SUFFIX}")):
        entry = record_from_bytes(Entry, path.read_bytes(), str(path))
        end = entry.end
        verdict = end.verdict.value if end and end.verdict else "failed" if end else "not ended"
        accuracy = f"{end.accuracy:.3f}" if end and end.accuracy is not None else ""
        yield Row(entry.run, verdict, accuracy, _changes(before, entry))
        before = entry


def _changes(before: Entry | None, entry: Entry) -> str:
    if before is None:
        return "the first run"
    old, new = (dict(flat({"data": one.data_root, **one.settings})) for one in (before, entry))
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return ", ".join(f"{key} {old.get(key, 'absent')} → {new.get(key, 'absent')}" for key in changed) or "same settings"


def _write(workdir: Workdir, entry: Entry) -> None:
    path: pathlib.Path = workdir.log(entry.run).with_name(f"{entry.run}{_SUFFIX}")
    path.parent.mkdir(parents=True, exist_ok=True)
    durable_files.write_whole(path, json.dumps(record_to_mapping(entry), indent=1, ensure_ascii=False) + "\n")
