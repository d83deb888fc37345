"""The compiled pipeline equals the golden one, and each of its rules has a test.

``make update-golden`` rewrites the golden files. They leave out code digests and settings, which every edit changes.
"""

import ast
import dataclasses
import json
import os
import pathlib
import subprocess

import pytest
import yaml

from components.contracts import configuration
from components.contracts.configuration import ConfigError
from pipeline import cli, ir_file, run_node, run_parameters, run_summary
from pipeline import config as pipeline_config
from pipeline.kfp import compilation, environment
from pipeline.kfp import target as targets
from pipeline.metadata import connection
from pipeline.node.training_lease import IfTaken, TrainingLease

_ROOT = pathlib.Path(__file__).parents[3]
_EXAMPLE = _ROOT / "kubeflow" / "targets" / "example.yaml"
_GOLDEN = _ROOT / "tests" / "pipeline" / "golden"
_UPDATE = "SIMCLR_UPDATE_GOLDEN"
_ON_GPU = ("pretraining.num_gpus=1",)
_TUNED = "tuning.enabled=true"

try:
    environment.python()
    _NO_KFP = ""
except environment.KfpMissingError as error:
    _NO_KFP = str(error)
needs_kfp = pytest.mark.skipif(bool(_NO_KFP), reason=_NO_KFP)


@pytest.fixture(scope="module")
def graph():
    """The graph without the digests of the code."""
    ir = json.loads(compilation.compile_graph(pipeline_config.load("digits")))
    for node in ir["nodes"]:
        parameters = node["pipelineNode"].get("parameters", {}).get("parameters", {})
        if "code_digest" in parameters:
            assert len(parameters["code_digest"]["fieldValue"]["stringValue"]) == 64
            parameters["code_digest"]["fieldValue"]["stringValue"] = "code digest"
    return json.dumps(ir, indent=1, sort_keys=True) + "\n"


class Compiled:
    """The two documents of a compiled pipeline, with short cuts to their parts."""

    def __init__(self, text: str):
        self.text = text
        self.pipeline, self.platform = yaml.safe_load_all(text)
        self.executors = self.pipeline["deploymentSpec"]["executors"]
        self.kubernetes = self.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        self.dags = {"root": self.pipeline["root"]["dag"]}
        for name, component in self.pipeline["components"].items():
            if "dag" in component:
                self.dags[name] = component["dag"]

    @property
    def tasks(self) -> dict:
        """All tasks by name."""
        return {name: task for dag in self.dags.values() for name, task in dag["tasks"].items()}

    @property
    def containers(self) -> dict:
        """The containers by name of their task."""
        executors = {name: executor["container"] for name, executor in self.executors.items()}
        return {name.removeprefix("exec-"): container for name, container in executors.items()}

    def arguments(self, name: str) -> dict[str, str]:
        words = self.containers[name]["args"]
        assert all(flag.startswith("--") for flag in words[::2])
        return {flag.removeprefix("--"): value for flag, value in zip(words[::2], words[1::2], strict=True)}


@pytest.fixture(scope="module")
def emit(graph, tmp_path_factory):
    """Compile for the example target with changes; ``parameters`` are the defaults of the settings."""

    def emit(parameters=None, **changes):
        target = dataclasses.replace(targets.load(_EXAMPLE), **changes)
        job = compilation.job(pipeline_config.load("digits", _ON_GPU), target, graph)
        job["parameters"].update(parameters or {})
        output = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
        compilation.emit(job, output)
        return Compiled(output.read_text())

    return emit


@pytest.fixture(scope="module")
def compiled(emit):
    return emit({room: f"<{room}>" for room in run_parameters.ROOMS})


def _golden(name, text):
    """The text of the golden file; under ``make update-golden``, ``text`` replaces it first."""
    path = _GOLDEN / name
    if os.environ.get(_UPDATE):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return path.read_text()


def test_the_graph_is_the_golden_one(graph):
    assert graph == _golden("graph.json", graph), "look at the difference, then `make update-golden`"


