"""Random resized crops of single uint8 images, for CPU workers: an image and its box go in, the crop comes out.

OpenCV and NumPy only. ViewGen stores these crops; training cuts them where none are stored.
"""

import cv2
import numpy as np

from components.simclr.augmentation import crops


def random_resized_crop(image: np.ndarray, box: np.ndarray, size_px: int) -> np.ndarray:
    """Cut a box and resize it, bilinear; an axis that shrinks by more than 1.5 first goes through a box filter.

    Args:
        image: (h, w, c) uint8.
        box: four integers inside the image: top, left, height, width.
        size_px: side of the result.

    Returns:
        (size_px, size_px, c) uint8.

    Source: as ``tensor_engine.crop_and_resize``, from which it differs by at most 1 of 255.
    """
    top, left, height, width = np.asarray(box).tolist()
    by_row, by_column = crops.reduction_factor(height, size_px), crops.reduction_factor(width, size_px)
    if by_row > 1 or by_column > 1:
        rows, columns = height // by_row, width // by_column
        # Only whole cells: the rest, less than a cell, is cut off evenly on both sides.
        top, left = top + (height - rows * by_row) // 2, left + (width - columns * by_column) // 2
        cut = image[top : top + rows * by_row, left : left + columns * by_column]
        cut = cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA)
    else:
        cut = image[top : top + height, left : left + width]
    resized = cv2.resize(cut, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    return resized.reshape(size_px, size_px, image.shape[2])
