"""``pretraining.json`` (artifact_files.PRETRAINING_FILE): how the Trainer's encoder was trained."""

import pydantic

from components.contracts.configuration import configuration
from components.contracts.record_files import record
from components.contracts.views_record import ViewsRecord


@configuration
class Epoch:
    """What was measured in one epoch."""

    epoch: int  # 1, 2, ...
    loss: float  # of the method, mean over the epoch
    chance: float | None  # the loss of guessing, nats; None for BYOL, as are top1 and top5
    top1: float | None  # 0 to 1: how often the other view is nearer than every negative
    top5: float | None
    alignment: float
    uniformity: float
    std: float
    effective_rank: float
    learning_rate: float  # of the epoch's last step
    knn: float | None  # 0 to 1, on the eval split; None in epochs that did not measure it


@configuration
class Plan:
    """Numbers that follow from the config and the number of images."""

    method: str  # simclr, moco or byol
    num_images: int  # in split train
    steps_per_epoch: int
    total_steps: int
    warmup_steps: int
    learning_rate: float  # peak, scaled
    images_per_step: int  # over all replicas
    views_per_step: int
    negatives_per_anchor: int
    chance_loss: float | None  # nats; None where the loss of guessing says nothing
    momentum: float | None  # of the weights that follow, at the first step; None for a method without such weights
    encoder_parameters: int
    projection_head_parameters: int
    representation_width: int


@record(version=2)
class PretrainingRecord:
    """One training from its config to the digest of its weights."""

    history: tuple[Epoch, ...]  # first to last
    plan: Plan
    config: dict[str, pydantic.JsonValue]  # PretrainingConfig, as it was run
    config_digest: str
    tuned: dict[str, int | float] | None  # settings that the Tuner chose; None without a Tuner
    code_digest: str
    views: ViewsRecord
    channel_mean: tuple[float, ...]  # 0 to 255
    channel_std: tuple[float, ...]  # same unit
    seconds: float  # of training, over all processes
    images_per_second: float  # of the last process; 0 if it found all steps done
    input_wait_fraction: float  # of the last process: part of the time in which the step waited for views
    resumed_from_steps: tuple[int, ...]  # steps at which a process took over
    checkpoint_directory: str  # name of the folder below <pipeline root>/checkpoints
    initial_encoder_digest: str  # of the encoder before the first step
    weights_digest: str  # of encoder and projection head
    versions: dict[str, str]  # library -> version