def test_the_graph_holds_no_setting_no_path_and_no_version(graph):
    # Otherwise an image would refuse a pipeline of the same code that was compiled with other library versions.
    assert "stats_options" not in graph
    assert 'stringValue": "/' not in graph
    other = pipeline_config.load("photos", ("pipeline_name=simclr",))
    assert other != pipeline_config.load("digits")
    again = json.loads(compilation.compile_graph(other))
    assert ir_file.node_ids(json.dumps(again)) == ir_file.node_ids(graph)
    assert ir_file.digest(compilation.compile_graph(other)) == ir_file.digest(
        compilation.compile_graph(pipeline_config.load("digits"))
    )


@needs_kfp
def test_the_pipeline_is_the_golden_one(compiled):
    golden = _golden("pipeline.yaml", compiled.text)
    assert compiled.text == golden, "look at the difference, then `make update-golden`"


@needs_kfp
def test_every_node_is_a_task_after_what_it_depends_on(compiled, graph):
    tasks = compiled.dags["comp-exit-handler-1"]["tasks"]
    by_name = {task["taskInfo"]["name"]: task for task in tasks.values()}
    nodes = [node["pipelineNode"] for node in json.loads(graph)["nodes"]]
    assert list(by_name) and set(by_name) == {node["nodeInfo"]["id"] for node in nodes}
    names = {task["taskInfo"]["name"]: name for name, task in tasks.items()}
    for node in nodes:
        expected = {names[upstream] for upstream in node.get("upstreamNodes", ())}
        assert set(by_name[node["nodeInfo"]["id"]].get("dependentTasks", ())) == expected, node["nodeInfo"]["id"]
    assert set(by_name["Transform"]["dependentTasks"]) >= {names["AnomalyGate"]}
    # Side by side: neither waits for the other.
    assert not {names["ViewGen"]} & set(by_name["Transform"]["dependentTasks"])
    assert not {names["Transform"]} & set(by_name["ViewGen"]["dependentTasks"])


@needs_kfp
def test_nothing_depends_on_a_conditional_task(compiled):
    conditional = {name for name, task in compiled.tasks.items() if "condition" in task.get("triggerPolicy", {})}
    assert conditional == {"condition-1"}
    for name, task in compiled.tasks.items():
        assert not conditional & set(task.get("dependentTasks", ())), name
    readers = json.dumps([task.get("inputs", {}) for task in compiled.tasks.values()])
    assert "condition-1" not in readers


@needs_kfp
def test_a_gpu_node_is_checked_before_it_gets_gpus(compiled):
    wrapper = compiled.dags["comp-trainer"]["tasks"]
    assert set(wrapper) == {"trainer-check", "condition-1"}
    condition = wrapper["condition-1"]
    assert condition["dependentTasks"] == ["trainer-check"]
    assert "trainer-check-answer'] == 'work'" in condition["triggerPolicy"]["condition"]
    assert set(compiled.dags["comp-condition-1"]["tasks"]) == {"trainer-work"}
    assert compiled.arguments("trainer-check")["check"] == "{{$.outputs.parameters['answer'].output_file}}"
    assert "check" not in compiled.arguments("trainer-work")
    assert compiled.arguments("trainer-check")["gpus"] == compiled.arguments("trainer-work")["gpus"] == "1"


@needs_kfp
def test_only_the_work_is_on_the_gpu_pool(compiled):
    assert "trainer-work" in compiled.containers
    for name, container in compiled.containers.items():
        on_cluster = compiled.kubernetes[f"exec-{name}"]
        if name != "trainer-work":
            assert "accelerator" not in container["resources"], name
            assert not {"nodeSelector", "tolerations", "emptyDirMounts"} & set(on_cluster), name
            continue
        accelerator = container["resources"]["accelerator"]
        assert (accelerator["resourceType"], accelerator["resourceCount"]) == ("nvidia.com/gpu", "1")
        assert on_cluster["nodeSelector"] == {"labels": {"cloud.google.com/gke-accelerator": "nvidia-l4"}}
        toleration = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
        assert on_cluster["tolerations"] == [toleration]
        [shared_memory] = on_cluster["emptyDirMounts"]
        assert (shared_memory["mountPath"], shared_memory["medium"]) == ("/dev/shm", "Memory")
        assert shared_memory["sizeLimit"] == "8Gi"
        assert container["resources"]["resourceMemoryLimit"] == "48Gi"


