"""The command line answers quickly and clearly if it needs no run."""

import argparse
import re
import subprocess
import sys

import pytest

from pipeline import cli, local_runner

_HEAVY = ("tensorflow", "tfx", "apache_beam", "keras", "sklearn", "scipy", "pandas")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["check", "--help"],
        ["check", "--config", "photos"],
        ["backfill", "--help"],
        ["run", "--set", "pretraining.epochs=0"],
        ["config", "show"],
        ["run", "--config", "x"],
    ],
)
def test_help_and_config_errors_import_nothing_heavy(arguments):
    code = (
        "import sys\n"
        "from pipeline import cli\n"
        "try:\n"
        "    cli.main(sys.argv[1:])\n"
        "except SystemExit:\n"
        "    pass\n"
        f"sys.exit(', '.join(name for name in {_HEAVY!r} if name in sys.modules) or 0)\n"
    )
    finished = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


def test_a_config_error_is_one_clear_sentence(capsys):
    assert cli.main(["run", "--set", "pretraining.epochs=zero"]) == 2
    error = capsys.readouterr().err
    assert "digits.yaml" in error
    assert "pretraining.epochs" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "usage", "message"),
    [
        (
            ["run", "--epochs", "3"],
            "simclr run",
            "unrecognized arguments: --epochs 3; settings .* --set pretraining.epochs=3",
        ),
        (["run", "--workdr", "x"], "simclr run", r"unrecognized arguments: --workdr x; did you mean --workdir\?"),
        (["config", "show", "more"], "simclr config show", "unrecognized arguments: more$"),
        (["schema", "show", "--workdir", "x", "--all"], "simclr schema show", "unrecognized arguments: --all$"),
    ],
)
def test_an_unknown_argument_shows_the_usage_of_its_command(capsys, arguments, usage, message):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    error = capsys.readouterr().err
    assert caught.value.code == 2
    assert error.startswith(f"usage: {usage} [-h]")
    assert re.search(message, error.strip())


def test_every_command_knows_its_own_usage():
    def check(parser):
        groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not groups:
            assert parser.get_default("command_parser") is parser, parser.prog
        for name in [name for group in groups for name in group.choices]:
            check(groups[0].choices[name])

    check(cli.parser())


@pytest.mark.parametrize("name", ["runs [2]", "what?", "all*", "back\\slash"])
def test_a_work_directory_that_would_be_a_file_pattern_is_refused(capsys, tmp_path, name):
    assert cli.main(["run", "--workdir", str(tmp_path / name)]) == 2
    assert f"--workdir: {tmp_path / name}: expected a path without the characters" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_a_missing_data_folder_is_named(capsys, tmp_path):
    assert cli.main(["run", "--config", "photos", "--data", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_config_without_data_asks_for_it(capsys):
    assert cli.main(["run", "--config", "photos"]) == 2
    assert "--data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "folder"), [([], "runs/digits"), (["--config", "own.yaml"], "runs/own"), (["--workdir", "w"], "w")]
)
def test_each_config_has_a_work_directory_of_its_own(monkeypatch, tmp_path, arguments, folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text("bundled_data: digits\n")
    started = []
    monkeypatch.setattr(local_runner, "run", lambda config, workdir, runner: started.append(workdir) or 1 / 0)
    assert cli.main(["run", *arguments]) == 1
    assert started[0].path == tmp_path / folder
    assert started[0].data_root == str(tmp_path / folder / "data")


def test_config_show_prints_the_override(capsys):
    assert cli.main(["config", "show", "--set", "pretraining.epochs=33"]) == 0
    assert "epochs: 33\n" in capsys.readouterr().out


def test_the_schema_of_an_empty_workdir_is_a_clear_error(capsys, tmp_path):
    assert cli.main(["schema", "accept", "--workdir", str(tmp_path)]) == 1
    assert "there has been no run" in capsys.readouterr().err
