"""NT-Xent against one 2N x 2N float32 matrix and ``sparse_softmax_cross_entropy_with_logits``, forward and backward."""

import itertools
import json
import sys
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from benchmarks import measuring
from benchmarks.table import Report, Row
from components.simclr.config import LossConfig, ProjectionHeadConfig
from components.simclr.methods import nt_xent

_WIDTH, _TEMPERATURE = ProjectionHeadConfig().output_width, LossConfig().temperature
_SMALL = (32, 128, 512)
_SMALL_TURNS = 10  # times as many turns for small N: few turns of milliseconds are undisturbed
_LARGE = 32768
_RESIDENT, _ARRAYS = "extra_resident_mib", "arrays_mib"


def measure(report: Report, turns: int) -> None:
    """Times at several N, plain and compiled; peak memory at N = 4,096 and 32,768."""
    for images in (4096, *_SMALL):
        for compiled in (False, True):
            _report_times(report, images, compiled, turns * (_SMALL_TURNS if images in _SMALL else 1))
    _report_memory(report)


def _report_times(report: Report, images: int, compiled: bool, turns: int) -> None:
    projections = tf.random.stateless_normal((2 * images, _WIDTH), (0, 1))
    sides = {name: tf.function(side, jit_compile=compiled) for name, side in _SIDES.items()}
    calls = max(1, 2048 // images)

    def repeat(side: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]) -> Callable[[], list[np.ndarray]]:
        return lambda: [side(projections)[1].numpy() for _ in range(calls)]

    timings = measuring.alternate({name: repeat(side) for name, side in sides.items()}, turns)
    ours, other = timings["blocks"], timings["matrix"]
    report(
        Row(
            f"N = {images:,}, {'XLA' if compiled else 'graph'}",
            f"{ours.best / calls * 1e3:.2f} ms",
            f"one matrix {other.best / calls * 1e3:.2f} ms",
            other.best / ours.best,
            ">= 1.8" if images == 4096 else ">= 1",
            f"CPU time {other.cpu / ours.cpu:.2f}; spread {ours.spread:.2f}, {other.spread:.2f}",
        )
    )


def _report_memory(report: Report) -> None:
    ours, other = (measuring.in_own_process("benchmarks.nt_xent", side, "4096") for side in ("blocks", "matrix"))
    for what, key in (("arrays at the peak", _ARRAYS), ("extra resident memory", _RESIDENT)):
        case = f"N = 4,096, {what}"
        report(Row(case, f"{ours[key]:.0f} MiB", f"one matrix {other[key]:.0f} MiB", ours[key] / other[key], "<= 0.25"))
    largest = measuring.in_own_process("benchmarks.nt_xent", "blocks", str(_LARGE))[_RESIDENT]
    report(Row(f"N = {_LARGE:,}, extra resident memory", f"{largest:.0f} MiB", "1,024 MiB", largest / 1024, "<= 1"))


def _blocks(projections: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(projections)
        first, second = tf.split(projections, 2)
        loss = nt_xent.nt_xent(first, second, _TEMPERATURE).loss
    return loss, tape.gradient(loss, projections)


def _matrix(projections: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(projections)
        count = tf.shape(projections)[0]
        directions = tf.math.l2_normalize(projections, axis=1)
        logits = tf.matmul(directions, directions, transpose_b=True) / _TEMPERATURE
        logits = tf.linalg.set_diag(logits, tf.fill([count], -1e30))
        labels = tf.roll(tf.range(count), count // 2, 0)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    return loss, tape.gradient(loss, projections)


_SIDES = {"blocks": _blocks, "matrix": _matrix}


def _extra_resident_mib(side: str, images: int) -> float:
    """How much memory one step adds to the process, after a step at a small N has loaded and traced everything else.

    TensorFlow's allocator keeps freed memory in pieces that do not always fit the next request.
    """
    step = tf.function(_SIDES[side])
    step(tf.random.stateless_normal((1200, _WIDTH), (0, 1)))
    projections = tf.random.stateless_normal((2 * images, _WIDTH), (0, 1))
    measuring.forget_peak()
    before = measuring.peak_mib()
    step(projections)[1].numpy()
    return measuring.peak_mib() - before


def _arrays_mib(side: str, images: int) -> float:
    """Peak size of the arrays of one call, from TensorFlow's record of allocations."""
    metadata = tf.compat.v1.RunMetadata()
    options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        projections = tf.random.stateless_normal((2 * images, _WIDTH), (0, 1)).eval()
        given = tf.compat.v1.placeholder(tf.float32, projections.shape)
        wanted = tf.function(_SIDES[side])(given)
        session.run(wanted, {given: projections}, options, metadata)
    memories = [m for device in metadata.step_stats.dev_stats for node in device.node_stats for m in node.memory]
    changes = [record for memory in memories for record in memory.allocation_records]
    changes.sort(key=lambda record: (record.alloc_micros, -record.alloc_bytes))
    return max(itertools.accumulate(record.alloc_bytes for record in changes)) / 2**20


if __name__ == "__main__":
    arguments = sys.argv[1], int(sys.argv[2])
    json.dump({_RESIDENT: _extra_resident_mib(*arguments), _ARRAYS: _arrays_mib(*arguments)}, sys.stdout)
