"""How work reaches Beam's workers.

Beam's Create and Reshuffle would do it, but each is several transforms once it is expanded, and each of those costs the
local runner about a hundredth of a second.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apache_beam as beam

from components.contracts.worker import Worker


def spread(pipeline: beam.Pipeline, read: Callable[..., Iterable], *args: Any) -> beam.PCollection:
    """``(number, [element])`` for each element of ``read(*args)``, which a worker calls.

    What comes after it runs on any worker, apart from what comes before.
    """
    return pipeline | beam.Impulse() | "Number" >> beam.ParDo(_Number(read, *args)) | "Spread" >> beam.GroupByKey()


@beam.typehints.with_output_types(tuple[int, Any])
class _Number(Worker):
    def __init__(self, read: Callable[..., Iterable], *args: Any):
        super().__init__()
        self._read, self._args = read, args

    def process(self, element: bytes) -> Iterator[tuple[int, Any]]:
        del element  # Beam's first, which is empty
        yield from enumerate(self._read(*self._args))
