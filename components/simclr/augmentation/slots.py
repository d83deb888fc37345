"""The numbers of a view's random draws, so that no two uses of randomness share one.

A changed number changes every view that is drawn with it. So add numbers at the end and never renumber.
"""

import enum


class Slot(enum.IntEnum):
    """The first slot of each use; a use with several draws also takes the numbers that follow."""

    CROP = 0  # 10 tries of 4
    AFFINE = 100
    ROTATION = 101
    ZOOM = 102
    SHIFT_X = 103
    SHIFT_Y = 104
    SHEAR = 105
    QUARTER_TURN = 110
    QUARTER_TURN_COUNT = 111
    FLIP_HORIZONTAL = 112
    FLIP_VERTICAL = 113
    JITTER = 120
    JITTER_ORDER = 121
    BRIGHTNESS = 122
    CONTRAST = 123
    SATURATION = 124
    HUE = 125
    GRAY = 126
    BLUR = 130
    BLUR_SIGMA = 131
    SOLARIZE = 132
    NOISE = 133
    NOISE_STD = 134
    NOISE_KEY = 135
    SOBEL = 136
    CUTOUT = 140
    CUTOUT_SIDE = 141
    CUTOUT_TOP = 142
    CUTOUT_LEFT = 143
    VIEW_PAIR = 150  # which two of an image's stored views a step takes; two draws
    ORDER = 160  # the place of an image in the order of an epoch
    HELD_OUT = 170  # whether a labelled image is held out for watching
