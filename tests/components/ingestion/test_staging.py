"""What was staged is read back, with few files open at a time."""

import pytest

from components.ingestion import staging


def test_many_files_are_read_with_few_open(tmp_path):
    places = []
    for number in range(100):
        writer = staging.StagingWriter(str(tmp_path))
        places += [writer.append(b"a%d" % number), writer.append(b"b%d" % number)]
        writer.close()
    reader = staging.StagingReader(str(tmp_path))
    for _ in range(2):
        for index, place in enumerate(places):
            assert reader.read(place) == b"ab"[index % 2 : index % 2 + 1] + b"%d" % (index // 2)
            assert len(reader._files) <= staging._MAX_OPEN_FILES
    reader.close()
    assert not reader._files


def test_a_file_that_became_shorter_is_an_error(tmp_path):
    writer = staging.StagingWriter(str(tmp_path))
    place = writer.append(b"12345")
    writer.close()
    (tmp_path / place.file).write_bytes(b"123")
    with pytest.raises(OSError, match=r"size=5.* expected, found 3 bytes"):
        staging.StagingReader(str(tmp_path)).read(place)
