"""Report: one HTML page about the data, the training and the results of a run."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.contracts import artifact_files, artifacts, configuration
from components.contracts.code_digest import code_digest
from components.report import executor, run_record
from components.report.config import ReportConfig

_REQUIRED = {
    run_record.EXAMPLES: standard_artifacts.Examples,
    run_record.STATISTICS: standard_artifacts.ExampleStatistics,
    run_record.DRIFT: standard_artifacts.ExampleAnomalies,
    run_record.TRANSFORM_GRAPH: standard_artifacts.TransformGraph,
    run_record.VIEWS: standard_artifacts.Examples,
    run_record.PRETRAINED_MODEL: standard_artifacts.Model,
    run_record.FEATURES: artifacts.Features,
    run_record.PROBE_REPORT: artifacts.ProbeReport,
    run_record.EVALUATION: standard_artifacts.ModelEvaluation,
    run_record.BLESSING: standard_artifacts.ModelBlessing,
    run_record.PUSHED_MODEL: standard_artifacts.PushedModel,
}
_OPTIONAL = {
    run_record.WINDOW: standard_artifacts.Examples,
    run_record.TUNER_RESULTS: standard_artifacts.TunerResults,
    run_record.BASELINES: artifacts.BaselineReport,
    # In the first run, the Resolver finds nothing.
    executor.BASELINE_REPORT: artifacts.Report,
}


class ReportSpec(ComponentSpec):
    """Artifacts of a run, and the report of the run whose model is in use, go in; a page comes out."""

    PARAMETERS = {
        artifact_files.CONFIG: ExecutionParameter(type=str),
        artifact_files.CODE_DIGEST: ExecutionParameter(type=str),
        artifact_files.PIPELINE_CONFIG: ExecutionParameter(type=str),
    }
    INPUTS = {
        **{name: ChannelParameter(type=kind) for name, kind in _REQUIRED.items()},
        **{name: ChannelParameter(type=kind, optional=True) for name, kind in _OPTIONAL.items()},
    }
    OUTPUTS = {executor.REPORT: ChannelParameter(type=artifacts.Report)}


class Report(base_component.BaseComponent):
    """Writes the page on which a team bases its decisions."""

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        statistics: types.BaseChannel,
        drift: types.BaseChannel,
        transform_graph: types.BaseChannel,
        views: types.BaseChannel,
        pretrained_model: types.BaseChannel,
        features: types.BaseChannel,
        probe_report: types.BaseChannel,
        evaluation: types.BaseChannel,
        blessing: types.BaseChannel,
        pushed_model: types.BaseChannel,
        config: ReportConfig | RuntimeParameter,
        pipeline_config: str | RuntimeParameter,
        window: types.BaseChannel | None = None,
        tuner_results: types.BaseChannel | None = None,
        baselines: types.BaseChannel | None = None,
        baseline_report: types.BaseChannel | None = None,
    ):
        """Declare the step.

        Args:
            examples: channel of the ingested images.
            statistics: channel of their statistics.
            drift: channel of the distances between these images and those of the span before.
            transform_graph: channel of Transform's graph.
            views: channel of ViewGen's views.
            pretrained_model: channel of the Trainer's model.
            features: channel of the labelled images' features.
            probe_report: channel of linear evaluation's results.
            evaluation: channel of the Evaluator's result.
            blessing: channel of the Gate's verdict.
            pushed_model: channel of the Pusher's outcome.
            config: what the page shows.
            pipeline_config: canonical JSON of all settings, which the page shows.
            window: channel of the spans that were trained on together; None: data without a window.
            tuner_results: channel of the Tuner's trials; None: the Tuner is off.
            baselines: channel of the baselines' results; None: they are off.
            baseline_report: ``baseline_report`` of ``BlessedBaseline``; may resolve to nothing.
        """
        inputs = {
            run_record.EXAMPLES: examples,
            run_record.STATISTICS: statistics,
            run_record.DRIFT: drift,
            run_record.TRANSFORM_GRAPH: transform_graph,
            run_record.VIEWS: views,
            run_record.PRETRAINED_MODEL: pretrained_model,
            run_record.FEATURES: features,
            run_record.PROBE_REPORT: probe_report,
            run_record.EVALUATION: evaluation,
            run_record.BLESSING: blessing,
            run_record.PUSHED_MODEL: pushed_model,
            run_record.WINDOW: window,
            run_record.TUNER_RESULTS: tuner_results,
            run_record.BASELINES: baselines,
            executor.BASELINE_REPORT: baseline_report,
        }
        spec = ReportSpec(
            **{
                **{name: channel for name, channel in inputs.items() if channel is not None},
                artifact_files.CONFIG: configuration.to_parameter(config),
                artifact_files.CODE_DIGEST: code_digest(executor.__name__),
                artifact_files.PIPELINE_CONFIG: pipeline_config,
                executor.REPORT: types.Channel(type=artifacts.Report),
            }
        )
        super().__init__(spec=spec)
