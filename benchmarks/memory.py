"""Peak memory of ingestion and ViewGen for few and for ten times as many images, each in its own process."""

import itertools
import json
import pathlib
import sys
import tempfile
from collections.abc import Callable

import cv2
import numpy as np

from benchmarks import measuring
from benchmarks.table import Report, Row

_FEW, _MANY = 2_000, 20_000
_SIDE_PX, _JPEG_QUALITY = 256, 85  # such files have about 30 KB
_STEPS = ("ingestion", "view_gen")


def measure(report: Report, turns: int) -> None:
    """MiB more than an empty pipeline with the same imports; peaks hardly vary, so ``turns`` is not used."""
    del turns
    with tempfile.TemporaryDirectory() as folder:
        _make_images(*(pathlib.Path(folder, str(count), "images") for count in (_MANY, _FEW)))
        for step in _STEPS:
            empty = _peak_mib(step, folder, 0)
            few, many = (_peak_mib(step, folder, count) - empty for count in (_FEW, _MANY))
            report(
                Row(
                    f"{step}, {_MANY:,} images",
                    f"{many:,.0f} MiB",
                    f"{_FEW:,} images {few:,.0f} MiB",
                    many / few,
                    "<= 1.3",
                    f"above {empty:,.0f} MiB of an empty pipeline",
                )
            )


def _peak_mib(step: str, folder: str, count: int) -> float:
    return measuring.in_own_process("benchmarks.memory", step, folder, str(count))["mib"]


def _make_images(many: pathlib.Path, few: pathlib.Path) -> None:
    """Two classes of coarse shapes, all different, with one fine noise; the few are hard links to the first many."""
    generator = np.random.default_rng(0)
    grain = generator.integers(0, 256, (_SIDE_PX // 2, _SIDE_PX // 2, 3), dtype=np.uint8)
    noise = cv2.resize(grain, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_CUBIC)
    for root, name in itertools.product((many, few), "ab"):
        (root / name).mkdir(parents=True)
    for number in range(_MANY):
        shapes = cv2.resize(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8), (_SIDE_PX, _SIDE_PX))
        mixed = cv2.addWeighted(noise, 0.5, shapes, 0.5, 0)
        encoded = cv2.imencode(".jpg", mixed, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
        path = pathlib.Path("ab"[number % 2], f"{number}.jpg")
        (many / path).write_bytes(encoded.tobytes())
        if number < _FEW:
            (few / path).hardlink_to(many / path)


def _run(step: str, folder: pathlib.Path, count: int) -> None:
    """Run the step on the images in ``folder``, or an empty pipeline if ``count`` is 0."""
    import apache_beam as beam

    run = {"ingestion": _load_ingestion, "view_gen": _load_view_gen}[step]()
    if count:
        run(folder / str(count))
    else:
        with beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
            _ = pipeline | beam.Impulse() | beam.Map(len)


def _load_ingestion() -> Callable[[pathlib.Path], object]:
    import apache_beam as beam

    from components.contracts.images import ImageConfig
    from components.ingestion.config import IngestionConfig
    from components.ingestion.ingest import ingest

    return lambda folder: ingest(
        str(folder / "images"),
        str(folder / "examples"),
        IngestionConfig(),
        ImageConfig(),
        lambda: beam.Pipeline(argv=["--runner=FnApiRunner"]),
    )


def _load_view_gen() -> Callable[[pathlib.Path], object]:
    from tfx.dsl.components.base import base_beam_executor
    from tfx.types import artifact_utils, standard_artifacts

    from components.augmentation import executor
    from components.augmentation.config import ViewsConfig
    from components.contracts import artifact_files, records
    from components.contracts.configuration import to_json
    from components.contracts.images import ImageConfig

    def run(folder: pathlib.Path) -> None:
        examples, views = standard_artifacts.Examples(), standard_artifacts.Examples()
        examples.uri, views.uri = str(folder / "examples"), str(folder / "views")
        examples.split_names = artifact_utils.encode_split_names([records.TRAIN, records.TEST])
        context = base_beam_executor.BaseBeamExecutor.Context(
            ["--runner=FnApiRunner", "--sdk_container_image=none"],  # or TFX packs itself up, for seconds
            tmp_dir=str(folder / "tmp"),
            unique_id="1",
        )
        parameters = {
            artifact_files.CONFIG: to_json(ViewsConfig(views_per_image=2)),
            artifact_files.IMAGE_CONFIG: to_json(ImageConfig(size_px=32)),
        }
        executor.Executor(context).Do({executor.EXAMPLES: [examples]}, {executor.VIEWS_OUTPUT: [views]}, parameters)

    return run


if __name__ == "__main__":
    _run(sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(json.dumps({"mib": measuring.peak_mib()}) + "\n")
