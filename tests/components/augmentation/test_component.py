import pytest
from tfx import types
from tfx.types import standard_artifacts

from components.augmentation.component import ViewGen
from components.augmentation.config import ViewsConfig
from components.contracts import artifact_files, configuration
from components.contracts.code_digest import code_digest
from components.contracts.images import ImageConfig


def test_component_hands_over_configs_and_the_digest_of_its_code():
    config, image_config = ViewsConfig(views_per_image=4), ImageConfig(size_px=32)
    component = ViewGen(types.Channel(type=standard_artifacts.Examples), config, image_config)
    assert component.exec_properties == {
        artifact_files.CONFIG: configuration.to_json(config),
        artifact_files.IMAGE_CONFIG: configuration.to_json(image_config),
        artifact_files.CODE_DIGEST: code_digest("components.augmentation.executor"),
    }
    assert component.outputs["views"].type is standard_artifacts.Examples
    assert list(component.inputs) == ["examples"]


def test_another_kind_of_input_is_refused():
    with pytest.raises(TypeError, match="Examples"):
        ViewGen(types.Channel(type=standard_artifacts.Schema), ViewsConfig(), ImageConfig())
