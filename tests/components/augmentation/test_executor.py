import json
import pathlib
import shutil

import cv2
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.runners.portability.fn_api_runner import execution
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.augmentation import executor
from components.augmentation.config import ViewFormat, ViewsConfig
from components.contracts import artifact_files, artifacts, records
from components.contracts.images import Color, ImageConfig
from components.simclr.augmentation.policies import CropPolicy

TWO_VIEWS = ViewsConfig(views_per_image=2, eval_fraction=0.2)


def _decode(encoded):
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)


def _stored(image_files, split):
    """{digest: (image bytes, label)} of the input."""
    found = {}
    for serialized in (record for file in image_files[split] for record in file):
        features = tf.train.Example.FromString(serialized).features.feature
        label = features[records.LABEL].bytes_list.value[0] if records.LABEL in features else None
        digest = features[records.DIGEST].bytes_list.value[0].decode()
        found[digest] = (features[records.IMAGE].bytes_list.value[0], label)
    return found


def test_every_image_is_in_exactly_one_split(views, view_gen, thirty_images):
    train, held_out = view_gen.read(views, records.TRAIN), view_gen.read(views, records.EVAL)
    labelled = _stored(thirty_images, records.TRAIN)
    unlabelled = _stored(thirty_images, records.UNLABELED)
    assert not set(train) & set(held_out)
    assert set(train) | set(held_out) == set(labelled) | set(unlabelled)
    assert set(held_out) < set(labelled) and set(unlabelled) < set(train)
    assert 1 <= len(held_out) <= 12


def test_train_has_views_and_no_label(views, view_gen):
    found = view_gen.read(views, records.TRAIN)
    assert found
    for encoded, label in found.values():
        assert label is None
        assert len(encoded) == 2
        assert [_decode(view).shape for view in encoded] == [(16, 16, 3)] * 2
        assert encoded[0] != encoded[1]


def test_eval_has_the_stored_image_and_its_label(views, view_gen, thirty_images):
    labelled = _stored(thirty_images, records.TRAIN)
    found = view_gen.read(views, records.EVAL)
    assert found
    for digest, (encoded, label) in found.items():
        assert (encoded, label) == ([labelled[digest][0]], labelled[digest][1])


def test_artifact_says_what_it_holds(views, view_gen):
    summary = view_gen.summary(views)
    train, held_out = view_gen.read(views, records.TRAIN), view_gen.read(views, records.EVAL)
    assert summary.images == {"train": len(train), "eval": len(held_out)}
    assert {key: getattr(summary, key) for key in ("views_per_image", "size_px", "channels")} == {
        "views_per_image": 2, "size_px": 16, "channels": 3,
    }  # fmt: skip
    on_disk = sum(path.stat().st_size for path in pathlib.Path(views.uri).glob("Split-*/*"))
    assert summary.bytes == on_disk - 16 * (len(train) + len(held_out))  # TFRecord adds 16 bytes to each
    assert artifact_utils.decode_split_names(views.split_names) == [records.TRAIN, records.EVAL]
    assert examples_utils.get_payload_format(views) == example_gen_pb2.FORMAT_TF_EXAMPLE
    assert views.get_string_custom_property(artifact_files.CONTENT_DIGEST) == summary.content_digest
    assert views.get_int_custom_property(executor.TRAIN_RECORDS) == len(train)
    assert views.get_int_custom_property(executor.EVAL_RECORDS) == len(held_out)
    assert views.get_float_custom_property(artifact_files.SECONDS) > 0


def test_a_group_is_not_on_both_sides(view_gen, image_records, tmp_path):
    """40 labelled images of 8 groups, 20 more of 10 groups without labels, and 5 of none.

    Where no group falls below the fraction, one is still taken. Groups 8 and 9 are on no side where their rank falls
    below it, as nobody knows that none of their images has a label.
    """
    groups_of_images = [*(number % 8 for number in range(40)), *(number % 10 for number in range(20)), *[None] * 5]
    serialized = [
        image_records.make(
            number, "cat" if number < 40 else None, **{records.GROUP: None if group is None else b"%d" % group}
        )
        for number, group in enumerate(groups_of_images)
    ]
    files = {records.TRAIN: [serialized[:17], serialized[17:40]], records.UNLABELED: [serialized[40:]]}
    examples = image_records.write(tmp_path / "examples", files)
    group_of = {
        tf.train.Example.FromString(each).features.feature[records.DIGEST].bytes_list.value[0].decode(): group
        for each, group in zip(serialized, groups_of_images, strict=True)
    }
    for fraction, groups in ((0.5, range(2, 7)), (1e-9, range(1, 2))):
        config = ViewsConfig(views_per_image=2, eval_fraction=fraction)
        found = view_gen.run(examples, tmp_path / str(fraction), config)
        train, held_out = (
            [group_of[digest] for digest in view_gen.read(found, split)] for split in (records.TRAIN, records.EVAL)
        )
        assert not set(train) & set(held_out)
        assert len(set(held_out)) in groups and len(held_out) == 5 * len(set(held_out))
        assert set(range(8)) | {None} <= set(train) | set(held_out)
        assert {8, 9} <= set(train) or fraction == 0.5
        assert all(train.count(group) == groups_of_images.count(group) for group in set(train))


