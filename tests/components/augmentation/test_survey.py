import dataclasses
import pathlib

import pytest

from components.augmentation import survey
from components.augmentation.config import ViewsConfig
from components.augmentation.held_out import held_out_ranks
from components.augmentation.shards import list_files, read_images
from components.augmentation.survey import InputFile
from components.contracts import records
from components.contracts.images import ImageConfig

CONFIG = ViewsConfig(views_per_image=2, eval_fraction=0.25)
SMALL = ImageConfig(size_px=16)


def _files(examples, *splits):
    return [
        InputFile(path, split, pathlib.Path(path).stat().st_size)
        for split in splits
        for path in list_files(f"{examples.uri}/Split-{split}")
    ]


def _ranks(files):
    return [held_out_ranks(list(read_images(file.path))) for file in files]


def test_where_the_fraction_holds_none_out_the_smallest_rank_is_that_of_all_files(examples):
    files = _files(examples, records.TRAIN, records.UNLABELED)
    first, second, _ = _ranks(files)
    assert survey.smallest_rank(files, 1e-9) == min([*first, *second])


def test_the_search_ends_with_the_first_that_the_fraction_holds_out(examples):
    files = _files(examples, records.TRAIN)
    first, _ = _ranks(files)
    absent = dataclasses.replace(files[1], path="/nowhere/to/be.read")
    assert survey.smallest_rank([files[0], absent], float(min(first)) + 1e-6) == min(first)


def test_images_without_a_label_are_not_held_out(examples, image_records, tmp_path):
    mixed = [image_records.make(number, "cat" if number == 7 else None) for number in range(40)]
    files = _files(image_records.write(tmp_path, {records.TRAIN: [mixed]}), records.TRAIN)
    assert survey.smallest_rank(files, 0.5) == _ranks(files)[0][7]
    with pytest.raises(ValueError, match="no image with a label"):
        survey.smallest_rank(_files(examples, records.UNLABELED), 0.5)


def test_the_size_is_estimated_from_the_largest_files(examples):
    files = _files(examples, records.TRAIN, records.UNLABELED)
    estimated = survey.check_size(files, CONFIG, SMALL)
    absent = [InputFile("/nowhere/to/be.read", records.UNLABELED, 0)] * 20
    assert survey.check_size(files[:1] * 8 + absent, CONFIG, SMALL) > estimated


def test_too_many_bytes_are_refused(examples):
    files = _files(examples, records.TRAIN)
    expected = survey.check_size(files, CONFIG, SMALL)
    with pytest.raises(ValueError, match=rf"about {expected:,} bytes, .*max_view_bytes allows \(1,000\).*image \(2\)"):
        survey.check_size(files, dataclasses.replace(CONFIG, max_view_bytes=1000), SMALL)
