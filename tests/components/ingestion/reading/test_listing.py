import json
import os
import pathlib
import socket
import tempfile
import tracemalloc

import pytest

from components.ingestion.decoding.refusals import Reason, RefusedImage, SourceError
from components.ingestion.reading import listing


def walk(root):
    return {entry.path: entry.problem for entry in listing.open_tree(str(root)).walk()}


def write(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_lists_nested_files_in_one_order(tmp_path):
    for name in ("b/2", "b/1", "a/deep/er/3", "B/0", "z"):
        write(tmp_path / name)
    assert [entry.path for entry in listing.open_tree(str(tmp_path)).walk()] == [
        "B/0",
        "a/deep/er/3",
        "b/1",
        "b/2",
        "z",
    ]
    tree = listing.open_tree(str(tmp_path))
    assert tree.subfolders() == ["B", "a", "b"]
    assert tree.subfolders("a") == ["deep"]
    assert [entry.path for entry in tree.walk("a")] == ["a/deep/er/3"]


def test_little_is_remembered_of_a_file(tmp_path):
    files = 3000
    for number in range(files):
        (tmp_path / f"{number}.jpg").touch()
    tracemalloc.start()
    assert sum(1 for _ in listing.open_tree(str(tmp_path)).walk()) == files
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / files < 150  # bytes: a name, and not a status as well


def test_hidden_names(tmp_path):
    for name in ("a/.DS_Store", "a/._x.jpg", "a/.y.PNG", ".git/config", "a/z.jpg", "@eaDir/t.jpg", "a/__MACOSX/z.jpg"):
        write(tmp_path / name)
    assert walk(tmp_path) == {
        ".git/": Reason.HIDDEN,
        "@eaDir/": Reason.HIDDEN,
        "a/__MACOSX/": Reason.HIDDEN,
        "a/._x.jpg": Reason.HIDDEN,
        "a/.y.PNG": Reason.HIDDEN,
        "a/z.jpg": None,
    }
    assert listing.open_tree(str(tmp_path)).subfolders() == ["a"]


def test_odd_names(tmp_path):
    names = ["new\nline.jpg", "-rf 100% 'q' $HOME.jpg", "ünï 猫 é 🐕.jpg", os.fsdecode(b"not-utf8-\xff.jpg")]
    for name in names:
        write(tmp_path / "a" / name, name.encode("utf-8", "surrogateescape"))
    found = [entry.path for entry in listing.open_tree(str(tmp_path)).walk()]
    assert sorted(found) == sorted("a/" + name for name in names)
    for path in found:
        content = listing.read_file(listing.join(str(tmp_path), path), 100)
        assert content == path[2:].encode("utf-8", "surrogateescape")


def test_what_is_no_regular_file_is_told_and_does_not_block(tmp_path, monkeypatch):
    write(tmp_path / "a/ok.jpg")
    os.mkfifo(tmp_path / "a/pipe.jpg")
    (tmp_path / "a/folder.jpg").mkdir()
    write(tmp_path / "a/folder.jpg/inner.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # names of sockets are limited to about 100 characters
        server.bind("a/socket.jpg")
        assert walk(tmp_path) == {
            "a/folder.jpg/inner.jpg": None,
            "a/ok.jpg": None,
            "a/pipe.jpg": Reason.NOT_A_REGULAR_FILE,
            "a/socket.jpg": Reason.NOT_A_REGULAR_FILE,
        }
    with pytest.raises(RefusedImage) as caught:  # became a pipe after it was listed
        listing.read_file(str(tmp_path / "a/pipe.jpg"), 100)
    assert caught.value.reason is Reason.NOT_A_REGULAR_FILE


def test_links(tmp_path):
    root = tmp_path / "root"
    write(root / "cat/1.jpg")
    write(tmp_path / "elsewhere/2.jpg")
    (root / "cat/link.jpg").symlink_to("1.jpg")
    (root / "cat/dangling.jpg").symlink_to("nothing")
    (root / "cat/a.jpg").symlink_to("b.jpg")
    (root / "cat/b.jpg").symlink_to("a.jpg")
    (root / "cat/self").symlink_to(".")
    (root / "a_link_to_cat").symlink_to("cat")
    (root / "dog").symlink_to(tmp_path / "elsewhere")
    (root / "up").symlink_to(tmp_path)
    assert walk(root) == {
        "cat/1.jpg": None,
        "cat/link.jpg": None,
        "cat/dangling.jpg": Reason.BROKEN_LINK,
        "cat/a.jpg": Reason.BROKEN_LINK,
        "cat/b.jpg": Reason.BROKEN_LINK,
        "cat/self/": Reason.LINK_LOOP,
        "a_link_to_cat/": Reason.LINK_LOOP,  # the real folder comes first, whatever the names
        "dog/2.jpg": None,
        "up/": Reason.LINK_LOOP,
    }


def as_ordinary_user(function):
    """The JSON value of ``function()``, in a child process without the rights of root if this one has them."""
    if os.geteuid() != 0:
        return function()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.write(writing, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as file:
        return json.loads(file.read())


def test_what_may_not_be_read_is_told():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        root.chmod(0o755)
        write(root / "a/ok.jpg")
        write(root / "a/locked.jpg").chmod(0)
        write(root / "b/inside.jpg")
        (root / "b").chmod(0)

        def look():
            found = walk(root)
            try:
                listing.read_file(str(root / "a/locked.jpg"), 100)
            except RefusedImage as refused:
                return found, [refused.reason, str(refused)]
            return found, None

        found, refusal = as_ordinary_user(look)
        (root / "b").chmod(0o700)
    assert found == {"a/locked.jpg": None, "a/ok.jpg": None, "b/": Reason.UNREADABLE.value}
    assert refusal == [Reason.UNREADABLE.value, "Permission denied"]


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_root_that_is_no_folder(tmp_path, name):
    write(tmp_path / "file")
    root = str(tmp_path / name)
    for use in (lambda: list(listing.open_tree(root).walk()), lambda: listing.open_tree(root).subfolders()):
        with pytest.raises(SourceError, match=f"data root {root}: (No such file|Not a directory)"):
            use()


@pytest.mark.parametrize("root", ["s3://bucket/images", "nowhere://images"])
def test_a_remote_root_that_cannot_be_listed_is_named(root):
    with pytest.raises(SourceError, match=f"data root {root}: cannot be listed: "):
        list(listing.open_tree(root).walk())


def test_reading(tmp_path):
    path = str(write(tmp_path / "f", b"12345"))
    assert listing.read_file(path, 5) == b"12345"
    with pytest.raises(RefusedImage, match="5 bytes, at most 4 expected") as caught:
        listing.read_file(path, 4)
    assert caught.value.reason is Reason.FILE_TOO_LARGE
    with pytest.raises(RefusedImage, match="No such file") as caught:
        listing.read_file(path + "x", 4)
    assert caught.value.reason is Reason.UNREADABLE


def fingerprint(root):
    return listing.fingerprint(listing.open_tree(str(root)).walk())


def test_fingerprint_tells_every_change_and_nothing_else(tmp_path):
    root = tmp_path / "root"
    deep = write(root / "a/deep/1.jpg", b"one")
    write(root / "a/2.jpg", b"two")
    seen = [fingerprint(root)]

    write(root / "a/.DS_Store")
    (root / "empty").mkdir()
    os.utime(root / "a")
    deep.read_bytes()
    assert fingerprint(root) == seen[0]
    root.rename(tmp_path / "moved")
    assert fingerprint(tmp_path / "moved") == seen[0]
    (tmp_path / "moved").rename(root)

    def changed():
        seen.append(fingerprint(root))
        assert len(set(seen)) == len(seen)

    status = deep.stat()
    os.utime(deep, ns=(status.st_atime_ns, status.st_mtime_ns + 1))  # one nanosecond
    changed()
    status = deep.stat()
    deep.write_bytes(b"longer")
    os.utime(deep, ns=(status.st_atime_ns, status.st_mtime_ns))
    changed()
    write(root / "b/3.jpg")
    changed()
    (root / "b/3.jpg").rename(root / "b/4.jpg")
    changed()
    (root / "a/2.jpg").unlink()
    changed()
    (root / "a/2.jpg").symlink_to("nowhere")
    changed()
