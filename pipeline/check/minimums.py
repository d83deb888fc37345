"""What the data must suffice for, said before any training: numbers of images in, sentences out."""

import math
from typing import NamedTuple

from components.ingestion.summary import where_labels_are
from components.pretraining.config import PretrainingConfig
from components.simclr.config import Method
from pipeline.check.counts import Counts
from pipeline.config import PipelineConfig


class Shortage(NamedTuple):
    """Something of which there is too little."""

    text: str  # a sentence with the numbers and what to do
    is_certain: bool  # else ingestion will tell


class TooFewImagesError(ValueError):
    """The run would fail, or could not end with a blessing, because there are too few images."""


def require(counts: Counts, config: PipelineConfig) -> None:
    """Stop a run that is certain to have too few images.

    Raises:
        TooFewImagesError: names each shortage, and what to do.
    """
    certain = [shortage.text for shortage in shortages(counts, config) if shortage.is_certain]
    if certain:
        raise TooFewImagesError(" ".join(certain))


def shortages(counts: Counts, config: PipelineConfig) -> list[Shortage]:
    """Compare with every minimum that the data decide."""
    if counts.unlabeled and not counts.labelled:
        return [_no_labels(counts, config)]
    return [*_few_of_a_class(counts, config), *_few_test_images(counts, config), *_few_for_pretraining(counts, config)]


def _no_labels(counts: Counts, config: PipelineConfig) -> Shortage:
    text = (
        f"None of the {counts.unlabeled:,} images has a label, but linear evaluation needs some: "
        f"{where_labels_are(config.ingestion)}."
    )
    return Shortage(text, is_certain=True)


def _few_of_a_class(counts: Counts, config: PipelineConfig) -> list[Shortage]:
    if not counts.labelled or counts.classes is None:
        return []
    least = config.ingestion.min_images_per_class
    few = {name: number for name, number in counts.classes.items() if number < least}
    found = []
    if few:
        named = ", ".join(f"{name} {number}" for name, number in sorted(few.items())[:10])
        text = (
            f"Classes with fewer train images than ingestion.min_images_per_class ({least}): {len(few)} ({named}). Add "
            "images to them, or leave them out."
        )
        found.append(Shortage(text, is_certain=True))
    if len(counts.classes) < 2:
        text = f"Only one class has train images ({', '.join(counts.classes)}), but the probe needs at least two."
        found.append(Shortage(text, is_certain=True))
    return found


def _few_test_images(counts: Counts, config: PipelineConfig) -> list[Shortage]:
    """A model that is measured on fewer images is not blessed, however long it was trained."""
    gate = config.gate
    if not counts.labelled or not gate.may_bless:
        return []
    if not counts.is_exact and not counts.classes:  # perhaps no image has a label
        return []
    most, least = counts.test + counts.undecided, gate.min_test_images
    expected = counts.test + round(config.ingestion.test_fraction * counts.undecided)
    if expected >= least:
        return []
    number = f"{expected} test images" if most == counts.test else f"About {expected} test images (at most {most})"
    ways = [
        "bring more labelled images",
        *_larger_part(counts, config),
        f"judge by fewer (--set gate.min_test_images={max(expected, 1)})",
    ]
    if gate.stop_early:
        ways.append("train anyway, for a model that is measured but not blessed (--set gate.stop_early=false)")
    advice = f"{'; '.join(ways[:-1])}; or {ways[-1]}"
    text = f"{number} are fewer than gate.min_test_images ({least}), so no model can be blessed: {advice}."
    return [Shortage(text, is_certain=most < least and gate.stop_early)]


def _larger_part(counts: Counts, config: PipelineConfig) -> list[str]:
    """A larger part of the images as test, if it gives enough of them also where chance gives few."""
    splits_itself = counts.undecided > 0 or (counts.is_exact and counts.test > 0)
    images = counts.undecided or counts.labelled
    for percent in range(5, 55, 5):
        part = percent / 100
        enough = images * part - 2 * math.sqrt(images * part * (1 - part)) >= config.gate.min_test_images
        if splits_itself and enough and part > config.ingestion.test_fraction:
            of_its_own = "" if counts.undecided else " if the data has no test split of its own"
            return [f"let a larger part become test{of_its_own} (--set ingestion.test_fraction={part:g})"]
    return []


def _few_for_pretraining(counts: Counts, config: PipelineConfig) -> list[Shortage]:
    """Train and unlabeled images, of which ViewGen holds a part of the labelled ones out, at least one."""
    undecided = counts.undecided * (1 - config.ingestion.test_fraction)
    labelled = counts.train + undecided
    most = counts.train + counts.undecided + counts.unlabeled - (1 if counts.labelled else 0)
    expected = min(int(labelled * (1 - config.views.eval_fraction)) + counts.unlabeled, most)
    pretraining = config.pretraining
    factor, name = _largest_batch(config)
    batch = round(factor * pretraining.global_batch_size)
    if expected < batch:
        number = str(most) if most < batch else f"about {expected}"
        text = (
            f"{number} images for pretraining are fewer than {name} ({batch}): bring more images, with or without "
            f"labels{_smaller_batch(pretraining, int(expected / factor))}."
        )
        return [Shortage(text, is_certain=most < batch)]
    queue = pretraining.moco.queue_size
    if pretraining.method is Method.MOCO and expected <= queue:
        text = (
            f"{expected} images for pretraining are no more than pretraining.moco.queue_size ({queue}): bring more "
            "images, or lower it, as an image would meet its own earlier key as a negative."
        )
        return [Shortage(text, is_certain=most <= queue)]
    return []


def _largest_batch(config: PipelineConfig) -> tuple[float, str]:
    """The largest batch of a run: as a multiple of ``global_batch_size``, and the settings that it comes from."""
    factors = config.tuning.batch_size or ()
    if config.tuning.enabled and max(factors, default=1.0) > 1:
        return max(factors), "pretraining.global_batch_size times the largest tuning.batch_size"
    return 1.0, "pretraining.global_batch_size"


def _smaller_batch(config: PretrainingConfig, images: int) -> str:
    """The largest power of two that fits and can be divided among the replicas."""
    fitting = 2 ** int(math.log2(images)) if images >= 2 else 0
    if fitting < 2 or fitting % config.num_replicas or config.gradient_cache_chunks > 1:
        return ", or lower it"
    return f", or lower it (--set pretraining.global_batch_size={fitting})"
