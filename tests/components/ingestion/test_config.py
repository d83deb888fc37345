import pytest

from components.contracts.configuration import ConfigError, from_json, from_mapping, to_json
from components.ingestion.config import IngestionConfig, StoredFormat


def test_defaults_survive_json():
    config = IngestionConfig(source="cifar_binary", stored_format=StoredFormat.PNG, alpha_background=(1, 2, 3))
    assert from_json(IngestionConfig, to_json(config), "test") == config
    assert config != IngestionConfig()


@pytest.mark.parametrize(("value", "mode"), [(False, "off"), ("off", "off"), ("report", "report")])
def test_off_may_be_written_as_yaml_reads_it(value, mode):
    assert from_mapping(IngestionConfig, {"near_duplicates": value}, "test").near_duplicates.value == mode


@pytest.mark.parametrize("pattern", ["", "span-{SPAN}", "span-{SPAN:3}/v{VERSION}/", "{YYYY}-{MM}-{DD}"])
def test_accepts_span_patterns(pattern):
    assert from_mapping(IngestionConfig, {"span_pattern": pattern}, "test").span_pattern == pattern


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"span": 3}, "span: 3 can't be chosen"),
        ({"span_pattern": "../{SPAN}"}, "span_pattern: a folder below the data root expected"),
        ({"span_pattern": "/data/{SPAN}"}, "span_pattern: a folder below the data root expected"),
        ({"span_pattern": "{WEEK}"}, "span_pattern: only {SPAN}"),
        ({"span_pattern": "span-*"}, "span_pattern: only {SPAN}"),
        ({"alpha_background": [0, 0, 256]}, "alpha_background: three values from 0 to 255 expected"),
        ({"test_folder": "train"}, "three different visible folder names expected"),
        ({"train_folder": "a/b"}, "three different visible folder names expected"),
        ({"test_fraction": 0}, "ingestion.test_fraction"),
        ({"max_pixels": 10**9}, "ingestion.max_pixels"),
        ({"near_duplicates": True}, "ingestion.near_duplicates"),
        ({"source": "folder"}, "ingestion.source: one of cifar100_binary, cifar_binary, "),
        ({"manifest": {"column": "x"}}, "ingestion.manifest.column: unknown key"),
    ],
)
def test_refuses(mapping, message):
    with pytest.raises(ConfigError) as caught:
        from_mapping(IngestionConfig, mapping, "x.yaml", "ingestion")
    assert message in str(caught.value)
    assert str(caught.value).startswith("x.yaml: ingestion")
