"""Report: what a run made of its images, in one HTML page."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.contracts import artifacts, configuration
from components.contracts.code_digest import code_digest
from components.report import executor
from components.report.config import ReportConfig


class ReportSpec(ComponentSpec):
    """Artifacts of a run in, a page out; everything but the images may be missing, and the page says so."""

    PARAMETERS = {
        artifacts.CONFIG: ExecutionParameter(type=str),
        artifacts.CODE_DIGEST: ExecutionParameter(type=str),
        executor.PIPELINE_CONFIG: ExecutionParameter(type=str),
    }
    INPUTS = {
        executor.EXAMPLES: ChannelParameter(type=standard_artifacts.Examples),
        executor.DRIFT: ChannelParameter(type=standard_artifacts.ExampleAnomalies, optional=True),
        executor.WINDOW: ChannelParameter(type=standard_artifacts.Examples, optional=True),
        executor.VIEWS: ChannelParameter(type=standard_artifacts.Examples, optional=True),
        executor.TUNER_RESULTS: ChannelParameter(type=standard_artifacts.TunerResults, optional=True),
        executor.PRETRAINED_MODEL: ChannelParameter(type=standard_artifacts.Model, optional=True),
        executor.PROBE_REPORT: ChannelParameter(type=artifacts.ProbeReport, optional=True),
        executor.BASELINES: ChannelParameter(type=artifacts.BaselineReport, optional=True),
        executor.BLESSING: ChannelParameter(type=standard_artifacts.ModelBlessing, optional=True),
        executor.PUSHED_MODEL: ChannelParameter(type=standard_artifacts.PushedModel, optional=True),
    }
    OUTPUTS = {executor.REPORT: ChannelParameter(type=artifacts.Report)}


class Report(base_component.BaseComponent):
    """Writes the page that a team decides from."""

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        config: ReportConfig | RuntimeParameter,
        pipeline_config: str | RuntimeParameter,
        drift: types.BaseChannel | None = None,
        window: types.BaseChannel | None = None,
        views: types.BaseChannel | None = None,
        tuner_results: types.BaseChannel | None = None,
        pretrained_model: types.BaseChannel | None = None,
        probe_report: types.BaseChannel | None = None,
        baselines: types.BaseChannel | None = None,
        blessing: types.BaseChannel | None = None,
        pushed_model: types.BaseChannel | None = None,
    ):
        """Make the step.

        Args:
            examples: channel of the ingested images.
            config: settings of this room.
            pipeline_config: canonical JSON of all settings, which the page shows.
            drift: channel of how far the images are from those of the span before.
            window: channel of the spans that were trained on together.
            views: channel of ViewGen's views.
            tuner_results: channel of the Tuner's trials.
            pretrained_model: channel of the Trainer's model.
            probe_report: channel of what linear evaluation found.
            baselines: channel of what other ways to the same classes are worth.
            blessing: channel of the Gate's verdict.
            pushed_model: channel of what the Pusher did.
        """
        inputs = {
            executor.EXAMPLES: examples,
            executor.DRIFT: drift,
            executor.WINDOW: window,
            executor.VIEWS: views,
            executor.TUNER_RESULTS: tuner_results,
            executor.PRETRAINED_MODEL: pretrained_model,
            executor.PROBE_REPORT: probe_report,
            executor.BASELINES: baselines,
            executor.BLESSING: blessing,
            executor.PUSHED_MODEL: pushed_model,
        }
        spec = ReportSpec(
            **{
                **{name: channel for name, channel in inputs.items() if channel is not None},
                artifacts.CONFIG: configuration.to_parameter(config),
                artifacts.CODE_DIGEST: code_digest("report"),
                executor.PIPELINE_CONFIG: pipeline_config,
                executor.REPORT: types.Channel(type=artifacts.Report),
            }
        )
        super().__init__(spec=spec)
