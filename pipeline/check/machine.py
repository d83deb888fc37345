"""What a run asks of this machine: GPUs and space on the disk."""

import pathlib
import shutil

from pipeline.config import PipelineConfig


def gpus_asked(config: PipelineConfig) -> dict[str, int]:
    """GPUs by the key that asks for them; only steps that this run has."""
    asked = {"pretraining.num_gpus": config.pretraining.num_gpus}
    if config.baselines.enabled:
        asked["baselines.num_gpus"] = config.baselines.num_gpus
    return asked


def require_gpus(config: PipelineConfig) -> None:
    """Compare with the GPUs that TensorFlow sees, which is loaded only if a step asks for one.

    Raises:
        MissingGpu: a step asks for more than there are.
    """
    for key, number in gpus_asked(config).items():
        if number:
            from components.pretraining import devices

            devices.check_gpus(number, key)


def gpus_seen() -> int:
    """The number of GPUs that TensorFlow sees here."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def free_bytes(folder: pathlib.Path) -> int:
    """Free space where ``folder`` is, or will be made."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(existing).free


def in_words(number: float) -> str:
    """A number of bytes for people, such as 35.9 MB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}" if unit != "bytes" else f"{number:.0f} bytes"
        number /= 1000
    return f"{number:.3g} TB"
