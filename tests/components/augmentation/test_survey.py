import pathlib

import pytest

from components.augmentation import survey
from components.augmentation.config import ViewsConfig
from components.augmentation.held_out import held_out_ranks
from components.augmentation.shards import read_images
from components.augmentation.survey import FileSurvey, InputFile, make_plan
from components.contracts import records
from components.contracts.images import ImageConfig

CONFIG = ViewsConfig(views_per_image=2, eval_fraction=0.25, shard_bytes=2**20)


def _survey(path, images, labelled=None, held_out=0, view_bytes=1000, smallest_rank=0.01, left_out=0):
    labelled = images if labelled is None else labelled
    return FileSurvey(
        path=path, split=records.TRAIN, images=images, labelled=labelled, held_out=held_out,
        held_out_bytes=100 * held_out, smallest_rank=smallest_rank if labelled else 1.0,
        smallest_rank_images=min(labelled, 1), left_out=left_out,
        sampled_images=min(images, 8), sampled_view_bytes=min(images, 8) * view_bytes,
    )  # fmt: skip


def test_a_file_is_counted(examples):
    folder = pathlib.Path(examples.uri, "Split-train")
    file = InputFile(str(sorted(folder.iterdir())[0]), records.TRAIN)
    counted = survey.survey_file(file, CONFIG, ImageConfig(size_px=16), 0.0)
    ranks = held_out_ranks(list(read_images(file.path)))
    assert (counted.images, counted.labelled, counted.sampled_images) == (14, 14, 8)
    assert counted.held_out == (ranks < 0.25).sum()
    assert counted.smallest_rank == ranks.min() and counted.smallest_rank_images == 1
    assert counted.sampled_view_bytes > 8 * 2 * 100


def test_unlabelled_images_are_never_held_out(examples):
    path = next(pathlib.Path(examples.uri, "Split-unlabeled").iterdir())
    counted = survey.survey_file(InputFile(str(path), records.UNLABELED), CONFIG, ImageConfig(size_px=16), 0.0)
    assert (counted.images, counted.labelled, counted.held_out, counted.smallest_rank) == (6, 0, 0, 1.0)


def test_shards_follow_the_size_and_are_numbered_through():
    plan = make_plan([_survey("b", 5003, held_out=10, left_out=3), _survey("a", 100, held_out=1)], CONFIG)
    assert [file.path for file in plan.files] == ["a", "b"]
    assert [(file.train.first, file.train.count, file.train.total) for file in plan.files] == [(0, 1, 6), (1, 5, 6)]
    assert [(file.eval.first, file.eval.count, file.eval.total) for file in plan.files] == [(0, 1, 2), (1, 1, 2)]
    assert (plan.train_records, plan.eval_records, plan.left_out) == (5089, 11, 3)
    assert plan.estimated_bytes == 5089 * 1000 + 11 * 100


def test_records_are_spread_evenly_over_the_shards_of_a_file():
    shards = make_plan([_survey("a", 5003, held_out=1)], CONFIG).files[0].train
    numbers = [shards.shard_of(position) for position in range(shards.records)]
    assert numbers == sorted(numbers) and set(numbers) == set(range(5))
    counts = [numbers.count(number) for number in range(5)]
    assert max(counts) - min(counts) <= 1


def test_empty_files_get_no_shard():
    plan = make_plan([_survey("a", 0), _survey("b", 10, held_out=2), _survey("c", 0)], CONFIG)
    assert [file.train.count for file in plan.files] == [0, 1, 0]
    assert plan.files[1].train.first == 0


def test_where_the_fraction_holds_none_out_the_smallest_rank_is():
    surveys = [_survey("a", 4, smallest_rank=0.6), _survey("b", 4, smallest_rank=0.4), _survey("u", 9, labelled=0)]
    plan = make_plan(surveys, CONFIG)
    assert [file.eval.records for file in plan.files] == [0, 1, 0]
    assert {file.smallest_rank for file in plan.files} == {0.4}
    assert plan.train_records == 16


@pytest.mark.parametrize(
    "surveys, changes, message",
    [
        ([_survey("a", 5, labelled=0)], {}, "no image with a label"),
        ([_survey("a", 5, held_out=5)], {}, r"all 5 images .* lower views\.eval_fraction \(0\.25\)"),
        ([_survey("a", 5000, held_out=1)], {"max_view_bytes": 4_000_000}, r"about 4,999,100 bytes.*max_view_bytes"),
    ],
)
def test_what_cannot_be_planned_is_refused(surveys, changes, message):
    config = ViewsConfig(views_per_image=2, eval_fraction=0.25, **changes)
    with pytest.raises(ValueError, match=message):
        make_plan(surveys, config)
