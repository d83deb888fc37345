"""Baselines' executor: opens the artifacts, trains and measures every method, writes the numbers."""

import logging
import time
from typing import Any, TypeVar

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.augmentation.config import ViewsConfig
from components.baselines import comparison
from components.baselines.config import BaselinesConfig
from components.contracts import artifact_files, artifacts, configuration, records
from components.contracts.baseline_record import BaselinesReport
from components.contracts.images import ImageConfig
from components.contracts.record_files import write_record
from components.linear_evaluation.config import LinearEvaluationConfig
from components.preprocessing import moments
from components.pretraining import checkpoints

Config = TypeVar("Config")

_logger = logging.getLogger(__name__)

EXAMPLES = "examples"
ENCODER = "encoder"
TRANSFORM_GRAPH = "transform_graph"
PROBE_REPORT = "probe_report"
BASELINES = "baselines"
LINEAR_EVALUATION_CONFIG = "linear_evaluation_config"
VIEWS_CONFIG = "views_config"


class Executor(base_executor.BaseExecutor):
    """Compares the probe of the pretrained encoder with other ways to the same classes."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write ``baselines``."""
        started = time.monotonic()

        def config_of(cls: type[Config], parameter: str) -> Config:
            return configuration.from_json(cls, exec_properties[parameter], f"Baselines {parameter}")

        protocol = comparison.Protocol(
            config=config_of(BaselinesConfig, artifact_files.CONFIG),
            linear_evaluation=config_of(LinearEvaluationConfig, LINEAR_EVALUATION_CONFIG),
            image=config_of(ImageConfig, artifact_files.IMAGE_CONFIG),
        )
        report = artifact_utils.get_single_instance(output_dict[BASELINES])
        mean, std = moments.channel_moments(artifact_utils.get_single_uri(input_dict[TRANSFORM_GRAPH]))
        inputs = comparison.Inputs(
            train_files=artifacts.record_files(input_dict[EXAMPLES], records.TRAIN),
            test_files=artifacts.record_files(input_dict[EXAMPLES], records.TEST),
            encoder_dir=path_utils.serving_model_dir(artifact_utils.get_single_uri(input_dict[ENCODER])),
            probe_dir=artifact_utils.get_single_uri(input_dict[PROBE_REPORT]),
            mean=mean,
            std=std,
            stored_crop=config_of(ViewsConfig, VIEWS_CONFIG).crop,
            checkpoints_root=checkpoints.root(report.uri),
            code_digest=exec_properties[artifact_files.CODE_DIGEST],
        )
        _logger.info(
            "Baselines: config %s, encoder %s, probe %s",
            configuration.digest(protocol.config),
            inputs.encoder_dir,
            inputs.probe_dir,
        )
        found = comparison.compare(inputs, protocol)
        write_record(f"{report.uri}/{artifact_files.BASELINES_FILE}", found)
        seconds = time.monotonic() - started
        report.set_float_custom_property(artifact_files.SECONDS, seconds)
        _log(found, seconds, report.uri)


def _log(found: BaselinesReport, seconds: float, uri: str) -> None:
    for method, results in found.methods.items():
        accuracies = ", ".join(f"{result.fraction:g}: {result.accuracy_mean:.4f}" for result in results)
        _logger.info("%s at each label fraction: %s", method.value, accuracies)
    _logger.info("Baselines: %.1f s, %s", seconds, uri)
