"""The graph: the steps in the order of the data, wired once for every runner."""

from typing import NamedTuple

from ml_metadata.proto import metadata_store_pb2
from tfx.components import ExampleValidator
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration import pipeline
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import Channel, standard_artifacts

from components.augmentation.component import ViewGen
from components.baselines.component import Baselines
from components.contracts import artifacts, records
from components.export.component import Pusher
from components.features.component import FeatureExtractor
from components.ingestion.component import ImageExampleGen
from components.linear_evaluation import blessing_resolver
from components.linear_evaluation.component import Gate, LinearProbe
from components.linear_evaluation.evaluator_component import Evaluator
from components.preprocessing.component import Transform
from components.pretraining.component import Trainer
from components.pretraining.tuner_component import Tuner
from components.report.component import Report
from components.validation import schema_resolver, statistics_resolver
from components.validation.component import AnomalyGate, DistributionValidator, SchemaGen, StatisticsGen
from components.window import span_resolver
from components.window.component import TrainingWindow
from pipeline import run_parameters
from pipeline.config import PipelineConfig

_Window = tuple[Resolver, TrainingWindow] | tuple[()]
_Tuner = tuple[Tuner] | tuple[()]
_Baselines = tuple[Baselines] | tuple[()]
_Rooms = dict[str, RuntimeParameter]  # a run-time parameter for each config of a step, by its name in PipelineConfig


def create_pipeline(
    config: PipelineConfig, connection: metadata_store_pb2.ConnectionConfig | None = None
) -> pipeline.Pipeline:
    """Wire the steps.

    Args:
        config: the graph takes from it the name, the Beam options, the number of spans to train on and whether there
            are a Tuner and baselines. The settings of the steps and the places are run-time parameters
            (``run_parameters``), each a whole execution property, so one graph serves every run.
        connection: of ML Metadata; None if the process that runs a node brings its own.

    Returns:
        The pipeline. The same values give the same executions, so an unchanged run comes from the cache.
    """
    rooms = {room: RuntimeParameter(room, str) for room in run_parameters.ROOMS}
    data = _data(rooms)
    window = _window(data, config.training_spans)
    images = window[-1].outputs["window"] if window else data.images
    encoder = _encoder(rooms, data, images, config.tuning.enabled)
    verdict = _verdict(rooms, encoder, images)
    baselines = _baselines(rooms, encoder, verdict.probe, images) if config.baselines.enabled else ()
    consumers = _consumers(rooms, data, window, encoder, verdict, baselines)
    return pipeline.Pipeline(
        pipeline_name=config.pipeline_name,
        pipeline_root="",  # TFX's compiler makes it a run-time parameter
        components=[*data, *window, *encoder.nodes, *verdict, *baselines, *consumers],
        enable_cache=True,
        metadata_connection_config=connection,
        beam_pipeline_args=list(config.beam.pipeline_args),
    )


class _Data(NamedTuple):
    """The images, and the checks whether they are as expected."""

    examples: ImageExampleGen
    statistics: StatisticsGen
    inferred_schema: SchemaGen
    schema_in_use: Resolver
    validator: ExampleValidator
    previous_statistics: Resolver
    drift: DistributionValidator
    anomaly_gate: AnomalyGate

    @property
    def images(self) -> Channel:
        return self.examples.outputs["examples"]


class _Encoder(NamedTuple):
    """The encoder, and the steps that prepare what it learns from."""

    transform: Transform
    views: ViewGen
    tuner: _Tuner
    trainer: Trainer

    @property
    def nodes(self) -> list[BaseNode]:
        return [self.transform, self.views, *self.tuner, self.trainer]

    @property
    def model(self) -> Channel:
        return self.trainer.outputs["model"]


class _Verdict(NamedTuple):
    """The steps that measure the encoder and decide whether it is used."""

    features: FeatureExtractor
    probe: LinearProbe
    baseline: Resolver
    evaluator: Evaluator
    gate: Gate


