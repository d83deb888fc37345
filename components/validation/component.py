"""The nodes between ingestion and everything that learns: statistics, schema with the image declared, AnomalyGate."""

from tfx import types
from tfx.components import SchemaGen as TfxSchemaGen
from tfx.components import StatisticsGen as TfxStatisticsGen
from tfx.dsl.components.base import base_beam_component, base_component, executor_spec
from tfx.types import standard_artifacts, standard_component_specs
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import json_utils

from components.contracts import artifacts, records
from components.contracts.code_digest import code_digest
from components.validation import anomaly_gate_executor, schema_executor, statistics_executor


class StatisticsGenSpec(standard_component_specs.StatisticsGenSpec):
    """TFX's spec and the code digest."""

    PARAMETERS = {
        **standard_component_specs.StatisticsGenSpec.PARAMETERS,
        artifacts.CODE_DIGEST: ExecutionParameter(type=str),
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
                artifacts.CODE_DIGEST: code_digest("validation"),
            }
        )
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)


class SchemaGen(TfxSchemaGen):
    """Statistics in, schema out; the unlabelled split, whose records have no label, has no say in it."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(schema_executor.Executor)

    def __init__(self, statistics: types.BaseChannel):
        # Without inferred shapes the label stays a sparse column, which may be absent.
        super().__init__(statistics=statistics, infer_feature_shape=False, exclude_splits=[records.UNLABELED])


class AnomalyGateSpec(ComponentSpec):
    """Anomalies of a span in, a clearance out."""

    PARAMETERS = {artifacts.CODE_DIGEST: ExecutionParameter(type=str)}
    INPUTS = {anomaly_gate_executor.ANOMALIES: ChannelParameter(type=standard_artifacts.ExampleAnomalies)}
    OUTPUTS = {anomaly_gate_executor.CLEARANCE: ChannelParameter(type=artifacts.AnomalyClearance)}


class AnomalyGate(base_component.BaseComponent):
    """Stops the run where the data has anomalies; TFX's ExampleValidator only writes them down."""

    SPEC_CLASS = AnomalyGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(anomaly_gate_executor.Executor)

    def __init__(self, anomalies: types.BaseChannel):
        spec = AnomalyGateSpec(
            **{
                artifacts.CODE_DIGEST: code_digest("validation"),
                anomaly_gate_executor.ANOMALIES: anomalies,
                anomaly_gate_executor.CLEARANCE: types.Channel(type=artifacts.AnomalyClearance),
            }
        )
        super().__init__(spec=spec)
