import pytest

from components.ingestion.decoding.refusals import SourceError
from components.ingestion.reading import archives


@pytest.mark.parametrize(
    ("number", "per_item", "is_stream", "count"),
    [(10, 4, False, 3), (12, 4, False, 3), (1000, 1, False, 1000), (1000, 1, True, 16), (5, 100, True, 1)],
)
def test_slices_cover_everything_once(number, per_item, is_stream, count):
    found = list(archives.slices(number, per_item, is_stream))
    assert len(found) == count
    assert [index for start, size in found for index in range(start, start + size)] == list(range(number))


def test_files_are_found_by_name_or_path(tmp_path):
    for name in ("a/x.tar", "b/x.tar", "b/y.TAR", "x.tar.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [entry.path for entry in archives.find_files(str(tmp_path), ["*.tar"])] == ["a/x.tar", "b/x.tar"]
    assert [entry.path for entry in archives.find_files(str(tmp_path), ["b/*"])] == ["b/x.tar", "b/y.TAR"]
    with pytest.raises(SourceError, match=r"no file in it that is called \*\.npz or \*\.npy"):
        archives.find_files(str(tmp_path), ["*.npz", "*.npy"])
    (tmp_path / "z.tar").symlink_to("nothing")
    with pytest.raises(SourceError, match=r"z\.tar: No such file"):
        archives.find_files(str(tmp_path), ["*.tar"])
    (tmp_path / "z.tar").unlink()
    (tmp_path / "z.tar").touch()
    with pytest.raises(SourceError, match=r"z\.tar: the file is empty"):
        archives.find_files(str(tmp_path), ["*.tar"])
