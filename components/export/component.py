"""Pusher: TFX's component with this room's executor, which pushes into the registry."""

from tfx import types
from tfx.components import Pusher as TfxPusher
from tfx.dsl.components.base import executor_spec

from components.contracts import artifacts, configuration
from components.contracts.code_digest import code_digest
from components.contracts.images import ImageConfig
from components.export import executor
from components.export.config import ExportConfig
from components.export.image_files import decoding_settings
from components.ingestion.config import IngestionConfig


class Pusher(TfxPusher):
    """The evaluated model and its blessing in, a version of the registry out."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        registry: str,
        config: ExportConfig,
        ingestion_config: IngestionConfig,
        image_config: ImageConfig,
    ):
        """Make the step.

        Args:
            model: channel of the model that was evaluated.
            model_blessing: channel of the Gate's verdict on it.
            registry: folder of the registry, a place the runner knows.
            config: settings of this room.
            ingestion_config: how image files were decoded; consumers decode theirs the same way.
            image_config: what the encoder sees.

        Raises:
            ValueError: ``registry`` is not a folder of a file system.
        """
        if "://" in registry:
            raise ValueError(f"the registry must be a folder of a mounted file system, found {registry!r}")
        super().__init__(
            model=model,
            model_blessing=model_blessing,
            custom_config={
                artifacts.CONFIG: configuration.to_json(config),
                artifacts.CODE_DIGEST: code_digest("export"),
                executor.REGISTRY: registry,
                executor.DECODING: decoding_settings(ingestion_config, image_config),
            },
        )
