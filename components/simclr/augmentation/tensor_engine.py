"""The augmentations on batches of tensors: views and their draw go in, augmented views come out.

Written in ``keras.ops``, without a loop over the batch, so that it compiles with XLA inside the training step. Every
operation rounds its result to whole numbers from 0 to 255.
"""

from typing import Any

import numpy as np
from keras import ops

from components.simclr.augmentation.online_draws import JITTER_STEPS
from components.simclr.augmentation.policies import Border, OnlinePolicy

Tensor = Any  # of whatever backend Keras runs on

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in torchvision and Pillow


def apply_online(images: Tensor, drawn: dict[str, Tensor], policy: OnlinePolicy) -> Tensor:
    """Apply what ``draw_online`` drew from the same policy.

    Args:
        images: (n, s, s, c), uint8 or whole numbers 0 to 255 of any type; s and c static, c 1 or 3.
        drawn: tensors or arrays from ``draw_online`` for these n views; absent operations are not applied.
        policy: gives the settings that are the same for all samples (border, threshold, fill).

    Returns:
        (n, s, s, c) float32, whole numbers 0 to 255.

    Source: torchvision 0.20, ``transforms.functional``, with each result rounded to 8 bits; DeVries and Taylor 2017
    for cutout.
    """
    views = ops.cast(images, "float32")
    if "affine" in drawn:
        views = _affine(views, ops.convert_to_tensor(drawn["affine"]), policy.border)
    views = _turns_and_flips(views, drawn)
    if "jitter_order" in drawn:
        views = _jitter(views, drawn)
    if "gray" in drawn:
        views = _where(drawn["gray"], _to_gray(views), views)
    if "blur_taps" in drawn:
        views = _blur(views, ops.convert_to_tensor(drawn["blur_taps"]))
    if "solarize" in drawn:
        inverted = ops.where(views >= policy.solarize_threshold, 255.0 - views, views)
        views = _where(drawn["solarize"], inverted, views)
    if "noise_std" in drawn:
        views = _add_noise(views, drawn["noise_std"], ops.convert_to_tensor(drawn["noise_key"]))
    if "sobel" in drawn:
        views = _where(drawn["sobel"], _sobel(views), views)
    if "cutout" in drawn:
        views = _cutout(views, ops.convert_to_tensor(drawn["cutout"]), float(policy.cutout_fill))
    return views


def crop_and_resize(images: Tensor, boxes: Tensor, size_px: int) -> Tensor:
    """Cut boxes and resize them, bilinear; an axis that shrinks by more than 1.5 first goes through a box filter.

    Each axis is one product with a small interpolation matrix, which accelerators do faster than gathering.

    Args:
        images: (n, h, w, c), uint8 or float, 0 to 255.
        boxes: (n, 4) integers: top, left, height, width, inside the images.
        size_px: side of the result.

    Returns:
        (n, size_px, size_px, c) float32, whole numbers 0 to 255.

    Source: torchvision 0.20, ``transforms.functional.resized_crop``, without its antialiasing; the box filter is this
    project's.
    """
    images = ops.cast(images, "float32")
    boxes = ops.cast(ops.convert_to_tensor(boxes), "int32")
    _, height, width, _ = ops.shape(images)
    rows = _interpolation_matrix(boxes[:, 0], boxes[:, 2], height, size_px)  # (n, s, h)
    columns = _interpolation_matrix(boxes[:, 1], boxes[:, 3], width, size_px)  # (n, s, w)
    narrowed = ops.einsum("nhwc,nxw->nhxc", images, columns)
    return _to_8_bits(ops.einsum("nhxc,nyh->nyxc", narrowed, rows))