def _data(rooms: _Rooms) -> _Data:
    examples = ImageExampleGen(
        input_base=RuntimeParameter(run_parameters.DATA_ROOT, str),
        config=rooms["ingestion"],
        image_config=rooms["image"],
    )
    statistics = StatisticsGen(examples=examples.outputs["examples"])
    inferred = SchemaGen(statistics=statistics.outputs["statistics"])
    in_use = Resolver(
        strategy_class=schema_resolver.SchemaInUse,
        inferred=inferred.outputs["schema"],
        schema=Channel(type=standard_artifacts.Schema),
    ).with_id("SchemaInUse")
    validator = ExampleValidator(
        statistics=statistics.outputs["statistics"],
        schema=in_use.outputs["schema"],
        exclude_splits=[records.UNLABELED],
    )
    previous = _previous_statistics(statistics)
    drift = DistributionValidator(
        statistics=statistics.outputs["statistics"],
        baseline_statistics=previous.outputs[statistics_resolver.BASELINE],
        accepted_statistics=previous.outputs[statistics_resolver.ACCEPTED],
        config=rooms["validation"],
    )
    anomaly_gate = AnomalyGate(
        statistics=statistics.outputs["statistics"],
        anomalies=validator.outputs["anomalies"],
        drift=drift.outputs["anomalies"],
    )
    return _Data(examples, statistics, inferred, in_use, validator, previous, drift, anomaly_gate)


def _previous_statistics(statistics: StatisticsGen) -> Resolver:
    # Without a producer: a channel with one would hold only the artifacts of this run.
    of_all_runs = Channel(type=standard_artifacts.ExampleStatistics)
    return Resolver(
        strategy_class=statistics_resolver.PreviousStatistics,
        config=None,
        **{
            statistics_resolver.STATISTICS: statistics.outputs["statistics"],
            statistics_resolver.BASELINE: of_all_runs,
            statistics_resolver.ACCEPTED: of_all_runs,
            statistics_resolver.CLEARANCE: Channel(type=artifacts.AnomalyClearance),
        },
    ).with_id("PreviousStatistics")


def _window(data: _Data, spans: int) -> _Window:
    """The steps that join the last spans into one data set; none if training uses the new span only."""
    if spans == 1:
        return ()
    in_window = Resolver(
        strategy_class=span_resolver.SpansInWindow,
        config={"spans": spans},
        **{
            span_resolver.CURRENT: data.images,
            span_resolver.EXAMPLES: Channel(type=standard_artifacts.Examples),
            span_resolver.CLEARANCE: Channel(type=artifacts.AnomalyClearance),
        },
    ).with_id("SpansInWindow")
    in_window.add_upstream_node(data.anomaly_gate)
    return in_window, TrainingWindow(examples=in_window.outputs[span_resolver.EXAMPLES])


def _encoder(rooms: _Rooms, data: _Data, images: Channel, is_tuned: bool) -> _Encoder:
    schema = data.schema_in_use.outputs["schema"]
    transform = Transform(examples=images, schema=schema, image_config=rooms["image"])
    views = ViewGen(examples=images, config=rooms["views"], image_config=rooms["image"])
    tuner = _tuner(rooms, transform, views) if is_tuned else ()
    trainer = Trainer(
        views=views.outputs["views"],
        transform_graph=transform.outputs["transform_graph"],
        config=rooms["pretraining"],
        image_config=rooms["image"],
        hyperparameters=tuner[0].outputs["best_hyperparameters"] if tuner else None,
    )
    encoder = _Encoder(transform, views, tuner, trainer)
    for node in encoder.nodes:
        node.add_upstream_node(data.anomaly_gate)
    return encoder


