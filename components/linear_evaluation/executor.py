"""LinearProbe's executor: opens the artifacts, runs the probe, writes the properties of model and report."""

import logging
import time
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.contracts import artifact_files, artifacts, configuration, records
from components.contracts.evidence import ProbeReport
from components.contracts.images import ImageConfig
from components.linear_evaluation import linear_probe
from components.linear_evaluation.config import LinearEvaluationConfig

_logger = logging.getLogger(__name__)

EXAMPLES = "examples"
ENCODER = "encoder"
TRANSFORM_GRAPH = "transform_graph"
FEATURES = "features"
MODEL = "model"
PROBE_REPORT = "probe_report"


class Executor(base_executor.BaseExecutor):
    """Measures a frozen encoder and exports it with its linear head."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write ``model`` and ``probe_report``."""
        started = time.monotonic()
        config = configuration.from_json(
            LinearEvaluationConfig, exec_properties[artifact_files.CONFIG], "LinearProbe config"
        )
        image_config = configuration.from_json(
            ImageConfig, exec_properties[artifact_files.IMAGE_CONFIG], "LinearProbe image_config"
        )
        encoder = artifact_utils.get_single_instance(input_dict[ENCODER])
        model = artifact_utils.get_single_instance(output_dict[MODEL])
        probe_report = artifact_utils.get_single_instance(output_dict[PROBE_REPORT])
        _logger.info(
            "LinearProbe: config %s, encoder %s, examples %s",
            configuration.digest(config),
            encoder.uri,
            [examples.uri for examples in input_dict[EXAMPLES]],
        )
        inputs = linear_probe.ProbeInputs(
            train_files=artifacts.record_files(input_dict[EXAMPLES], records.TRAIN),
            test_files=artifacts.record_files(input_dict[EXAMPLES], records.TEST),
            encoder_dir=path_utils.serving_model_dir(encoder.uri),
            transform_graph_dir=artifact_utils.get_single_uri(input_dict[TRANSFORM_GRAPH]),
            features_dir=artifact_utils.get_single_uri(input_dict[FEATURES]),
        )
        serving_model_dir = path_utils.serving_model_dir(model.uri)
        report = linear_probe.run_probe(inputs, serving_model_dir, probe_report.uri, config, image_config)
        seconds = time.monotonic() - started
        _write_properties(model, probe_report, report, seconds)
        artifacts.set_data_span(model, _span(input_dict[EXAMPLES]))
        _logger.info(
            "LinearProbe: accuracy %.4f on %d test images with %d train labels, %.1f s, model %s, report %s",
            report.encoder.accuracy,
            report.counts.test,
            report.counts.train,
            seconds,
            model.uri,
            probe_report.uri,
        )


def _span(examples: list[types.Artifact]) -> int | None:
    """The newest span among the examples."""
    spans = [span for span in map(artifacts.data_span, examples) if span is not None]
    return max(spans, default=None)


def _write_properties(model: types.Artifact, probe_report: types.Artifact, report: ProbeReport, seconds: float) -> None:
    for artifact in (model, probe_report):
        artifact.set_string_custom_property(artifact_files.CONTENT_DIGEST, report.content_digest)
        artifact.set_string_custom_property(artifact_files.CLASSES_DIGEST, configuration.digest(report.class_names))
        artifact.set_string_custom_property(artifact_files.TEST_SPLIT_DIGEST, report.test_split_digest)
        artifact.set_float_custom_property(artifact_files.SECONDS, seconds)
        artifact.set_float_custom_property(artifact_files.ACCURACY, report.encoder.accuracy)
    probe_report.set_int_custom_property("train_images", report.counts.train)
    probe_report.set_int_custom_property("test_images", report.counts.test)
    probe_report.set_float_custom_property(artifact_files.KNN_ACCURACY, report.encoder.knn_accuracy)