@needs_kfp
def test_other_nodes_are_given_no_gpu_and_their_own_resources(compiled):
    assert compiled.arguments("view-gen")["gpus"] == "0"
    assert compiled.containers["view-gen"]["resources"]["resourceMemoryLimit"] == "16Gi"
    assert compiled.containers["gate"]["resources"]["resourceCpuRequest"] == "2"


@needs_kfp
def test_every_task_is_retried_and_limited_and_never_cached(compiled):
    for name in compiled.containers:
        task = compiled.tasks[name]
        assert task["cachingOptions"] == {}, name
        # Argo's window holds all attempts at full length, their waits and a day in which each waits for a node.
        window = 6 * (172800 + 86400) + (60 + 120 + 240 + 480 + 960)
        assert task["retryPolicy"] == {
            "maxRetryCount": 5,
            "backoffDuration": "60s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": f"{window}s",
        }, name
        seconds = 172800 if name.startswith("trainer") else 14400
        assert compiled.kubernetes[f"exec-{name}"]["activeDeadlineSeconds"] == str(seconds), name


@needs_kfp
def test_every_container_runs_as_the_images_user_with_its_volume_and_its_secrets(compiled):
    for name, container in compiled.containers.items():
        on_cluster = compiled.kubernetes[f"exec-{name}"]
        assert on_cluster["securityContext"] == {"runAsUser": "1000", "runAsGroup": "1000", "runAsNonRoot": True}
        [volume] = on_cluster["pvcMount"]
        assert (volume["constant"], volume["mountPath"]) == ("simclr-runs", "/runs")
        [secret] = on_cluster["secretAsEnv"]
        assert secret["secretName"] == "simclr-metadata"
        [key] = secret["keyToEnv"]
        assert key == {"secretKey": "connection.json", "envVar": connection.VARIABLE}
        assert on_cluster["imagePullSecret"][0]["secretName"] == "registry-credentials"
        assert {"HOME", "PYTHONPATH"} <= {variable["name"] for variable in container["env"]}
        assert container["image"] == targets.load(_EXAMPLE).image


@needs_kfp
def test_only_training_nodes_take_the_lease(emit, compiled):
    lease = {name: compiled.arguments(name).get("training-lease") for name in compiled.containers}
    assert {name for name, terms in lease.items() if terms} == {"trainer-check", "trainer-work"}
    assert configuration.from_json(TrainingLease, lease["trainer-work"], "x") == TrainingLease()
    without_waiting = TrainingLease(if_taken=IfTaken.FAIL, expires_seconds=60)
    terms = emit(gpu_pool=None, training_lease=without_waiting).arguments("trainer")["training-lease"]
    assert configuration.from_json(TrainingLease, terms, "x") == without_waiting


@needs_kfp
def test_the_run_id_is_a_task_input_with_exactly_the_placeholder(compiled):
    for name in compiled.containers:
        given = compiled.tasks[name]["inputs"]["parameters"]["run_id"]
        assert given == {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}, name
        assert compiled.arguments(name)["run-id"] == "{{$.inputs.parameters['run_id']}}"
    assert "pipeline_job_name" not in compiled.text