def _interpolation_matrix(starts: Tensor, lengths: Tensor, source_length: int, size_px: int) -> Tensor:
    """(n, size_px, source_length): weights of source pixels in each target pixel; starts and lengths (n,) int32."""
    # In whole numbers, because a compiler may turn a division into a product that misses the threshold.
    nearest = (2 * lengths + size_px) // (2 * size_px)
    factor = ops.where(2 * lengths > 3 * size_px, nearest, 1)  # crops.reduction_factor
    cells = lengths // factor
    trimmed_starts = starts + (lengths - cells * factor) // 2
    source = ops.arange(source_length, dtype="int32")
    cell_of_source = (source[None, :] - trimmed_starts[:, None]) // factor[:, None]  # (n, h), negative before the box
    cells = ops.cast(cells, "float32")[:, None]
    target = ops.arange(size_px, dtype="float32") + 0.5
    places = ops.clip(target[None, :] * (cells / size_px) - 0.5, 0.0, cells - 1.0)  # (n, s), in reduced pixels
    # Cells outside the box are at least one cell away from every place, so their weight is 0.
    nearness = 1.0 - ops.abs(places[:, :, None] - ops.cast(cell_of_source, "float32")[:, None, :])
    return ops.maximum(nearness, 0.0) / ops.cast(factor, "float32")[:, None, None]


def _to_8_bits(views: Tensor) -> Tensor:
    return ops.clip(ops.round(views), 0.0, 255.0)


def _per_sample(values: Tensor) -> Tensor:
    return ops.reshape(values, (-1, 1, 1, 1))


def _where(chosen: Tensor, changed: Tensor, unchanged: Tensor) -> Tensor:
    return ops.where(_per_sample(chosen), changed, unchanged)


def _luma(planes: list[Tensor]) -> Tensor:
    """One or three (n, h, w) planes to their luma, (n, h, w), not rounded."""
    if len(planes) == 1:
        return planes[0]
    return sum(weight * plane for weight, plane in zip(LUMA, planes, strict=True))


def _to_gray(views: Tensor) -> Tensor:
    gray = ops.round(_luma([views[..., channel] for channel in range(3)]))
    return ops.repeat(gray[..., None], 3, axis=3)


def _affine(views: Tensor, matrices: Tensor, border: Border) -> Tensor:
    size = views.shape[1]
    rows, columns = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32), indexing="ij")
    a, b, c, d, e, f = (_per_sample(matrices[:, i])[..., 0] for i in range(6))  # (n, 1, 1) each
    x = a * columns + b * rows + c  # (n, s, s)
    y = d * columns + e * rows + f
    left, top = ops.floor(x), ops.floor(y)
    across, down = x - left, y - top
    result = 0.0
    for step_y, weight_y in ((0, 1.0 - down), (1, down)):
        for step_x, weight_x in ((0, 1.0 - across), (1, across)):
            row, inside_y = _bordered(top + step_y, size, border)
            column, inside_x = _bordered(left + step_x, size, border)
            weight = weight_y * weight_x * inside_y * inside_x
            result = result + _gather(views, row, column) * weight[..., None]
    return _to_8_bits(result)


def _bordered(index: Tensor, size: int, border: Border) -> tuple[Tensor, Tensor | float]:
    """Indices moved into the image, and a factor that is 0 for black pixels outside and else 1."""
    if border is Border.BLACK:
        inside = ops.cast((index >= 0) & (index <= size - 1), "float32")
        return ops.clip(index, 0, size - 1), inside
    if border is Border.REFLECT:  # about the middle of the last pixel, as BORDER_REFLECT_101 in OpenCV
        period = 2.0 * (size - 1)
        index = ops.abs(index - period * ops.round(index / period))
    return ops.clip(index, 0, size - 1), 1.0