def test_nothing_but_shards_and_summary_is_left(views):
    names = {path.relative_to(views.uri).as_posix() for path in pathlib.Path(views.uri).rglob("*") if path.is_file()}
    train = {f"Split-train/views-0000{number}-00000.tfrecord" for number in range(3)}  # one of each input file
    eval_shards = names - train - {artifact_files.VIEWS_SUMMARY_FILE}
    assert train < names and artifact_files.VIEWS_SUMMARY_FILE in names
    assert eval_shards and eval_shards <= {f"Split-eval/views-0000{number}-00000.tfrecord" for number in range(2)}
    assert not pathlib.Path(views.uri, ".incomplete").exists()


def test_views_depend_on_the_images_only(views, view_gen, thirty_images, image_records, tmp_path):
    """Other files, another order, smaller shards, and two workers: the same views."""
    everything = [record for file in thirty_images[records.TRAIN] for record in file]
    np.random.default_rng(0).shuffle(everything)
    shuffled = {
        records.TRAIN: [everything[:3], everything[3:4], everything[4:]],
        records.UNLABELED: [thirty_images[records.UNLABELED][0][::-1]],
    }
    config = ViewsConfig(views_per_image=2, eval_fraction=0.2, shard_bytes=2048)
    again = view_gen.run(
        image_records.write(tmp_path / "examples", shuffled),
        tmp_path / "views",
        config,
        beam_args=["--direct_num_workers=2", "--direct_running_mode=multi_threading"],
    )
    for split in (records.TRAIN, records.EVAL):
        assert view_gen.read(again, split) == view_gen.read(views, split)
    assert view_gen.summary(again) == view_gen.summary(views)
    sizes = [path.stat().st_size for path in pathlib.Path(again.uri, "Split-train").iterdir()]
    assert len(sizes) > 5 and max(sizes) <= 2048


def test_image_bytes_pass_no_shuffle(view_gen, examples, thirty_images, tmp_path, monkeypatch):
    passed = []
    append = execution.GroupingBuffer.append

    def count(self, elements):
        passed.append(elements)
        append(self, elements)

    monkeypatch.setattr(execution.GroupingBuffer, "append", count)
    view_gen.run(examples, tmp_path, TWO_VIEWS)
    everything = b"".join(passed)
    assert b"data_tfrecord-00000" in everything
    assert not any(image[40:80] in everything for image, _ in _stored(thirty_images, records.TRAIN).values())
    assert len(everything) < 20_000


def test_another_seed_changes_the_crops_and_not_what_is_held_out(views, view_gen, examples, tmp_path):
    other = view_gen.run(examples, tmp_path, ViewsConfig(views_per_image=2, eval_fraction=0.2, seed=1))
    assert view_gen.read(other, records.EVAL) == view_gen.read(views, records.EVAL)
    first, second = (view_gen.read(artifact, records.TRAIN) for artifact in (views, other))
    assert set(first) == set(second)
    assert all(first[digest] != second[digest] for digest in first)
    digests = {view_gen.summary(artifact).content_digest for artifact in (views, other)}
    assert len(digests) == 2


def test_fewer_views_are_the_first_of_more(views, view_gen, examples, tmp_path):
    three = view_gen.run(examples, tmp_path, ViewsConfig(views_per_image=3, eval_fraction=0.2))
    two = view_gen.read(views, records.TRAIN)
    assert all(encoded[:2] == two[digest][0] for digest, (encoded, _) in view_gen.read(three, records.TRAIN).items())


