"""The graph: the steps in the order of the data, wired once for every runner."""

from typing import NamedTuple

import tensorflow_data_validation as tfdv
from tfx.components import Evaluator, ExampleValidator, StatisticsGen, Trainer
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration import metadata, pipeline
from tfx.proto import trainer_pb2
from tfx.types import Channel, standard_artifacts

from components.augmentation.component import ViewGen
from components.contracts import artifacts, configuration, records
from components.contracts.code_digest import code_digest
from components.export.component import Pusher
from components.ingestion.component import ImageExampleGen
from components.linear_evaluation import blessing_resolver
from components.linear_evaluation.component import Gate, LinearProbe
from components.linear_evaluation.evaluator_config import eval_config
from components.preprocessing.component import Transform
from components.report.component import Report
from components.validation import schema_resolver
from components.validation.component import AnomalyGate, SchemaGen
from pipeline.config import PipelineConfig
from pipeline.places import Places


def create_pipeline(config: PipelineConfig, places: Places) -> pipeline.Pipeline:
    """Wire the steps.

    Args:
        config: what to do.
        places: where the images are and where everything is kept.

    Returns:
        The pipeline; the same config and places give the same graph, so that an unchanged run comes from the cache.
    """
    data = _data(config, places)
    encoder = _encoder(config, data)
    verdict = _verdict(config, data, encoder)
    return pipeline.Pipeline(
        pipeline_name=config.pipeline_name,
        pipeline_root=places.pipeline_root,
        components=[*data, *encoder, *verdict, *_consumers(config, places, data, encoder, verdict)],
        enable_cache=True,
        metadata_connection_config=metadata.sqlite_metadata_connection_config(places.metadata_path),
        beam_pipeline_args=list(config.beam.pipeline_args),
    )


class _Data(NamedTuple):
    """Images, and whether they are as expected."""

    examples: ImageExampleGen
    statistics: StatisticsGen
    inferred_schema: SchemaGen
    schema_in_use: Resolver
    validator: ExampleValidator
    anomaly_gate: AnomalyGate

    @property
    def images(self) -> Channel:
        return self.examples.outputs["examples"]


class _Encoder(NamedTuple):
    """What the encoder learns from, and the encoder."""

    transform: Transform
    views: ViewGen
    trainer: Trainer

    @property
    def model(self) -> Channel:
        return self.trainer.outputs["model"]


class _Verdict(NamedTuple):
    """What the encoder is worth, and whether it is to be used."""

    probe: LinearProbe
    baseline: Resolver
    evaluator: Evaluator
    gate: Gate


def _data(config: PipelineConfig, places: Places) -> _Data:
    examples = ImageExampleGen(input_base=places.data_root, config=config.ingestion, image_config=config.image)
    statistics = StatisticsGen(
        examples=examples.outputs["examples"],
        stats_options=tfdv.StatsOptions(feature_allowlist=list(records.STATISTICS_FEATURES)),
    )
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
    anomaly_gate = AnomalyGate(anomalies=validator.outputs["anomalies"])
    return _Data(examples, statistics, inferred, in_use, validator, anomaly_gate)


def _encoder(config: PipelineConfig, data: _Data) -> _Encoder:
    schema = data.schema_in_use.outputs["schema"]
    transform = Transform(examples=data.images, schema=schema, image_config=config.image)
    views = ViewGen(examples=data.images, config=config.views, image_config=config.image)
    trainer = Trainer(
        run_fn="components.pretraining.trainer_module.run_fn",
        examples=views.outputs["views"],
        transform_graph=transform.outputs["transform_graph"],
        train_args=trainer_pb2.TrainArgs(splits=[records.TRAIN]),
        eval_args=trainer_pb2.EvalArgs(splits=[records.EVAL]),
        custom_config={
            artifacts.CONFIG: configuration.to_json(config.pretraining),
            artifacts.IMAGE_CONFIG: configuration.to_json(config.image),
            artifacts.CODE_DIGEST: code_digest("pretraining", "preprocessing"),
        },
    ).with_id("Trainer")
    for node in (transform, views, trainer):
        node.add_upstream_node(data.anomaly_gate)
    return _Encoder(transform, views, trainer)


def _verdict(config: PipelineConfig, data: _Data, encoder: _Encoder) -> _Verdict:
    probe = LinearProbe(
        examples=data.images,
        encoder=encoder.model,
        transform_graph=encoder.transform.outputs["transform_graph"],
        config=config.linear_evaluation,
        image_config=config.image,
    )
    baseline = Resolver(
        strategy_class=blessing_resolver.BlessedBaseline,
        candidate=probe.outputs["model"],
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("BlessedBaseline")
    evaluator = Evaluator(
        examples=data.images,
        model=probe.outputs["model"],
        baseline_model=baseline.outputs["model"],
        eval_config=eval_config(config.gate),
        example_splits=[records.TEST],
    )
    gate = Gate(
        evaluation=evaluator.outputs["evaluation"],
        probe_report=probe.outputs["probe_report"],
        model=probe.outputs["model"],
        baseline_model=baseline.outputs["model"],
        model_blessing=baseline.outputs["model_blessing"],
        config=config.gate,
    )
    return _Verdict(probe, baseline, evaluator, gate)


def _consumers(
    config: PipelineConfig, places: Places, data: _Data, encoder: _Encoder, verdict: _Verdict
) -> tuple[Pusher, Report]:
    blessing = verdict.gate.outputs["blessing"]
    pusher = Pusher(
        model=verdict.probe.outputs["model"],
        model_blessing=blessing,
        registry=places.registry,
        config=config.export,
        ingestion_config=config.ingestion,
        image_config=config.image,
    )
    report = Report(
        examples=data.images,
        views=encoder.views.outputs["views"],
        pretrained_model=encoder.model,
        probe_report=verdict.probe.outputs["probe_report"],
        blessing=blessing,
        pushed_model=pusher.outputs["pushed_model"],
        config=config.report,
        pipeline_config=configuration.to_json(config),
    )
    return pusher, report
