"""The nodes between ingestion and everything that learns: statistics, schema, drift, AnomalyGate."""

from tfx import types
from tfx.components import DistributionValidator as TfxDistributionValidator
from tfx.components import SchemaGen as TfxSchemaGen
from tfx.components import StatisticsGen as TfxStatisticsGen
from tfx.dsl.components.base import base_beam_component, base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import json_utils

from components.contracts import artifact_files, artifacts, configuration, records
from components.contracts.code_digest import code_digest
from components.validation import anomaly_gate_executor, drift_executor, schema_executor, statistics_executor
from components.validation.config import ValidationConfig


class StatisticsGenSpec(standard_component_specs.StatisticsGenSpec):
    """TFX's spec and the code digest."""

    PARAMETERS = {
        **standard_component_specs.StatisticsGenSpec.PARAMETERS,
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
    }


class StatisticsGen(TfxStatisticsGen):
    """Image records in, statistics of their light features out."""

    SPEC_CLASS = StatisticsGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(statistics_executor.Executor)

    def __init__(self, examples: types.BaseChannel):
        spec = StatisticsGenSpec(
            **{
                standard_component_specs.EXAMPLES_KEY: examples,
                standard_component_specs.EXCLUDE_SPLITS_KEY: json_utils.dumps([]),
                standard_component_specs.STATISTICS_KEY: types.Channel(type=standard_artifacts.ExampleStatistics),
                artifact_files.CODE_DIGEST: code_digest(statistics_executor.__name__),
            }
        )
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)


class SchemaGenSpec(standard_component_specs.SchemaGenSpec):
    """TFX's spec and the code digest."""

    PARAMETERS = {
        **standard_component_specs.SchemaGenSpec.PARAMETERS,
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
    }


class SchemaGen(TfxSchemaGen):
    """Statistics in, schema out; split unlabeled is excluded, because its records have no label."""

    SPEC_CLASS = SchemaGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(schema_executor.Executor)

    def __init__(self, statistics: types.BaseChannel):
        spec = SchemaGenSpec(
            **{
                standard_component_specs.STATISTICS_KEY: statistics,
                # Without inferred shapes the label stays a sparse column, which may be absent.
                standard_component_specs.INFER_FEATURE_SHAPE_KEY: 0,
                standard_component_specs.EXCLUDE_SPLITS_KEY: json_utils.dumps([records.UNLABELED]),
                standard_component_specs.SCHEMA_KEY: types.Channel(type=standard_artifacts.Schema),
                artifact_files.CODE_DIGEST: code_digest(schema_executor.__name__),
            }
        )
        base_component.BaseComponent.__init__(self, spec=spec)


class DistributionValidatorSpec(ComponentSpec):
    """Statistics of a span and of the span before, unless it is the first, in; their differences out."""

    PARAMETERS = {
        artifact_files.CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
    }
    INPUTS = {
        drift_executor.STATISTICS: ChannelParameter(type=standard_artifacts.ExampleStatistics),
        drift_executor.BASELINE: ChannelParameter(type=standard_artifacts.ExampleStatistics, optional=True),
        drift_executor.ACCEPTED: ChannelParameter(type=standard_artifacts.ExampleStatistics, optional=True),
    }
    OUTPUTS = {drift_executor.ANOMALIES: ChannelParameter(type=standard_artifacts.ExampleAnomalies)}


class DistributionValidator(TfxDistributionValidator):
    """Compares label shares and image statistics with those of the span before; AnomalyGate judges what it finds."""

    # TFX's component is typed as if its own spec could not be replaced; unused where TFX is untyped.
    SPEC_CLASS = DistributionValidatorSpec  # type: ignore[assignment, unused-ignore]
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(drift_executor.Executor)

    def __init__(
        self,
        statistics: types.BaseChannel,
        baseline_statistics: types.BaseChannel,
        accepted_statistics: types.BaseChannel,
        config: ValidationConfig | RuntimeParameter,
    ):
        """Make the step.

        Args:
            statistics: of the new span.
            baseline_statistics: of the span before; may resolve to nothing.
            accepted_statistics: of the new span's images, if a person accepted them; may resolve to nothing.
            config: the limits.
        """
        spec = DistributionValidatorSpec(
            **{
                drift_executor.STATISTICS: statistics,
                drift_executor.BASELINE: baseline_statistics,
                drift_executor.ACCEPTED: accepted_statistics,
                drift_executor.ANOMALIES: types.Channel(type=standard_artifacts.ExampleAnomalies),
                artifact_files.CONFIG: configuration.to_parameter(config),
                artifact_files.CODE_DIGEST: code_digest(drift_executor.__name__),
            }
        )
        base_component.BaseComponent.__init__(self, spec=spec)


class AnomalyGateSpec(ComponentSpec):
    """Findings about a span in, a clearance out."""

    PARAMETERS = {artifact_files.CODE_DIGEST: ExecutionParameter(type=str)}
    INPUTS = {
        anomaly_gate_executor.STATISTICS: ChannelParameter(type=standard_artifacts.ExampleStatistics),
        anomaly_gate_executor.ANOMALIES: ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        anomaly_gate_executor.DRIFT: ChannelParameter(type=standard_artifacts.ExampleAnomalies),
    }
    OUTPUTS = {anomaly_gate_executor.CLEARANCE: ChannelParameter(type=artifacts.AnomalyClearance)}


class AnomalyGate(base_component.BaseComponent):
    """Stops the run if the data has anomalies; TFX's validators only record them."""

    SPEC_CLASS = AnomalyGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(anomaly_gate_executor.Executor)

    def __init__(self, statistics: types.BaseChannel, anomalies: types.BaseChannel, drift: types.BaseChannel):
        """Make the step.

        Args:
            statistics: of the new span; the clearance gets their identity.
            anomalies: of ExampleValidator.
            drift: of DistributionValidator.
        """
        spec = AnomalyGateSpec(
            **{
                artifact_files.CODE_DIGEST: code_digest(anomaly_gate_executor.__name__),
                anomaly_gate_executor.STATISTICS: statistics,
                anomaly_gate_executor.ANOMALIES: anomalies,
                anomaly_gate_executor.DRIFT: drift,
                anomaly_gate_executor.CLEARANCE: types.Channel(type=artifacts.AnomalyClearance),
            }
        )
        super().__init__(spec=spec)
