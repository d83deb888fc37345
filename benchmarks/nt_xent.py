"""NT-Xent beside one 2N x 2N float32 matrix with ``sparse_softmax_cross_entropy_with_logits``: forward and backward."""

import json
import sys

import tensorflow as tf

from benchmarks import measuring
from benchmarks.table import Report, Row
from components.simclr import nt_xent

_WIDTH, _TEMPERATURE = 128, 0.2
_SMALL = (32, 128, 512)
_SMALL_TURNS = 10  # times as many: a turn of milliseconds is only now and then an undisturbed one
_LARGE = 32768
# glibc returns what is freed of arrays of this size and above, instead of keeping it for the thread that had it.
_FREED_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": str(2**18)}


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

    def repeat(side):
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
    for what, variables in (("in use", _FREED_AT_ONCE), ("as kept", {})):
        ours, other = (_extra_memory(side, 4096, **variables) for side in ("blocks", "matrix"))
        case = f"N = 4,096, extra peak memory {what}"
        report(Row(case, f"{ours:.0f} MiB", f"one matrix {other:.0f} MiB", ours / other, "<= 0.25"))
    largest = _extra_memory("blocks", _LARGE)
    report(Row(f"N = {_LARGE:,}, extra peak memory", f"{largest:.0f} MiB", "1,024 MiB", largest / 1024, "<= 1"))


def _extra_memory(side: str, images: int, **variables: str) -> float:
    return measuring.in_own_process("benchmarks.nt_xent", side, str(images), **variables)["extra_mib"]


def _blocks(projections: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(projections)
        loss = nt_xent.nt_xent(*tf.split(projections, 2), _TEMPERATURE).loss
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


def _main(side: str, images: int) -> None:
    """Extra peak memory of one side, after the same at a small N, which loads and traces what does not grow."""
    step = tf.function(_SIDES[side])
    step(tf.random.stateless_normal((1200, _WIDTH), (0, 1)))
    projections = tf.random.stateless_normal((2 * images, _WIDTH), (0, 1))
    measuring.forget_peak()
    before = measuring.peak_mib()
    step(projections)[1].numpy()
    json.dump({"extra_mib": measuring.peak_mib() - before}, sys.stdout)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
