"""The commands for runs and schedules, with kfp's own client and an HTTP server that records requests."""

import json
import pathlib
import time

import pytest

from pipeline import cli, run_parameters
from pipeline.kfp import backfill as backfill_module
from pipeline.kfp import environment
from tests.loopback_server import JsonHandler, LoopbackServer

from . import kfp_server

_ROOT = pathlib.Path(__file__).parents[3]
_ON_TARGET = ["--config", "digits", "--set", "pretraining.num_gpus=1"]
_ON_TARGET += ["--target", str(_ROOT / "kubeflow" / "targets" / "example.yaml")]
_SPANS = ["--set", "ingestion.span_pattern=span-{SPAN}"]

try:
    environment.python()
    _NO_KFP = ""
except environment.KfpMissingError as error:
    _NO_KFP = str(error)
pytestmark = pytest.mark.skipif(bool(_NO_KFP), reason=_NO_KFP)


@pytest.fixture
def server(monkeypatch, tmp_path):
    running = kfp_server.KfpServer()
    monkeypatch.setenv("SIMCLR_KFP_HOST", running.url)
    monkeypatch.setenv("SIMCLR_KFP_TOKEN", kfp_server.TOKEN)
    monkeypatch.setenv("HOME", str(tmp_path))  # whose context kfp would read
    yield running
    running.stop()
    assert running.complaints == []


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    path = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    assert cli.main(["compile", *_ON_TARGET, "--output", str(path)]) == 0
    return path


def _schedule(package, *arguments):
    return cli.main(["schedule", *arguments, *_ON_TARGET, "--pipeline", str(package)])


def test_a_run_is_submitted_with_its_parameters_and_one_version(server, package, capsys):
    arguments = ["submit", *_ON_TARGET, "--set", "pretraining.epochs=7", "--pipeline", str(package)]
    arguments += [*_SPANS, "--span-range", "2026-01-31", "--data", "/runs/other", "--notes", "a try"]
    assert cli.main(arguments) == 0
    assert "run-0" in capsys.readouterr().out
    [run] = server.runs
    parameters = run["runtime_config"]["parameters"]
    assert set(parameters) == {"data_root", "span_range", *run_parameters.ROOMS}
    assert (parameters["data_root"], parameters["span_range"]) == ("/runs/other", "2026-01-31")
    assert json.loads(parameters["pretraining"])["epochs"] == 7
    assert run["description"] == "a try"
    assert "a try" not in json.dumps(parameters)
    assert run["service_account"] == "simclr-pipeline"
    version = run["pipeline_version_reference"]["pipeline_version_id"]
    assert server.uploads[version] == package.read_bytes()


def test_the_same_file_is_one_version_and_another_file_another(server, package, tmp_path):
    changed = tmp_path / "changed.yaml"
    changed.write_text(package.read_text().replace("registry.example.com", "registry.example.org"))
    for path in (package, package, changed):
        assert cli.main(["submit", *_ON_TARGET, "--pipeline", str(path)]) == 0
    assert len(server.pipelines) == len(server.experiments) == 1
    assert len(server.versions) == 2
    versions = [run["pipeline_version_reference"]["pipeline_version_id"] for run in server.runs]
    assert versions[0] == versions[1] != versions[2]


def test_users_of_two_namespaces_submit_again_and_again(server, package, monkeypatch):
    for namespace in ("ada", "ada", "grace", "ada"):
        monkeypatch.setenv("SIMCLR_KFP_NAMESPACE", namespace)
        assert cli.main(["submit", *_ON_TARGET, "--pipeline", str(package)]) == 0
    assert [pipeline["namespace"] for pipeline in server.pipelines] == ["ada", "grace"]
    of_runs = [run["pipeline_version_reference"]["pipeline_id"] for run in server.runs]
    assert of_runs == ["pipeline-0", "pipeline-0", "pipeline-1", "pipeline-0"]


