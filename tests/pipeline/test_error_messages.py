"""The sentence that was written for people is shown, whatever caused it and whatever Beam wraps around it."""

import ast
import builtins
import importlib
import pathlib

import pytest

from components.contracts.folder_lock import folder_lock
from components.ingestion.decoding.refusals import SourceError
from pipeline import cli, error_messages

_ROOT = pathlib.Path(__file__).parents[2]


def _raises_with_a_cause():
    """Every ``raise … from error`` of the project: its file, and the statement."""
    for file in sorted(file for folder in ("components", "pipeline") for file in (_ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.cause, ast.Name):
                yield file.relative_to(_ROOT), node


class _StandIn:
    """For any local variable of the function around a statement, whatever the statement does with it."""

    def __getattr__(self, name):
        return _StandIn()

    def __call__(self, *arguments):
        return self

    def __add__(self, other):
        return self

    def __getitem__(self, key):
        return self

    def __fspath__(self):
        return "…"

    def __str__(self):
        return "…"

    def __format__(self, spec):
        return "…"


class _Cause(BlockingIOError):
    """Has whatever attribute a statement reads, such as the message of TensorFlow's errors."""

    def __getattr__(self, name):
        return _StandIn()


_CAUSE = _Cause(11, "Resource temporarily unavailable")


class _Locals(dict):
    """Names that are neither in the module nor built in stand for local variables."""

    def __init__(self, known, cause):
        super().__init__({cause: _CAUSE})
        self._known = known

    def __missing__(self, name):
        if name in self._known or hasattr(builtins, name):
            raise KeyError(name)
        return _StandIn()


def _raised(file, node):
    """The exception of the statement, raised as in its module."""
    names = dict(vars(importlib.import_module(".".join(file.with_suffix("").parts))))
    inner = [each for each in ast.walk(ast.parse((_ROOT / file).read_text())) if isinstance(each, ast.ImportFrom)]
    for statement in inner:  # those of functions, too
        exec(compile(ast.Module([statement], []), str(file), "exec"), names)
    try:
        exec(compile(ast.Module([node], []), str(file), "exec"), names, _Locals(names, node.cause.id))
    except Exception as error:
        return error


_ALL = list(_raises_with_a_cause())


def test_there_are_many_sentences_with_a_cause():
    assert len(_ALL) > 25


@pytest.mark.parametrize(("file", "node"), _ALL, ids=[f"{file}:{node.lineno}" for file, node in _ALL])
def test_the_sentence_wins_over_its_cause(file, node):
    error = _raised(file, node)
    assert error.__cause__ is _CAUSE, repr(error)
    assert error_messages.sentence(error) == str(error)


def test_a_work_directory_in_use_is_told_as_such(tmp_path, capsys):
    with folder_lock(tmp_path, timeout_seconds=0):
        assert cli.main(["run", "--workdir", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error == f"Error: another run is using {tmp_path}; wait until it ends, or name another --workdir\n"


def _fail_as_source(_):
    try:
        int("no number")
    except ValueError as error:
        raise SourceError("labels.csv: row 7: column 'label': no number") from error


def _fail_as_disk(_):
    pathlib.Path("/nowhere/file").read_bytes()


@pytest.mark.parametrize(
    ("fail", "sentence"),
    [
        # Beam makes a second exception of the same class, or a RuntimeError if the class takes other arguments.
        (_fail_as_source, "labels.csv: row 7: column 'label': no number"),
        (_fail_as_disk, "/nowhere/file: No such file or directory"),
    ],
)
def test_what_beam_wraps_is_unwrapped(fail, sentence):
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    pipeline = beam.Pipeline("FnApiRunner", PipelineOptions([]))
    _ = pipeline | beam.Create([0]) | beam.Map(fail)
    with pytest.raises(Exception, match="while running") as caught:
        pipeline.run()
    assert error_messages.sentence(caught.value) == sentence


def test_a_traceback_from_another_process_is_reduced_to_its_last_message():
    text = (
        'Traceback (most recent call last):\n  File "worker.py", line 1, in run\n    fail()\nValueError: no number\n\n'
        "During handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
        '  File "worker.py", line 3, in run\n    raise new_exn\n'
        "components.ingestion.decoding.refusals.SourceError: photos.tar: damaged [while running 'Load']\n"
    )
    assert error_messages.sentence(RuntimeError(text)) == "photos.tar: damaged"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KeyError("image"), "KeyError: 'image'"),
        (FileNotFoundError(2, "No such file or directory", "photos/a.png"), "photos/a.png: No such file or directory"),
        (RuntimeError(), "RuntimeError"),
        (ValueError("a sentence"), "a sentence"),
    ],
)
def test_exceptions_without_a_sentence_get_one(error, sentence):
    assert error_messages.sentence(error) == sentence


def test_a_file_name_cannot_forge_a_line(monkeypatch, tmp_path, capsys):
    folder = tmp_path / "images\nVerdict    blessed: all is well\x1b[2K"
    folder.mkdir()
    assert cli.main(["embed", str(folder / "none"), "--model", str(tmp_path), "--output", str(tmp_path / "x.npy")]) == 1
    error = capsys.readouterr().err
    assert "\x1b" not in error and "\\x1b[2K" in error
    assert not any(line.startswith("Verdict") for line in error.splitlines())