def test_without_views_the_stored_image_is_passed_on(view_gen, examples, thirty_images, tmp_path):
    online = view_gen.run(examples, tmp_path, ViewsConfig(views_per_image=0, eval_fraction=0.2))
    stored = _stored(thirty_images, records.TRAIN) | _stored(thirty_images, records.UNLABELED)
    train = view_gen.read(online, records.TRAIN)
    assert train and all(found == ([stored[digest][0]], None) for digest, found in train.items())
    assert view_gen.summary(online).views_per_image == 0


def test_gray_views_of_whole_images_are_the_images_in_gray(view_gen, examples, image_records, tmp_path):
    whole = CropPolicy(area_min=1.0, area_max=1.0, aspect_min=0.5, aspect_max=2.0)
    config = ViewsConfig(views_per_image=2, crop=whole, view_format=ViewFormat.JPEG)
    views = view_gen.run(examples, tmp_path, config, ImageConfig(size_px=16, color=Color.GRAY))
    by_digest = view_gen.read(views, records.TRAIN)
    compared = 0
    for number in range(24):
        serialized = image_records.make(number)
        digest = tf.train.Example.FromString(serialized).features.feature[records.DIGEST].bytes_list.value[0].decode()
        if digest in by_digest and 20 + number % 5 == 24:  # square, so the only crop is the whole
            gray = cv2.cvtColor(image_records.pixels(number, 24, 24), cv2.COLOR_RGB2GRAY)
            expected = cv2.resize(gray, (16, 16))
            view = _decode(by_digest[digest][0][0])
            assert view.shape == (16, 16) and by_digest[digest][0][0].startswith(b"\xff\xd8")
            assert np.abs(view.astype(float) - expected).mean() < 3
            compared += 1
    assert compared >= 2


def test_colours_stay_in_order(view_gen, image_records, tmp_path):
    red = np.zeros((20, 20, 3), np.uint8)
    red[:, :, 2] = 255  # OpenCV's order
    changes = {records.IMAGE: cv2.imencode(".png", red)[1].tobytes(), records.HEIGHT: 20, records.WIDTH: 20}
    serialized = [image_records.make(number, "red", **changes) for number in range(3)]
    views = view_gen.run(
        image_records.write(tmp_path / "in", {records.TRAIN: [serialized]}), tmp_path / "out", TWO_VIEWS
    )
    for view in next(iter(view_gen.read(views, records.TRAIN).values()))[0]:
        assert tf.io.decode_png(view).numpy()[3, 3].tolist() == [255, 0, 0]


def test_one_image_is_held_out_even_of_few(view_gen, image_records, tmp_path):
    serialized = [image_records.make(number, "cat") for number in range(4)]
    examples = image_records.write(tmp_path / "in", {records.TRAIN: [serialized[:2], serialized[2:]]})
    views = view_gen.run(examples, tmp_path / "out", ViewsConfig(views_per_image=2, eval_fraction=1e-9))
    assert view_gen.summary(views).images == {"train": 3, "eval": 1}


def test_images_without_a_label_in_train_are_never_held_out(view_gen, image_records, tmp_path):
    serialized = [image_records.make(number, "cat" if number < 5 else None) for number in range(25)]
    examples = image_records.write(tmp_path / "in", {records.TRAIN: [serialized]})
    views = view_gen.run(examples, tmp_path / "out", ViewsConfig(views_per_image=2, eval_fraction=0.5))
    held_out = view_gen.read(views, records.EVAL)
    assert {label for _, label in held_out.values()} == {b"cat"}
    assert view_gen.summary(views).images == {"train": 25 - len(held_out), "eval": len(held_out)}


def test_several_spans_are_taken_together(view_gen, image_records, tmp_path):
    spans = [
        image_records.write(
            tmp_path / f"span-{span}", {records.TRAIN: [[image_records.make(n, "cat") for n in numbers]]}
        )
        for span, numbers in enumerate((range(5), range(5, 12)))
    ]
    views = view_gen.run(spans, tmp_path / "out", TWO_VIEWS)
    assert sum(view_gen.summary(views).images.values()) == 12


def test_missing_files_are_noticed(view_gen, image_records, tmp_path):
    halves = [[image_records.make(number, "cat") for number in numbers] for numbers in (range(5), range(5, 12))]
    examples = image_records.write(tmp_path / "in", {records.TRAIN: halves})
    artifacts.set_record_count(examples, records.TRAIN, 12)
    view_gen.run(examples, tmp_path / "whole", TWO_VIEWS)
    sorted(pathlib.Path(examples.uri, "Split-train").iterdir())[0].unlink()
    with pytest.raises(ValueError, match=rf"12 images expected in {examples.uri}, found 7"):
        view_gen.run(examples, tmp_path / "out", TWO_VIEWS)
    assert not (tmp_path / "out" / artifact_files.VIEWS_SUMMARY_FILE).exists()


