"""Staged bytes are read back, with few files open at a time; small pieces of a key lie together."""

import pytest

from components.ingestion import staging


def test_many_files_are_read_with_few_open(tmp_path):
    staged = []
    for number in range(100):
        writer = staging.StagingWriter(str(tmp_path))
        staged += [writer.append(b"a%d" % number), writer.append(b"b%d" % number)]
        writer.close()
    reader = staging.StagingReader(str(tmp_path))
    for _ in range(2):
        for index, each in enumerate(staged):
            assert reader.read(each) == b"ab"[index % 2 : index % 2 + 1] + b"%d" % (index // 2)
            assert len(reader._files) <= staging._MAX_OPEN_FILES
    reader.close()
    assert not reader._files


def test_a_file_that_became_shorter_is_an_error(tmp_path):
    writer = staging.StagingWriter(str(tmp_path))
    staged = writer.append(b"12345")
    writer.close()
    (tmp_path / staged.file).write_bytes(b"123")
    with pytest.raises(OSError, match=r"expected .*size=5\), found 3 bytes"):
        staging.StagingReader(str(tmp_path)).read(staged)


def test_pieces_of_a_key_come_back_together_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "_GATHERED_BYTES", 1000)
    writer, runs = staging.RunWriter(str(tmp_path)), []
    for number in range(1000):
        writer.add(number % 4, b"%03d" % number)
        runs += writer.full()
    assert len(runs) == 8  # two times 1,000 of 3,000 bytes, rounded up to whole pieces
    runs += writer.close()
    assert len(runs) == 12
    reader = staging.StagingReader(str(tmp_path))
    for key in range(4):
        content = b"".join(reader.read(run) for each, run in runs if each == key)
        assert content == b"".join(b"%03d" % number for number in range(key, 1000, 4))
    reader.close()
    assert len(list(tmp_path.iterdir())) == 1


def test_without_pieces_there_is_no_file(tmp_path):
    runs = staging.RunWriter(str(tmp_path))
    assert [*runs.full(), *runs.close()] == []
    assert not list(tmp_path.iterdir())