def _tuner(rooms: _Rooms, transform: Transform, views: ViewGen) -> tuple[Tuner]:
    tuner = Tuner(
        views=views.outputs["views"],
        transform_graph=transform.outputs["transform_graph"],
        config=rooms["tuning"],
        pretraining_config=rooms["pretraining"],
        image_config=rooms["image"],
    )
    return (tuner,)


def _verdict(rooms: _Rooms, encoder: _Encoder, images: Channel) -> _Verdict:
    features = FeatureExtractor(
        examples=images,
        encoder=encoder.model,
        transform_graph=encoder.transform.outputs["transform_graph"],
        config=rooms["features"],
    )
    probe = LinearProbe(
        examples=images,
        encoder=encoder.model,
        transform_graph=encoder.transform.outputs["transform_graph"],
        features=features.outputs["features"],
        config=rooms["linear_evaluation"],
        image_config=rooms["image"],
    )
    baseline = Resolver(
        strategy_class=blessing_resolver.BlessedBaseline,
        candidate=probe.outputs["model"],
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
        earlier_blessings=Channel(type=standard_artifacts.ModelBlessing),
        baseline_report=Channel(type=artifacts.Report),
    ).with_id("BlessedBaseline")
    evaluator = Evaluator(
        examples=images,
        model=probe.outputs["model"],
        baseline_model=baseline.outputs["model"],
        config=rooms["gate"],
    )
    gate = Gate(
        evaluation=evaluator.outputs["evaluation"],
        probe_report=probe.outputs["probe_report"],
        model=probe.outputs["model"],
        baseline_model=baseline.outputs["model"],
        model_blessing=baseline.outputs["model_blessing"],
        earlier_blessings=baseline.outputs["earlier_blessings"],
        config=rooms["gate"],
    )
    return _Verdict(features, probe, baseline, evaluator, gate)


def _baselines(rooms: _Rooms, encoder: _Encoder, probe: LinearProbe, images: Channel) -> _Baselines:
    return (
        Baselines(
            examples=images,
            encoder=encoder.model,
            transform_graph=encoder.transform.outputs["transform_graph"],
            probe_report=probe.outputs["probe_report"],
            config=rooms["baselines"],
            linear_evaluation_config=rooms["linear_evaluation"],
            views_config=rooms["views"],
            image_config=rooms["image"],
        ),
    )


def _consumers(
    rooms: _Rooms, data: _Data, window: _Window, encoder: _Encoder, verdict: _Verdict, baselines: _Baselines
) -> tuple[Pusher, Report]:
    blessing = verdict.gate.outputs["blessing"]
    pusher = Pusher(
        model=verdict.probe.outputs["model"],
        model_blessing=blessing,
        examples=data.images,
        pretrained_model=encoder.model,
        probe_report=verdict.probe.outputs["probe_report"],
        registry=RuntimeParameter(run_parameters.REGISTRY, str),
        config=rooms["export"],
        ingestion_config=rooms["ingestion"],
        image_config=rooms["image"],
        pipeline_config=RuntimeParameter(run_parameters.SETTINGS, str),
    )
    report = Report(
        examples=data.images,
        statistics=data.statistics.outputs["statistics"],
        drift=data.drift.outputs["anomalies"],
        transform_graph=encoder.transform.outputs["transform_graph"],
        window=window[-1].outputs["window"] if window else None,
        views=encoder.views.outputs["views"],
        tuner_results=encoder.tuner[0].outputs["tuner_results"] if encoder.tuner else None,
        pretrained_model=encoder.model,
        features=verdict.features.outputs["features"],
        probe_report=verdict.probe.outputs["probe_report"],
        baselines=baselines[0].outputs["baselines"] if baselines else None,
        evaluation=verdict.evaluator.outputs["evaluation"],
        blessing=blessing,
        baseline_report=verdict.baseline.outputs["baseline_report"],
        pushed_model=pusher.outputs["pushed_model"],
        config=rooms["report"],
        pipeline_config=RuntimeParameter(run_parameters.SETTINGS, str),
    )
    return pusher, report