def _gather(views: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """views[i, rows[i], columns[i]] for (n, s, s) indices, as one gather over the flattened batch."""
    count, (size, channels) = ops.shape(views)[0], views.shape[2:]
    offsets = ops.reshape(ops.arange(count, dtype="int32") * (size * size), (-1, 1, 1))
    places = ops.cast(rows * size + columns, "int32") + offsets
    return ops.take(ops.reshape(views, (-1, channels)), places, axis=0)


def _turns_and_flips(views: Tensor, drawn: dict[str, Tensor]) -> Tensor:
    """Quarter turns counter-clockwise, then flips; together they are one transposition and two flips."""
    horizontal, vertical = drawn.get("flip_horizontal"), drawn.get("flip_vertical")
    if "quarter_turns" in drawn:
        turns = ops.convert_to_tensor(drawn["quarter_turns"])
        views = _where((turns == 1) | (turns == 3), ops.transpose(views, (0, 2, 1, 3)), views)
        up, across = (turns == 1) | (turns == 2), (turns == 2) | (turns == 3)
        vertical = up if vertical is None else ops.logical_xor(up, vertical)
        horizontal = across if horizontal is None else ops.logical_xor(across, horizontal)
    if vertical is not None:
        views = _where(vertical, ops.flip(views, axis=1), views)
    if horizontal is not None:
        views = _where(horizontal, ops.flip(views, axis=2), views)
    return views


def _jitter(views: Tensor, drawn: dict[str, Tensor]) -> Tensor:
    """The colour steps in each sample's own order.

    Channels are separate planes, because compilers vectorise whole planes far better than three neighbouring values.
    Hue is the costly step and runs once. The other steps run before and after it; each sample uses one of the two.
    """
    order = ops.convert_to_tensor(drawn["jitter_order"])  # (n, m)
    planes = [views[..., channel] for channel in range(views.shape[3])]  # (n, h, w) each
    if "hue" not in drawn:
        return ops.stack(_blend_steps(planes, order, drawn), axis=3)
    hue = JITTER_STEPS.index("hue")
    positions = np.arange(order.shape[1])
    hue_position = ops.argmax(ops.cast(order == hue, "int32"), axis=1)[:, None]
    before = ops.where(positions < hue_position, order, hue)[:, :-1]
    behind = ops.where(positions > hue_position, order, hue)[:, 1:]
    planes = _blend_steps(planes, before, drawn)
    planes = _shift_hue(planes, ops.convert_to_tensor(drawn["hue"])[:, None, None])
    return ops.stack(_blend_steps(planes, behind, drawn), axis=3)


def _blend_steps(planes: list[Tensor], steps: Tensor, drawn: dict[str, Tensor]) -> list[Tensor]:
    """Blend in a loop, because XLA would otherwise fuse each step into both readers of its result."""
    if steps.shape[1] == 0:
        return planes
    drawn = {name: ops.convert_to_tensor(drawn[name]) for name in JITTER_STEPS if name in drawn}

    def body(position: Tensor, planes: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(_blend_step(list(planes), ops.take(steps, position, axis=1), drawn))

    return list(ops.fori_loop(0, steps.shape[1], body, tuple(planes)))


def _blend_step(planes: list[Tensor], step: Tensor, drawn: dict[str, Tensor]) -> list[Tensor]:
    """Apply brightness, contrast or saturation, whichever is the step of each sample; all three are blends.

    The result is factor * view + (1 - factor) * other, where other is 0, the mean gray value, or the gray view.
    ``step`` (n,) is an index into ``JITTER_STEPS``; samples with another step do not change.
    """
    factor = ops.ones_like(step, dtype="float32")
    rest = {}
    for name in JITTER_STEPS[:3]:
        if name in drawn:
            chosen = step == JITTER_STEPS.index(name)
            factor = ops.where(chosen, drawn[name], factor)
            rest[name] = ops.where(chosen, 1.0 - drawn[name], 0.0)[:, None, None]
    added: Tensor | float = 0.0
    luma = _luma(planes) if "contrast" in rest or "saturation" in rest else None
    if "contrast" in rest:
        added = added + rest["contrast"] * ops.mean(luma, axis=(1, 2), keepdims=True)
    if "saturation" in rest:
        added = added + rest["saturation"] * luma
    return [_to_8_bits(factor[:, None, None] * plane + added) for plane in planes]


def _shift_hue(planes: list[Tensor], shift: Tensor) -> list[Tensor]:
    """Turn RGB into HSV, move the hue by ``shift`` (n, 1, 1) turns, and turn it back; planes (n, h, w)."""
    red, green, blue = planes
    value = ops.maximum(ops.maximum(red, green), blue)
    chroma = value - ops.minimum(ops.minimum(red, green), blue)
    slope = 1.0 / ops.maximum(chroma, 1.0)  # gray has hue 0; this is one division instead of three
    sextant = ops.where(
        value == red,
        (green - blue) * slope,
        ops.where(value == green, 2.0 + (blue - red) * slope, 4.0 + (red - green) * slope),
    )
    sextant = sextant + 6.0 * shift  # -4 to 8
    return [_from_hue(sextant + offset, value, chroma) for offset in (5.0, 3.0, 1.0)]


def _from_hue(angle: Tensor, value: Tensor, chroma: Tensor) -> Tensor:
    """A channel from HSV: value - chroma * clip(min(k, 4 - k), 0, 1), where k is ``angle`` modulo 6 sextants."""
    k = angle - 6.0 * ops.floor(angle * (1.0 / 6.0))
    return ops.round(value - chroma * ops.clip(ops.minimum(k, 4.0 - k), 0.0, 1.0))


def _blur(views: Tensor, taps: Tensor) -> Tensor:
    """Separable convolution with a symmetric kernel for each sample, reflected at the border."""
    for axis in (1, 2):
        views = _blur_axis(views, taps, axis)
    return ops.round(views)


def _blur_axis(views: Tensor, taps: Tensor, axis: int) -> Tensor:
    radius, size = taps.shape[1] - 1, views.shape[axis]
    pads = [(0, 0)] * 4
    pads[axis] = (radius, radius)
    padded = ops.pad(views, pads, mode="reflect")

    def shifted(offset: int) -> Tensor:
        window = slice(radius + offset, radius + offset + size)
        return padded[:, window] if axis == 1 else padded[:, :, window]

    result = _per_sample(taps[:, 0]) * views
    for distance in range(1, radius + 1):
        result = result + _per_sample(taps[:, distance]) * (shifted(-distance) + shifted(distance))
    return result


def _sobel(views: Tensor) -> Tensor:
    """Length of the gradient of each channel, divided by 4, so that a step from 0 to 255 gives 255."""
    size = views.shape[1]
    padded = ops.pad(views, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")

    def part(row: int, column: int) -> Tensor:
        return padded[:, row : row + size, column : column + size]

    across = part(0, 2) + 2 * part(1, 2) + part(2, 2) - part(0, 0) - 2 * part(1, 0) - part(2, 0)
    down = part(2, 0) + 2 * part(2, 1) + part(2, 2) - part(0, 0) - 2 * part(0, 1) - part(0, 2)
    return _to_8_bits(ops.sqrt(across * across + down * down) / 4.0)


def _cutout(views: Tensor, boxes: Tensor, fill: float) -> Tensor:
    places = ops.arange(views.shape[1], dtype="int32")
    inside_rows = (places >= boxes[:, 0:1]) & (places < boxes[:, 2:3])  # (n, s)
    inside_columns = (places >= boxes[:, 1:2]) & (places < boxes[:, 3:4])
    covered = inside_rows[:, :, None, None] & inside_columns[:, None, :, None]
    return ops.where(covered, fill, views)


def _add_noise(views: Tensor, std: Tensor, key: Tensor) -> Tensor:
    size, channels = views.shape[2:]
    count = size * size * channels
    counters = np.arange(count, dtype=np.uint32)[None, :]
    first = _mix32(counters ^ key[:, 0:1])  # (n, s * s * c)
    second = _mix32(first ^ key[:, 1:2])
    unit = 2.0**-24
    radius = ops.sqrt(-2.0 * ops.log((ops.cast(ops.right_shift(first, 8), "float32") + 0.5) * unit))
    turn = (2.0 * np.pi * unit) * ops.cast(ops.right_shift(second, 8), "float32")
    noise = ops.reshape(radius * ops.cos(turn), (-1, size, size, channels))
    return _to_8_bits(views + _per_sample(std) * noise)


def _mix32(words: Tensor) -> Tensor:
    """uint32 to uint32 with full avalanche: the lowbias32 function of Wellons 2018, exact_bias 0.17."""
    words = (words ^ ops.right_shift(words, 16)) * np.uint32(0x7FEB352D)
    words = (words ^ ops.right_shift(words, 15)) * np.uint32(0x846CA68B)
    return words ^ ops.right_shift(words, 16)
