import pytest

from components.contracts import configuration
from components.contracts.configuration import ConfigError
from components.linear_evaluation.config import GateConfig, LinearEvaluationConfig


@pytest.mark.parametrize("config", [LinearEvaluationConfig(), GateConfig(), GateConfig(min_class_recall=0.5)])
def test_survives_json(config):
    assert configuration.from_json(type(config), configuration.to_json(config), "test") == config


@pytest.mark.parametrize(
    ("cls", "mapping", "message"),
    [
        (LinearEvaluationConfig, {"label_fractions": [1.0, 0.1]}, "ascending fractions"),
        (LinearEvaluationConfig, {"label_fractions": [0.0, 1.0]}, "ascending fractions"),
        (LinearEvaluationConfig, {"label_fractions": [0.1]}, "last fraction must be 1.0"),
        (LinearEvaluationConfig, {"label_fractions": []}, "label_fractions"),
        (LinearEvaluationConfig, {"l2_strengths": [0.1, 1.0]}, "falling positive strengths"),
        (LinearEvaluationConfig, {"l2_strengths": [1.0, 0.0]}, "falling positive strengths"),
        (LinearEvaluationConfig, {"knn_temperature": 0.0}, "knn_temperature"),
        (LinearEvaluationConfig, {"label_draws": "5"}, "label_draws"),
        (LinearEvaluationConfig, {"knn": 3}, "knn: unknown key"),
        (GateConfig, {"min_accuracy": 1.5}, "min_accuracy"),
        (GateConfig, {"min_test_images": 0}, "min_test_images"),
    ],
)
def test_refuses(cls, mapping, message):
    with pytest.raises(ConfigError, match=message):
        configuration.from_mapping(cls, mapping, "test.yaml")