@needs_kfp
def test_arguments_are_words_that_the_entry_points_understand(compiled, graph):
    for name, container in compiled.containers.items():
        assert container["command"][:2] == ["python", "-m"]
        door = {"pipeline.run_node": run_node, "pipeline.run_summary": run_summary}[container["command"][2]]
        values = compiled.arguments(name)
        values["executor-input"] = "{}"
        words = [word for flag, value in values.items() for word in (f"--{flag}", value)]
        if door is run_node:
            words = words[:-2]
        parsed = door._parser().parse_args(words)
        assert parsed.ir_digest == ir_file.digest(graph)
        for value in container["args"]:
            assert isinstance(value, str) and value.count("{{") <= 1, value
    assert "Concat" not in compiled.text and "IfPresent" not in compiled.text


@needs_kfp
def test_no_parameter_is_without_a_value(compiled):
    assert "isOptional" not in json.dumps(
        [component for name, component in compiled.pipeline["components"].items() if name != "comp-exit-handler-1"]
    )
    parameters = compiled.pipeline["root"]["inputDefinitions"]["parameters"]
    assert set(parameters) == {"data_root", "span_range", *run_parameters.ROOMS}
    for name, parameter in parameters.items():
        assert parameter["parameterType"] == "STRING"
        assert parameter["defaultValue"], name
    for name in compiled.containers:
        definitions = compiled.pipeline["components"][f"comp-{name}"].get("inputDefinitions", {}).get("parameters", {})
        assert set(definitions) == set(compiled.tasks[name]["inputs"]["parameters"]), name