def test_a_repeated_attempt_replaces_what_a_killed_one_left(views, view_gen, examples, tmp_path):
    shutil.copytree(views.uri, tmp_path, dirs_exist_ok=True)
    shard = next(pathlib.Path(tmp_path, "Split-train").iterdir())
    shard.rename(shard.with_name("views-00007-00009.tfrecord"))
    (tmp_path / ".incomplete").mkdir()
    (tmp_path / ".incomplete" / "half.tfrecord").write_bytes(b"half")
    again = view_gen.run(examples, tmp_path, TWO_VIEWS)
    assert view_gen.summary(again) == view_gen.summary(views)
    assert view_gen.read(again, records.TRAIN) == view_gen.read(views, records.TRAIN)


def test_too_many_bytes_are_refused_before_writing(view_gen, examples, tmp_path):
    with pytest.raises(ValueError, match=r"more than views\.max_view_bytes allows \(10,000\)"):
        view_gen.run(examples, tmp_path, ViewsConfig(views_per_image=64, max_view_bytes=10_000))
    assert not list(tmp_path.glob("Split-*/*")) and not (tmp_path / artifact_files.VIEWS_SUMMARY_FILE).exists()


def test_the_estimate_is_close(views, view_gen, examples, tmp_path, caplog):
    with caplog.at_level("INFO"):
        written = view_gen.summary(view_gen.run(examples, tmp_path, TWO_VIEWS)).bytes
    line = next(record for record in caplog.records if "will write about" in record.message)
    assert abs(line.args[0] - written) < 0.1 * written


def test_a_train_split_without_labels_is_an_error(view_gen, image_records, tmp_path):
    examples = image_records.write(
        tmp_path / "in", {records.TRAIN: [[image_records.make(number) for number in range(3)]]}
    )
    with pytest.raises(ValueError, match="no image with a label"):
        view_gen.run(examples, tmp_path / "out", TWO_VIEWS)


def test_nothing_left_to_train_on_is_an_error(view_gen, image_records, tmp_path):
    examples = image_records.write(tmp_path / "in", {records.TRAIN: [[image_records.make(0, "cat")]]})
    with pytest.raises(ValueError, match=r"lower views\.eval_fraction"):
        view_gen.run(examples, tmp_path / "out", TWO_VIEWS)


def test_an_artifact_without_train_is_an_error(view_gen, image_records, tmp_path):
    examples = image_records.write(tmp_path / "in", {records.UNLABELED: [[image_records.make(0)]]})
    with pytest.raises(ValueError, match="no train"):
        view_gen.run(examples, tmp_path / "out", TWO_VIEWS)


@pytest.mark.parametrize("views_per_image", [0, 2])
def test_a_damaged_image_is_an_error_that_names_it(view_gen, image_records, tmp_path, views_per_image):
    good = [image_records.make(number, "cat") for number in range(12)]
    image = tf.train.Example.FromString(good[11]).features.feature[records.IMAGE].bytes_list.value[0]
    digest = "5" * 64
    bad = image_records.make(50, "cat", **{records.IMAGE: image[:-20], records.DIGEST: digest.encode()})
    examples = image_records.write(tmp_path / "in", {records.TRAIN: [[*good, bad]]})
    config = ViewsConfig(views_per_image=views_per_image)
    with pytest.raises(Exception, match=digest):
        view_gen.run(examples, tmp_path / "out", config)
    assert not (tmp_path / "out" / artifact_files.VIEWS_SUMMARY_FILE).exists()


def test_a_damaged_file_is_an_error_that_names_it(view_gen, image_records, tmp_path):
    examples = image_records.write(
        tmp_path / "in", {records.TRAIN: [[image_records.make(number, "cat") for number in range(12)]]}
    )
    path = next(pathlib.Path(examples.uri, "Split-train").iterdir())
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(Exception, match=f"{path.name}.*damaged"):
        view_gen.run(examples, tmp_path / "out", TWO_VIEWS)


def test_summary_is_json_that_people_can_read(views):
    text = pathlib.Path(views.uri, artifact_files.VIEWS_SUMMARY_FILE).read_text()
    assert json.loads(text) and len(text.splitlines()) > 5
