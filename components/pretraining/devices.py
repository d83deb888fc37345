"""Turns the number of GPUs in a config into names of devices, or raises a clear error before any work."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.framework import config as framework_config  # the public API can neither tell nor undo it


class MissingGpu(RuntimeError):
    """TensorFlow sees fewer GPUs than the config asks for."""


def check_gpus(num_gpus: int, key: str = "pretraining.num_gpus") -> None:
    """Fail at once rather than train on the CPU of a paid-for machine.

    Args:
        num_gpus: asked for.
        key: of the config that asks, for the message.

    Raises:
        MissingGpu: fewer GPUs are visible than ``num_gpus``.
    """
    visible = tf.config.list_physical_devices("GPU")
    if len(visible) < num_gpus:
        raise MissingGpu(
            f"{key} is {num_gpus}, but TensorFlow sees {len(visible)} GPUs here: check the driver, the "
            f"CUDA libraries and the pod's GPU limit, or set {key}: 0 to train on the CPU"
        )


def replica_devices(num_gpus: int) -> list[str]:
    """Device names of the replicas: the CPU, or the first ``num_gpus`` GPUs."""
    return [f"/GPU:{index}" for index in range(num_gpus)] or ["/CPU:0"]


@contextlib.contextmanager
def op_determinism(is_wanted: bool) -> Iterator[None]:
    """Make operations deterministic inside the block only, because other steps share the process."""
    if not is_wanted or framework_config.is_op_determinism_enabled():
        yield
        return
    tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        framework_config.disable_op_determinism()
