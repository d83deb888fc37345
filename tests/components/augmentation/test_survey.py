import dataclasses
import pathlib

import cv2
import pytest

from components.augmentation import survey
from components.augmentation.config import ViewsConfig
from components.augmentation.held_out import held_out_ranks
from components.augmentation.shards import list_files, read_images
from components.augmentation.survey import InputFile
from components.augmentation.view_records import train_records
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


def test_the_size_is_estimated_folder_by_folder(image_records, tmp_path):
    """Small images with labels, more and large ones without: crops of both have the same size."""
    large = cv2.imencode(".png", image_records.pixels(0, 200, 200))[1].tobytes()
    changes = {records.IMAGE: large, records.HEIGHT: 200, records.WIDTH: 200}
    contents = {
        records.TRAIN: [[image_records.make(number, "cat") for number in range(40)]],
        records.UNLABELED: [[image_records.make(number, **changes) for number in range(count)] for count in (3, 30)],
    }
    files = _files(image_records.write(tmp_path, contents), *contents)
    written = sum(
        len(record) for file in files for record in train_records(list(read_images(file.path)), CONFIG, SMALL)
    )
    assert survey.check_size(files, CONFIG, SMALL) == pytest.approx(written, rel=0.15)


def test_files_without_records_take_no_bytes(examples, tmp_path):
    files = _files(examples, records.TRAIN)
    (tmp_path / "empty").write_bytes(b"")
    empty = InputFile(str(tmp_path / "empty"), records.UNLABELED, 0)
    assert survey.check_size([*files, empty], CONFIG, SMALL) == survey.check_size(files, CONFIG, SMALL)


def test_too_many_bytes_are_refused(examples):
    files = _files(examples, records.TRAIN)
    expected = survey.check_size(files, CONFIG, SMALL)
    with pytest.raises(ValueError, match=rf"about {expected:,} bytes, .*max_view_bytes allows \(1,000\).*image \(2\)"):
        survey.check_size(files, dataclasses.replace(CONFIG, max_view_bytes=1000), SMALL)
