"""Records of steps that did not run, complete and small, for tests of the steps that read them."""

import dataclasses
import math

from components.contracts.images import ImageConfig
from components.contracts.ingestion_record import IngestionSummary
from components.contracts.model_facts import ModelFacts
from components.contracts.pretraining_record import Epoch, Plan, PretrainingRecord
from components.contracts.views_record import ViewsRecord
from components.export.version_record import VersionRecord
from tests.components.evidence_records import make_probe, make_verdict

INGESTION = IngestionSummary(
    root="/images",
    source="image_folder",
    content_digest="c" * 64,
    shards={"train": 4, "test": 4},
    warnings=(),
    near_duplicate_pairs=(),
    seconds=3.0,
    records={"train": 900, "test": 332},
    record_bytes={"train": 9000, "test": 3320},
    classes={"train": {"cat": 900}, "test": {"cat": 332}},
    refused={},
    undecodable=0,
    undecodable_fraction=0.0,
    duplicates=0,
    label_conflicts=0,
    near_duplicates=0,
    gray_fraction=0.0,
    white_level=None,
    bits_of_deep_images={},
)
VIEWS = ViewsRecord(
    content_digest="f" * 64, images={"train": 60, "eval": 6}, bytes=12000, views_per_image=4, size_px=8, channels=3
)
EPOCH = Epoch(
    epoch=1,
    loss=3.0,
    chance=math.log(31),
    top1=0.5,
    top5=0.75,
    alignment=1.0,
    uniformity=-1.0,
    std=0.1,
    effective_rank=20.0,
    learning_rate=0.1,
    knn=None,
)
PLAN = Plan(
    method="simclr",
    num_images=60,
    steps_per_epoch=4,
    total_steps=20,
    warmup_steps=4,
    learning_rate=0.3,
    images_per_step=16,
    views_per_step=32,
    negatives_per_anchor=30,
    chance_loss=math.log(31),
    momentum=None,
    encoder_parameters=1000,
    projection_head_parameters=100,
    representation_width=6,
)
PRETRAINING = PretrainingRecord(
    history=tuple(
        dataclasses.replace(
            EPOCH,
            epoch=epoch + 1,
            loss=3.4 - 0.2 * epoch,
            top1=0.1 * epoch,
            top5=0.15 * epoch,
            alignment=1.0 / (epoch + 1),
            uniformity=-0.5 * epoch,
            std=0.2,
            effective_rank=2.0 + epoch,
            knn=0.5 if epoch == 4 else None,
        )
        for epoch in range(5)
    ),
    plan=PLAN,
    config={},
    config_digest="1" * 64,
    tuned=None,
    code_digest="2" * 64,
    views=VIEWS,
    channel_mean=(128.0,),
    channel_std=(64.0,),
    seconds=95.0,
    images_per_second=3.4,
    input_wait_fraction=0.1,
    resumed_from_steps=(8,),
    checkpoint_directory="1" * 32,
    initial_encoder_digest="3" * 64,
    weights_digest="4" * 64,
    versions={"python": "3.10"},
)


def model_facts(content_digest: str, class_names: tuple[str, ...], dimensions: int, image: ImageConfig) -> ModelFacts:
    return ModelFacts(
        content_digest=content_digest,
        encoder_digest="5" * 64,
        class_names=class_names,
        dimensions=dimensions,
        projection_dimensions=4,
        architecture="small_cnn",
        parameters=1000,
        image=image,
        channel_mean=(128.0,) * image.channels,
        channel_std=(64.0,) * image.channels,
        signatures=("embed", "classify"),
    )


def version_record(run: str) -> VersionRecord:
    return VersionRecord(
        run=run,
        span=None,
        model=model_facts("c" * 64, ("cat", "dog"), 6, ImageConfig()),
        verdict=make_verdict(),
        data=INGESTION,
        pretraining=PRETRAINING,
        results=make_probe(),
        settings={},
        code_digests={},
        libraries={},
    )
