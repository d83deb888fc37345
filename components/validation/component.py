"""The nodes between ingestion and everything that learns: SchemaGen with the image declared, and AnomalyGate."""

from tfx import types
from tfx.components import SchemaGen as TfxSchemaGen
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.contracts import artifacts, records
from components.contracts.code_digest import code_digest
from components.validation import anomaly_gate_executor, schema_executor


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