@needs_kfp
def test_the_summary_comes_last_whatever_happens_and_shows_three_artifacts(compiled):
    summary = compiled.dags["root"]["tasks"]["summary"]
    assert summary["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    assert summary["dependentTasks"] == ["exit-handler-1"]
    shown = compiled.pipeline["components"]["comp-summary"]["outputDefinitions"]["artifacts"]
    assert {name: artifact["artifactType"]["schemaTitle"] for name, artifact in shown.items()} == {
        "report": "system.HTML",
        "verdict": "system.Markdown",
        "metrics": "system.Metrics",
    }
    assert compiled.arguments("summary")["executor-input"] == "{{$}}"


@needs_kfp
def test_the_parameters_are_the_settings_of_the_config(emit):
    parameters = emit().pipeline["root"]["inputDefinitions"]["parameters"]
    config = pipeline_config.load("digits", _ON_GPU)
    rooms = {room: parameters[room]["defaultValue"] for room in run_parameters.ROOMS}
    read = run_parameters.read(config.pipeline_name, rooms, parameters["span_range"]["defaultValue"])
    assert dataclasses.replace(read, bundled_data=config.bundled_data) == config
    assert parameters["data_root"]["defaultValue"] == "/runs/images"


@needs_kfp
def test_baselines_wait_for_the_probe_and_can_be_on_the_gpu_pool(tmp_path):
    config = pipeline_config.load("digits", (*_ON_GPU, "baselines.enabled=true", "baselines.num_gpus=1"))
    target = targets.load(_EXAMPLE)
    pool = dataclasses.replace(target.gpu_pool, nodes=("Trainer", "Baselines"))
    target = dataclasses.replace(target, gpu_pool=pool)
    graph = compilation.compile_graph(config)
    compilation.check(config, target, "example", ir_file.node_ids(graph))
    compilation.emit(compilation.job(config, target, graph), tmp_path / "pipeline.yaml")
    compiled = Compiled((tmp_path / "pipeline.yaml").read_text())
    tasks = compiled.dags["comp-exit-handler-1"]["tasks"]
    assert {"linear-probe", "trainer", "transform", "image-example-gen"} <= set(tasks["baselines"]["dependentTasks"])
    assert "baselines" in tasks["report"]["dependentTasks"]
    assert not {"baselines"} & {name for node in ("gate", "pusher") for name in tasks[node]["dependentTasks"]}
    assert (
        "condition"
        in next(task for name, task in compiled.dags["comp-baselines"]["tasks"].items() if name != "baselines-check")[
            "triggerPolicy"
        ]
    )
    assert compiled.containers["baselines-work"]["resources"]["accelerator"]["resourceCount"] == "1"
    assert "training-lease" not in compiled.arguments("baselines-work")


@needs_kfp
def test_the_shape_without_gpus_is_the_same(emit, compiled):
    pool = dataclasses.replace(targets.load(_EXAMPLE).gpu_pool, count=0, node_selector={}, tolerations=())
    without = emit(gpu_pool=pool)
    assert set(without.tasks) == set(compiled.tasks)
    assert "accelerator" not in without.containers["trainer-work"]["resources"]
    assert "emptyDirMounts" not in without.kubernetes["exec-trainer-work"]
    assert without.arguments("trainer-work")["gpus"] == "0"


@needs_kfp
def test_without_a_pool_no_task_is_conditional(emit):
    plain = emit(gpu_pool=None)
    assert "condition" not in json.dumps(list(plain.tasks))
    assert "trainer" in plain.containers


@needs_kfp
def test_every_node_may_ask_for_the_pool(emit):
    pool = dataclasses.replace(targets.load(_EXAMPLE).gpu_pool, nodes=("Trainer", "FeatureExtractor"))
    both = emit(gpu_pool=pool)
    with_gpus = {name for name, container in both.containers.items() if "accelerator" in container["resources"]}
    assert with_gpus == {"trainer-work", "feature-extractor-work"}
    conditional = {name for name, task in both.tasks.items() if "condition" in task.get("triggerPolicy", {})}
    assert not any(conditional & set(task.get("dependentTasks", ())) for task in both.tasks.values())


@needs_kfp
def test_a_tuner_is_compiled_if_it_is_enabled(tmp_path):
    config = pipeline_config.load("digits", (*_ON_GPU, _TUNED))
    graph = compilation.compile_graph(config)
    compilation.emit(compilation.job(config, targets.load(_EXAMPLE), graph), tmp_path / "pipeline.yaml")
    compiled = Compiled((tmp_path / "pipeline.yaml").read_text())
    tasks = compiled.dags["comp-exit-handler-1"]["tasks"]
    # First Tuner, then Trainer: both are checked on a CPU, run on the GPU pool and take the lease.
    assert set(tasks["tuner"]["dependentTasks"]) >= {"transform", "view-gen", "anomaly-gate"}
    assert "tuner" in tasks["trainer"]["dependentTasks"] and "tuner" in tasks["report"]["dependentTasks"]
    with_gpus = {name for name, container in compiled.containers.items() if "accelerator" in container["resources"]}
    assert with_gpus == {"tuner-work", "trainer-work"}
    lease = {name for name in compiled.containers if "training-lease" in compiled.arguments(name)}
    assert lease == {"tuner-check", "tuner-work", "trainer-check", "trainer-work"}
    assert compiled.kubernetes["exec-tuner-work"]["activeDeadlineSeconds"] == str(2880 * 60)
    [trainer] = [
        n["pipelineNode"] for n in json.loads(graph)["nodes"] if "Trainer" in str(n["pipelineNode"]["nodeInfo"])
    ]
    [channel] = trainer["inputs"]["inputs"]["hyperparameters"]["channels"]
    assert (channel["producerNodeQuery"]["id"], channel["outputKey"]) == ("Tuner", "best_hyperparameters")


@needs_kfp
def test_secrets_are_references(emit):
    further = {"REGISTRY_TOKEN": targets.SecretKey(secret="simclr-registry", key="token")}
    secrets = emit(environment_from_secrets=further).kubernetes["exec-pusher"]["secretAsEnv"]
    assert [secret["secretName"] for secret in secrets] == ["simclr-metadata", "simclr-registry"]


@needs_kfp
def test_the_command_writes_graph_and_pipeline_and_warns_of_a_moving_image(tmp_path, capsys, monkeypatch):
    # The compiled pipeline does not hold what the environment variable holds.
    monkeypatch.setenv(connection.VARIABLE, '{"mysql": {"password": "planted-9f3c"}}')
    moving = tmp_path / "moving.yaml"
    moving.write_text(_EXAMPLE.read_text().replace(targets.load(_EXAMPLE).image, "registry/simclr:latest"))
    output = tmp_path / "out" / "pipeline.yaml"
    arguments = ["compile", "--config", "digits", "--set", *_ON_GPU, "--target", str(moving), "--output", str(output)]
    assert cli.main(arguments) == 0
    told = capsys.readouterr()
    assert f"Warning: {moving}: image: registry/simclr:latest has no digest, so it may change" in told.err
    graph = (tmp_path / "out" / "pipeline.ir.json").read_text()
    assert ir_file.digest(graph) in told.out
    compiled = Compiled(output.read_text())
    assert compiled.arguments("gate")["ir-digest"] == ir_file.digest(graph)
    assert "planted-9f3c" not in graph + compiled.text + told.out + told.err


def test_graph_in_a_folder_is_named_like_the_pipeline(tmp_path, capsys):
    assert cli.main(["compile", "--config", "digits", "--graph", str(tmp_path)]) == 0
    (written,) = tmp_path.iterdir()
    assert written.name == "simclr.json"  # as node tasks expect it in the image
    assert f"{written} (digest {ir_file.digest(written.read_text())})" in capsys.readouterr().out


def test_a_target_that_does_not_fit_is_refused(graph):
    node_ids = ir_file.node_ids(graph)
    target = targets.load(_EXAMPLE)
    with pytest.raises(ConfigError, match=r"example: gives the Trainer 1 GPUs, but pretraining\.num_gpus is 0"):
        compilation.check(pipeline_config.load("digits"), target, "example", node_ids)
    for on_pool, num_gpus, given in ((("Trainer",), 1, 0), (("Trainer", "Baselines"), 0, 1)):
        other = dataclasses.replace(target, gpu_pool=dataclasses.replace(target.gpu_pool, nodes=on_pool))
        asking = pipeline_config.load("digits", (*_ON_GPU, "baselines.enabled=true", f"baselines.num_gpus={num_gpus}"))
        message = f"gives the Baselines {given} GPUs, but baselines.num_gpus is {num_gpus}"
        with pytest.raises(ConfigError, match=message):
            compilation.check(asking, other, "example", [*node_ids, "Baselines"])
    unknown = dataclasses.replace(target, node_resources={"Viewgen": targets.Resources()})
    with pytest.raises(ConfigError, match=r"example: node_resources\.Viewgen: no node Viewgen; .*ViewGen"):
        compilation.check(pipeline_config.load("digits", _ON_GPU), unknown, "example", node_ids)
    compilation.check(pipeline_config.load("digits", _ON_GPU), target, "example", node_ids)
    only_trainer = dataclasses.replace(target, gpu_pool=dataclasses.replace(target.gpu_pool, nodes=("Trainer",)))
    with pytest.raises(ConfigError, match=r"example: gives the Tuner 0 GPUs, but pretraining\.num_gpus is 1"):
        compilation.check(pipeline_config.load("digits", (*_ON_GPU, _TUNED)), only_trainer, "example", node_ids)


def test_a_missing_kfp_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv(environment.PYTHON_VARIABLE, str(tmp_path / "python"))
    with pytest.raises(environment.KfpMissingError, match=r"no kfp at .*`make install-kfp` sets it up"):
        environment.python()


@needs_kfp
def test_the_emitter_needs_nothing_but_kfp():
    path = _ROOT / "pipeline" / "kfp" / "emitter_script.py"
    names = {alias.name for node in ast.walk(ast.parse(path.read_text())) for alias in getattr(node, "names", ())}
    modules = {getattr(node, "module", None) for node in ast.walk(ast.parse(path.read_text()))}
    assert not [name for name in names | modules if str(name).startswith(("pipeline", "components", "tfx"))]
    code = f"import runpy; print(runpy.run_path({str(path)!r})['_METADATA_VARIABLE'])"
    finished = subprocess.run([str(environment.python()), "-I", "-c", code], check=True, capture_output=True, text=True)
    assert finished.stdout.strip() == connection.VARIABLE
