import dataclasses
import os

import pytest
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.contracts import artifact_files
from components.contracts.configuration import to_json
from components.ingestion.config import IngestionConfig
from components.ingestion.decoding.refusals import SourceError
from components.ingestion.driver import ImageExampleGenDriver


def resolve(root, config=None, span=None):
    """(folder, span, version, fingerprint) as the driver decides them."""
    config = config or IngestionConfig()
    if span is not None:
        config = dataclasses.replace(config, span=span)
    properties = {
        standard_component_specs.INPUT_BASE_KEY: str(root),
        artifact_files.CONFIG: to_json(config),
    }
    pipeline = data_types.PipelineInfo("", "")
    component = data_types.ComponentInfo("", "", pipeline)
    resolved = ImageExampleGenDriver(None).resolve_exec_properties(properties, pipeline, component)
    filled = example_gen_pb2.Input()
    proto_utils.json_to_proto(resolved[standard_component_specs.INPUT_CONFIG_KEY], filled)
    return filled.splits[0].pattern, resolved["span"], resolved["version"], resolved["input_fingerprint"]


def write(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_without_spans(tmp_path):
    write(tmp_path, "cat/deep/1.jpg", "dog/2.jpg")
    pattern, span, version, fingerprint = resolve(tmp_path)
    assert (pattern, span, version) == ("", 0, None)
    status = (tmp_path / "cat/deep/1.jpg").stat()
    os.utime(tmp_path / "cat/deep/1.jpg", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert resolve(tmp_path)[3] != fingerprint


@pytest.mark.parametrize(
    ("pattern", "names", "span", "expected"),
    [
        ("span-{SPAN}", ["span-2", "span-10", "span-9"], None, ("span-10", 10, None)),
        ("span-{SPAN}", ["span-2", "span-10", "span-9"], 2, ("span-2", 2, None)),
        ("s{SPAN:3}/v{VERSION}", ["s001/v1", "s002/v1", "s002/v12", "s002/v3"], None, ("s002/v12", 2, 12)),
        ("s{SPAN:3}/v{VERSION}", ["s001/v1", "s002/v1"], 1, ("s001/v1", 1, 1)),
        ("{YYYY}-{MM}-{DD}", ["1970-01-02", "2024-02-29", "2023-12-31"], None, ("2024-02-29", 19782, None)),
        ("{YYYY}-{MM}-{DD}", ["1970-01-02", "2024-02-29", "2023-12-31"], 1, ("1970-01-02", 1, None)),
    ],
)
def test_spans_versions_and_dates(tmp_path, pattern, names, span, expected):
    write(tmp_path, *(f"{name}/cat/1.jpg" for name in names))
    assert resolve(tmp_path, IngestionConfig(span_pattern=pattern), span)[:3] == expected


def test_no_span_of_a_neighbouring_folder_is_taken(tmp_path):
    write(tmp_path, "day[12]/span-3/cat/1.jpg", "day1/span-9/cat/1.jpg")
    assert resolve(tmp_path / "day[12]", IngestionConfig(span_pattern="span-{SPAN}"))[:2] == ("span-3", 3)


def test_only_the_files_of_the_span_count(tmp_path):
    config = IngestionConfig(span_pattern="span-{SPAN}")
    write(tmp_path, "span-1/cat/1.jpg", "span-2/cat/1.jpg")
    first = resolve(tmp_path, config)
    write(tmp_path, "span-1/cat/2.jpg")
    assert resolve(tmp_path, config) == first
    write(tmp_path, "span-2/cat/2.jpg")
    assert resolve(tmp_path, config) != first


def test_spans_of_every_source(source_data, tmp_path):
    source, write_source = source_data
    for name in ("2024-02-28/v2", "2024-02-29/v1", "2024-02-29/v12"):
        write_source(tmp_path / name)
    config = IngestionConfig(source=source, span_pattern="{YYYY}-{MM}-{DD}/v{VERSION}")
    first = resolve(tmp_path, config)
    assert first[:3] == ("2024-02-29/v12", 19782, 12)
    (tmp_path / "2024-02-29/v1/train.txt").write_text("x")
    assert resolve(tmp_path, config) == first
    path = min(path for path in (tmp_path / "2024-02-29/v12").rglob("*") if path.is_file())
    os.utime(path, ns=(0, 1))
    assert resolve(tmp_path, config)[3] != first[3]


def test_missing_data_is_told(tmp_path):
    with pytest.raises(SourceError, match=r"data root .*/none: No such file or directory"):
        resolve(tmp_path / "none")
    with pytest.raises(SourceError, match="no file in it; expected train/<class>/"):
        resolve(tmp_path)
    with pytest.raises(SourceError, match=r"a folder like ingestion.span_pattern = span-\{SPAN\} expected"):
        resolve(tmp_path, IngestionConfig(span_pattern="span-{SPAN}"))
    write(tmp_path, "span-1/cat/1.jpg")
    with pytest.raises(SourceError, match=r"a folder like ingestion\.span_pattern"):
        resolve(tmp_path, IngestionConfig(span_pattern="span-{SPAN}"), 5)
    with pytest.raises(SourceError, match="input_base: a folder of images expected"):
        resolve("")
