import pytest

from components.augmentation.config import ViewsConfig
from components.contracts import configuration


def test_defaults_survive_json():
    config = ViewsConfig()
    assert configuration.from_json(ViewsConfig, configuration.to_json(config), "test") == config
    assert config.views_per_image >= 2


@pytest.mark.parametrize(
    "mapping, key",
    [
        ({"views_per_image": 1}, "views_per_image: a positive pair needs two different views"),
        ({"views_per_image": -1}, "views_per_image"),
        ({"eval_fraction": 0.0}, "eval_fraction"),
        ({"eval_fraction": 1.0}, "eval_fraction"),
        ({"crop": {"area_min": 0.9, "area_max": 0.5}}, r"crop: area_min \(0.9\) must not exceed area_max \(0.5\)"),
        ({"crop": {"aspect_min": 2.0}}, "crop: aspect_min"),
        ({"view_format": "webp"}, "view_format"),
        ({"shards": 3}, "shards: unknown key"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(mapping, key):
    with pytest.raises(configuration.ConfigError, match=f"views.yaml: views.{key}"):
        configuration.from_mapping(ViewsConfig, mapping, "views.yaml", "views")
