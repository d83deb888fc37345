"""Derives steps, rates and chance from a config and a number of images; a run logs them first."""

import logging

from components.contracts.pretraining_record import Plan
from components.pretraining import methods
from components.pretraining.config import PretrainingConfig

_logger = logging.getLogger(__name__)


def scheduled_steps(config: PretrainingConfig, num_images: int) -> tuple[int, int]:
    """Steps of warm-up, and of the whole run.

    Raises:
        ValueError: fewer images than one batch, or than MoCo's queue has keys.
    """
    steps_per_epoch = config.steps_per_epoch(num_images)
    return round(config.warmup_epochs * steps_per_epoch), steps_per_epoch * config.epochs


def resolve(
    config: PretrainingConfig,
    num_images: int,
    encoder_parameters: int,
    projection_head_parameters: int,
    representation_width: int,
) -> Plan:
    """Derive all numbers of a run.

    Raises:
        ValueError: fewer images than one batch, or than MoCo's queue has keys.
    """
    chance = methods.chance(config)
    steps_per_epoch = config.steps_per_epoch(num_images)
    warmup_steps, total_steps = scheduled_steps(config, num_images)
    return Plan(
        method=config.method.value,
        num_images=num_images,
        steps_per_epoch=steps_per_epoch,
        total_steps=total_steps,
        warmup_steps=warmup_steps,
        learning_rate=config.learning_rate,
        images_per_step=config.global_batch_size,
        views_per_step=2 * config.global_batch_size,
        negatives_per_anchor=methods.negatives_per_anchor(config),
        chance_loss=chance.loss if chance else None,
        momentum=config.momentum(steps_per_epoch),
        encoder_parameters=encoder_parameters,
        projection_head_parameters=projection_head_parameters,
        representation_width=representation_width,
    )


def log_plan(plan: Plan, config: PretrainingConfig) -> None:
    """The first line of a run."""
    if note := config.schedule.note(config.epochs):
        _logger.warning("%s", note)
    chance = "no chance loss" if plan.chance_loss is None else f"chance loss {plan.chance_loss:.3f}"
    momentum = "" if plan.momentum is None else f"momentum {plan.momentum:.4g}, "
    _logger.info(
        "%s of %s for %d epochs: peak learning rate %.4g (%s, %s), %d images and %d views per step, %d negatives per "
        "view, %d steps (%d per epoch, %d warm-up), %s, %s%d + %d parameters",
        plan.method,
        config.encoder.architecture.value,
        config.epochs,
        plan.learning_rate,
        config.optimizer.name.value,
        _decay(config),
        plan.images_per_step,
        plan.views_per_step,
        plan.negatives_per_anchor,
        plan.total_steps,
        plan.steps_per_epoch,
        plan.warmup_steps,
        chance,
        momentum,
        plan.encoder_parameters,
        plan.projection_head_parameters,
    )


def _decay(config: PretrainingConfig) -> str:
    """What decays: kernels only, if decay is a part of the loss."""
    weight_decay = config.optimizer.weight_decay or config.loss.weight_decay
    if not weight_decay:
        return "no weight decay"
    decays_all = config.optimizer.weight_decay and config.optimizer.decays_batch_norm_and_biases
    return f"weight decay {weight_decay:g} {'with' if decays_all else 'without'} BatchNorm and biases"
