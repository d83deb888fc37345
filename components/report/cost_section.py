"""What the steps of a run cost: seconds, and images per second for steps that read images."""

import dataclasses

from components.contracts import records
from components.report import run_record
from components.report.run_record import RunRecord
from components.report.scales import duration, significant

# The step that writes each output, in the order of the data.
_STEPS = {
    run_record.EXAMPLES: "ImageExampleGen",
    run_record.STATISTICS: "StatisticsGen",
    run_record.DRIFT: "DistributionValidator",
    run_record.WINDOW: "TrainingWindow",
    run_record.TRANSFORM_GRAPH: "Transform",
    run_record.VIEWS: "ViewGen",
    run_record.TUNER_RESULTS: "Tuner",
    run_record.PRETRAINED_MODEL: "Trainer",
    run_record.FEATURES: "FeatureExtractor",
    run_record.PROBE_REPORT: "LinearProbe",
    run_record.BASELINES: "Baselines",
    run_record.EVALUATION: "Evaluator",
    run_record.BLESSING: "Gate",
    run_record.PUSHED_MODEL: "Pusher",
}


@dataclasses.dataclass(frozen=True)
class StepCost:
    """One step."""

    step: str
    seconds: float
    images: int | None  # read by the step, counted each time; None: it reads none

    @property
    def time(self) -> str:
        """For people."""
        return duration(self.seconds)

    @property
    def passed(self) -> str:
        """Images for people."""
        return "" if self.images is None else f"{self.images:,}"

    @property
    def images_per_second(self) -> str:
        """For people; empty if nothing was measured."""
        return significant(self.images / self.seconds, 3) if self.images and self.seconds else ""


def step_costs(record: RunRecord) -> list[StepCost]:
    """The steps that stated their time, in the order of the data; for TFX's Trainer, the time is that of training."""
    seconds = {**record.trace.seconds, run_record.PRETRAINED_MODEL: record.pretraining.seconds}
    images = _images(record)
    return [StepCost(step, seconds[name], images.get(name)) for name, step in _STEPS.items() if name in seconds]


def _images(record: RunRecord) -> dict[str, int]:
    ingested = record.ingestion.records
    used = record.window.images if record.window else ingested
    plan = record.pretraining.plan
    measured = record.probe.counts
    return {
        run_record.EXAMPLES: sum(ingested.values()),
        run_record.STATISTICS: sum(ingested.values()),
        run_record.WINDOW: sum(used.values()),
        run_record.TRANSFORM_GRAPH: used[records.TRAIN] + used.get(records.UNLABELED, 0),
        run_record.VIEWS: sum(record.views.images.values()),
        run_record.PRETRAINED_MODEL: plan.total_steps * plan.images_per_step,
        run_record.FEATURES: measured.train + measured.test,
        run_record.EVALUATION: measured.test,
    }