def test_the_token_does_not_follow_a_redirect(server, package, monkeypatch, capsys):
    class Redirect(JsonHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", f"{server.url}/login")
            self.end_headers()

    front = LoopbackServer(Redirect)
    monkeypatch.setenv("SIMCLR_KFP_HOST", front.url)
    requests = []
    monkeypatch.setattr(server, "process_request", lambda *request: requests.append(request))
    try:
        assert cli.main(["submit", *_ON_TARGET, "--pipeline", str(package)]) == 1
    finally:
        front.stop()
    assert f"{front.url} sends to {server.url}/login: set SIMCLR_KFP_HOST to" in capsys.readouterr().err
    assert not requests


def test_a_schedule_uses_one_version_runs_alone_and_does_not_catch_up(server, package, capsys):
    assert _schedule(package, "--cron", "30 2 * * 7", *_SPANS, "--span-range", "scheduled-date") == 0
    [schedule] = server.recurring
    assert schedule["trigger"]["cron_schedule"]["cron"] == "0 30 2 * * 0"
    assert (schedule["max_concurrency"], schedule["no_catchup"], schedule["mode"]) == (1, True, "ENABLE")
    assert schedule["runtime_config"]["parameters"]["span_range"] == "[[ScheduledTime.2006-01-02]]"
    assert schedule["service_account"] == "simclr-pipeline"
    assert _schedule(package, "--cron", "0 3 * * *") == 1
    assert "there already is a schedule simclr: delete it first" in capsys.readouterr().err
    assert _schedule(package, "--cron", "0 3 * * *", "--name", "second", "--catch-up") == 0
    assert server.recurring[1]["no_catchup"] is False


def test_spans_are_numbers_or_dates():
    assert backfill_module.read_spans("12..14") == range(12, 15)
    assert backfill_module.read_spans("2026-01-31..2026-02-01") == range(20484, 20486)


@pytest.fixture
def backfill(package, capsys, monkeypatch):
    """Run the command; returns its exit code, the lines it printed, and its error."""
    monkeypatch.setattr(backfill_module, "_POLL_SECONDS", 0.1)

    def backfill(*arguments):
        code = cli.main(["backfill", *_ON_TARGET, *_SPANS, "--pipeline", str(package), *arguments])
        told = capsys.readouterr()
        return code, told.out.splitlines(), told.err

    return backfill


def test_a_backfill_runs_spans_in_order_one_at_a_time_and_goes_on_after_a_failure(server, backfill):
    server.outcomes = ["SUCCEEDED", "FAILED"]
    server.unanswered = 1
    code, told, error = backfill("--spans", "12..14", "--notes", "history")
    assert (code, told[-1]) == (1, f"Span 13: run run-1 started, {server.url}/#/runs/details/run-1")
    assert error == (
        "Error: the backfill stops at span 13: its run run-1 ended as FAILED; once you have fixed the cause, the same "
        "command goes on with this span\n"
    )
    server.outcomes = ["SUCCEEDED"] * 2
    code, told, _ = backfill("--spans", "12..14", "--notes", "history")
    assert (code, told[0]) == (0, f"Span 12: done before, {server.url}/#/runs/details/run-0")
    assert told[-1] == "Span 14: succeeded"
    # In order; the server complains if one starts before another has ended.
    assert [run["runtime_config"]["parameters"]["span_range"] for run in server.runs] == ["12", "13", "13", "14"]
    for run in server.runs:
        assert json.loads(run["runtime_config"]["parameters"]["gate"])["may_bless"] is False
        assert run["description"] == "history"


def test_a_backfill_waits_for_a_run_that_is_active_and_pushes_only_if_asked_to(server, backfill):
    server.outcomes = ["SUCCEEDED"]
    server.unanswered = backfill_module._UNANSWERED_POLLS + 1
    code, told, error = backfill("--spans", "12..12")
    assert (code, error) == (1, "Error: the server refuses: upstream is restarting\n")
    code, told, _ = backfill("--spans", "12..12")
    assert (code, told[0]) == (0, f"Span 12: run run-0 goes on, {server.url}/#/runs/details/run-0")
    # With other settings it is another backfill.
    code, told, _ = backfill("--spans", "12..12", "--push")
    assert (code, told[0]) == (0, f"Span 12: run run-1 started, {server.url}/#/runs/details/run-1")
    of_gate = [json.loads(run["runtime_config"]["parameters"]["gate"])["may_bless"] for run in server.runs]
    assert of_gate == [False, True]


def test_schedules_are_listed_paused_resumed_and_deleted(server, package, capsys):
    _schedule(package, "--cron", "0 2 * * *")
    assert _schedule(package, "list") == 0
    assert "simclr  0 0 2 * * *  on  version version-0" in capsys.readouterr().out
    assert _schedule(package, "pause") == 0
    _schedule(package, "list")
    assert "paused" in capsys.readouterr().out.splitlines()[-1]
    assert _schedule(package, "resume") == 0
    assert server.recurring[0]["mode"] == "ENABLE"
    assert _schedule(package, "delete") == 0
    assert server.recurring == []
    assert _schedule(package, "delete") == 1
    assert "no schedule simclr of simclr; there are: none" in capsys.readouterr().err


def test_status_lists_the_latest_runs(server, package, capsys):
    for name in ("one", "two"):
        assert cli.main(["submit", *_ON_TARGET, "--pipeline", str(package), "--name", name]) == 0
    capsys.readouterr()
    assert cli.main(["status", "--config", "digits"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["run-1", "run-0"]
    assert "SUCCEEDED" in lines[0] and lines[0].endswith("two")


@pytest.mark.parametrize("arguments", [["status"], ["schedule", "list"], ["schedule", "delete"]])
def test_asking_about_a_pipeline_that_never_ran_leaves_nothing_behind(server, capsys, arguments):
    assert cli.main([*arguments, "--config", "photos"]) == 1
    assert f"{server.url} knows no run of photos" in capsys.readouterr().err
    assert not server.experiments


def test_what_the_server_refuses_is_one_sentence(server, package, capsys, monkeypatch):
    server.refuse_runs = True
    assert cli.main(["submit", *_ON_TARGET, "--pipeline", str(package)]) == 1
    assert capsys.readouterr().err == "Error: the server refuses: quota of runs is used up\n"
    monkeypatch.setenv("SIMCLR_KFP_TOKEN", "planted-9f3c")
    assert cli.main(["status", "--config", "digits"]) == 1
    error = capsys.readouterr().err
    assert error == f"Error: {server.url} refuses: 401 Unauthorized; is SIMCLR_KFP_TOKEN right?\n"


def test_a_server_that_is_not_there_is_one_sentence_soon(capsys, monkeypatch):
    monkeypatch.setenv("SIMCLR_KFP_HOST", "http://127.0.0.1:9")
    started = time.monotonic()
    assert cli.main(["status", "--config", "digits"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: no server of Kubeflow Pipelines answers at http://127.0.0.1:9: ")
    assert error.count("\n") == 1
    assert time.monotonic() - started < 30
    monkeypatch.delenv("SIMCLR_KFP_HOST")
    assert cli.main(["status", "--config", "digits"]) == 1
    assert "environment variable SIMCLR_KFP_HOST: expected http:// or https://" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["schedule"], "--cron: required to create a schedule"),
        (["schedule", "--cron", "0 0 2 * * *"], "expected five fields"),
        (["submit", "--span-range", "newest"], "parameter span_range: expected latest"),
        (["submit", "--span-range", "12"], "run parameters: ingestion: "),
        (["schedule", "--cron", "0 2 * * *", "--span-range", "scheduled-date"], "run parameters: ingestion: "),
        (["backfill", "--spans", "12..19"], "run parameters: ingestion: "),
        (["backfill", *_SPANS, "--spans", "19..12"], "--spans: expected first..last, such as 12..19, found '19..12'"),
        (["backfill", *_SPANS, "--spans", "12"], "--spans: expected first..last"),
        (["backfill", *_SPANS, "--spans", "12..latest"], "--spans: expected first..last"),
        (["backfill", *_SPANS, "--spans", "12..x"], "parameter span_range: expected latest, a number or a date"),
        (["submit", "--pipeline", "none.yaml"], "--pipeline none.yaml: no such file; `simclr compile` writes it"),
        (["submit", "--pipeline", str(_ON_TARGET[-1])], "expected a pipeline that `simclr compile` wrote"),
        (["submit", *_SPANS, "--set", "training_spans=2"], "but config and code now give graph"),
        (["submit", "--set", "pretraining.num_gpus=0"], "gives the Trainer 1 GPUs, but pretraining.num_gpus is 0"),
        (["submit", "--set", "pretraining.epochs=0"], "pretraining.epochs: "),
    ],
)
def test_what_cannot_work_never_reaches_a_server(server, package, capsys, arguments, message):
    given = [arguments[0], *_ON_TARGET, "--pipeline", str(package), *arguments[1:]]
    assert cli.main(given) == 2
    assert message in capsys.readouterr().err
    assert not server.pipelines and not server.runs and not server.recurring


def test_a_target_is_required(server, package, capsys):
    assert cli.main(["submit", "--config", "digits", "--pipeline", str(package)]) == 2
    assert "--target: required" in capsys.readouterr().err
    assert not server.pipelines
