import json
import pathlib
import subprocess
import sys

import pytest
from ml_metadata import metadata_store
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler
from tfx.orchestration import data_types
from tfx.types import standard_artifacts

from components.contracts import artifact_files
from components.contracts.configuration import to_json
from components.contracts.images import ImageConfig
from components.ingestion.component import ImageExampleGen
from components.ingestion.config import IngestionConfig

ROOT = pathlib.Path(__file__).resolve().parents[3]
IMAGE_CONFIG = ImageConfig(size_px=16)


def test_spec():
    config = IngestionConfig(span_pattern="span-{SPAN}/", span=3)
    node = ImageExampleGen("/data", config, IMAGE_CONFIG)
    assert list(node.outputs) == ["examples"]
    assert node.outputs["examples"].type is standard_artifacts.Examples
    properties = node.exec_properties
    assert properties["input_base"] == "/data"
    assert properties[artifact_files.CONFIG] == to_json(config)
    assert properties[artifact_files.IMAGE_CONFIG] == to_json(IMAGE_CONFIG)
    assert len(properties[artifact_files.CODE_DIGEST]) == 64


def test_refuses_bad_arguments():
    with pytest.raises(ValueError, match="input_base: a folder of images expected"):
        ImageExampleGen("", IngestionConfig(), IMAGE_CONFIG)


def make_pipeline(node, folder):
    return tfx.dsl.Pipeline(
        "test",
        str(folder / "root"),
        components=[node],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folder / "m.db")),
        beam_pipeline_args=["--runner=FnApiRunner"],
    )


def test_run_time_parameters_and_the_driver_reach_the_ir(tmp_path):
    parameter = data_types.RuntimeParameter("data-root", str)
    node = ImageExampleGen(parameter, data_types.RuntimeParameter("ingestion", str), IMAGE_CONFIG)
    ir = compiler.Compiler().compile(make_pipeline(node, tmp_path))
    [compiled] = (each.pipeline_node for each in ir.nodes)
    assert compiled.parameters.parameters["input_base"].runtime_parameter.name == "data-root"
    assert compiled.parameters.parameters[artifact_files.CONFIG].runtime_parameter.name == "ingestion"
    assert "components.ingestion.driver.ImageExampleGenDriver" in str(ir.deployment_config)


def run(node, folder):
    """[(state, {property: value of the Examples})], oldest first."""
    pipeline = make_pipeline(node, folder)
    tfx.orchestration.LocalDagRunner().run(pipeline)
    store = metadata_store.MetadataStore(pipeline.metadata_connection_config)
    states = [execution.last_known_state for execution in store.get_executions()]
    found = []
    for artifact in store.get_artifacts_by_type("Examples"):
        values = {key: getattr(value, value.WhichOneof("value")) for key, value in artifact.custom_properties.items()}
        found.append((pathlib.Path(artifact.uri), artifact.properties["split_names"].string_value, values))
    return states, found


def test_runs_in_a_pipeline_and_comes_from_the_cache(make_files, tmp_path, monkeypatch):
    monkeypatch.setattr("components.ingestion.component.code_digest", lambda *rooms: "same")  # whoever edits meanwhile
    seeds = {f"span-7/train/{name}/{index}.png": f"{name} {index}" for name in "ab" for index in range(4)}
    seeds |= {f"span-7/test/{name}/0.png": name for name in "ab"} | {"span-7/unlabeled/0.png": "x"}
    root = make_files(seeds)
    (root / "span-7/train/a/bad.png").write_text("text")
    config = IngestionConfig(span_pattern="span-{SPAN}", max_undecodable_fraction=0.5)
    for attempt in range(2):
        states, found = run(ImageExampleGen(str(root), config, IMAGE_CONFIG), tmp_path)
        complete, cached = metadata_store_state("COMPLETE"), metadata_store_state("CACHED")
        assert states == [complete, cached][: attempt + 1]
        [(uri, split_names, values)] = found
    assert json.loads(split_names) == ["train", "test", "unlabeled"]
    assert values["span"] == values[artifact_files.DATA_SPAN] == 7
    assert (values["records_train"], values["records_test"], values["records_unlabeled"]) == (8, 2, 1)
    assert values["refused_unknown_format"] == 1
    assert (values["payload_format"], values["file_format"]) == ("FORMAT_TF_EXAMPLE", "tfrecords_gzip")
    summary = json.loads((uri / artifact_files.INGESTION_SUMMARY_FILE).read_text())
    assert values[artifact_files.CONTENT_DIGEST] == summary["content_digest"]
    assert values[artifact_files.SECONDS] > 0
    assert values["bytes_train"] == summary["record_bytes"]["train"] > 0
    assert summary["root"] == str(root / "span-7")

    (root / "span-7/train/a/9.png").write_bytes((root / "span-7/train/a/0.png").read_bytes())
    states, found = run(ImageExampleGen(str(root), config, IMAGE_CONFIG), tmp_path)
    assert states[2] == complete
    assert sorted(values.get("refused_duplicate", 0) for _, _, values in found) == [0, 1]


def test_a_manifest_with_spans_runs_in_a_pipeline(make_files, tmp_path):
    for span, number in (("2024-02-28", 30), ("2024-02-29", 50)):
        root = make_files({f"images/{index}.png": index for index in range(number)}, f"data/{span}/v3")
        rows = [f"images/{index}.png,{'ab'[index % 2]},patient {index % 25}" for index in range(number)]
        (root / "manifest.csv").write_text("\n".join(["path,label,group", *rows, "images/none.png,a,"]))
    config = IngestionConfig(source="manifest", span_pattern="{YYYY}-{MM}-{DD}/v{VERSION}", test_fraction=0.4)
    _, [(uri, _, values)] = run(ImageExampleGen(str(tmp_path / "data"), config, IMAGE_CONFIG), tmp_path)
    assert (values["span"], values["version"]) == (19782, 3)
    assert values["records_train"] + values["records_test"] == 50
    assert (values["refused_unreadable"], values.get("refused_group_conflict")) == (1, None)
    summary = json.loads((uri / artifact_files.INGESTION_SUMMARY_FILE).read_text())
    assert summary["root"] == str(tmp_path / "data/2024-02-29/v3")
    assert summary["source"] == "manifest"


def metadata_store_state(name):
    from ml_metadata.proto import metadata_store_pb2

    return metadata_store_pb2.Execution.State.Value(name)


def test_a_missing_folder_stops_the_pipeline(tmp_path):
    node = ImageExampleGen(str(tmp_path / "none"), IngestionConfig(), IMAGE_CONFIG)
    with pytest.raises(Exception, match=f"data root {tmp_path}/none: No such file or directory"):
        tfx.orchestration.LocalDagRunner().run(make_pipeline(node, tmp_path))


def test_config_imports_nothing_heavy():
    code = (
        "import sys, components.ingestion.config\n"
        "assert not {'tensorflow', 'apache_beam', 'tfx', 'numpy', 'PIL'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
