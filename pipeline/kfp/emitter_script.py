"""A compiled graph as a KFP v2 pipeline: one JSON job in on standard input, two YAML documents out.

Imports nothing but kfp, kfp-kubernetes and the standard library, and runs in kfp's environment; ``compilation`` writes
the job and starts it. Each node is one container task that calls ``run_node``; the order is that of the IR.
"""

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kfp import compiler, dsl, kubernetes

_METADATA_VARIABLE = "SIMCLR_METADATA_CONNECTION"  # as pipeline.metadata.connection.VARIABLE
_WORK, _ANSWER = "work", "answer"
# Argo counts what it calls the longest back-off from the start of the first attempt: attempts, waits, and how long a
# pod is pending. It ends attempts then, too. So it must never be what decides; number of retries and time limits do.
_PENDING_SECONDS = 86_400  # per attempt
# The launcher replaces the image's entry point and takes dot-folders of the home for itself.
_ENVIRONMENT = {"HOME": "/tmp", "PYTHONPATH": "/opt/simclr", "TF_CPP_MIN_LOG_LEVEL": "2"}
_RUN_ID = "run_id"
_TRAINING_NODES = ("Trainer", "Tuner")


class _Container(NamedTuple):
    """What a task runs, and with what."""

    name: str
    module: str
    arguments: dict[str, str]  # fixed at compile time
    parameters: Sequence[str]  # of the pipeline, handed on one by one
    outputs: dict[str, Any]  # flag of an output's path -> kind of output
    resources: dict[str, str]
    time_limit_minutes: int
    uses_gpus: bool = False


class Emitter:
    """Builds the KFP pipeline of one job."""

    def __init__(self, job: dict[str, Any]):
        """Take over the job: ``pipeline_name``, ``ir``, ``ir_digest``, ``parameters`` (name -> default), ``target``."""
        self._job, self._target = job, job["target"]
        self._pool = self._target["gpu_pool"] or {"nodes": []}
        self._parameters = list(job["parameters"])
        self._graph = {
            "ir": f"{self._target['graph_folder']}/{job['pipeline_name']}.json",
            "ir-digest": job["ir_digest"],
        }

    def emit(self, path: str) -> None:
        """Compile to ``path``: pipeline and platform documents."""
        pipeline = self._pipeline()
        self._widen_retry_windows(pipeline.pipeline_spec)
        compiler.Compiler().compile(pipeline, path)

    def _widen_retry_windows(self, spec: Any) -> None:
        """``set_retry`` cuts the window in which a task is retried to an hour; see ``_PENDING_SECONDS``."""
        target, retries = self._target, self._target["retries"]
        longest = 60 * max([target["time_limit_minutes"], *target["node_time_limits_minutes"].values()])
        waits = sum(retries["wait_seconds"] * retries["wait_factor"] ** number for number in range(retries["count"]))
        window = (retries["count"] + 1) * (longest + _PENDING_SECONDS) + waits
        for component in (spec.root, *spec.components.values()):
            for task in component.dag.tasks.values():
                if task.HasField("retry_policy"):
                    task.retry_policy.backoff_max_duration.FromSeconds(window)

    def _pipeline(self) -> Any:
        # First, because kfp can't define a pipeline while it builds another.
        present = [node["pipelineNode"]["nodeInfo"]["id"] for node in self._job["ir"]["nodes"]]
        on_gpus = [node_id for node_id in self._pool["nodes"] if node_id in present]
        gpu_pipelines = {node_id: self._gpu_pipeline(node_id) for node_id in on_gpus}

        def build(*values: Any) -> None:
            given = dict(zip(self._parameters, values, strict=True))
            with dsl.ExitHandler(self._summary_task()):
                tasks: dict[str, Any] = {}
                for node in self._job["ir"]["nodes"]:
                    node = node["pipelineNode"]
                    node_id = node["nodeInfo"]["id"]
                    upstream = [tasks[name] for name in node.get("upstreamNodes", ())]
                    if node_id in gpu_pipelines:
                        task = gpu_pipelines[node_id](**given).set_caching_options(False)
                    else:
                        task = self._task(self._node_container(node_id, _slug(node_id), gpus=0), given)
                    tasks[node_id] = task.set_display_name(node_id).after(*upstream)

        defaults = self._job["parameters"]
        signature = _signature({name: str for name in self._parameters}, defaults)
        description = f"Compiled from graph {self._job['ir_digest'][:12]}"
        return dsl.pipeline(name=self._job["pipeline_name"], description=description)(_named(build, "main", signature))

    def _gpu_pipeline(self, node_id: str) -> Any:
        """Check on a CPU, then, only where there is work, the node itself on GPUs.

        The backend wants what a task depends on to have succeeded, and a skipped task has not, so what comes after the
        node depends on this pipeline around it.
        """
        gpus = self._pool["count"]
        name = _slug(node_id)

        def build(*values: Any) -> None:
            given = dict(zip(self._parameters, values, strict=True))
            check = self._node_container(node_id, f"{name}-check", gpus)._replace(outputs={"check": _ANSWER})
            checked = self._task(check, given)
            with dsl.If(checked.outputs[_ANSWER] == _WORK, name=f"{name}-is-not-cached"):
                work = self._node_container(node_id, f"{name}-work", gpus)
                self._task(work._replace(resources=self._pool["resources"], uses_gpus=True), given)

        signature = _signature({parameter: str for parameter in self._parameters}, {})
        return dsl.pipeline(name=name)(_named(build, name.replace("-", "_"), signature))

    def _node_container(self, node_id: str, name: str, gpus: int) -> _Container:
        target = self._target
        lease = {"training-lease": json.dumps(target["training_lease"])} if node_id in _TRAINING_NODES else {}
        return _Container(
            name=name,
            module="pipeline.run_node",
            arguments={
                **self._graph,
                "node": node_id,
                "gpus": str(gpus),
                "pipeline-root": target["pipeline_root"],
                "registry": target["registry"],
                **lease,
            },
            parameters=self._parameters,
            outputs={},
            resources=target["node_resources"].get(node_id, target["resources"]),
            time_limit_minutes=target["node_time_limits_minutes"].get(node_id, target["time_limit_minutes"]),
        )

    def _summary_task(self) -> Any:
        container = _Container(
            name="summary",
            module="pipeline.run_summary",
            # The whole of what the launcher knows: the only way for a container to give an artifact its metadata.
            arguments={**self._graph, "executor-input": dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER},
            parameters=(),
            outputs={"report": dsl.HTML, "verdict": dsl.Markdown, "metrics": dsl.Metrics},
            resources=self._target["resources"],
            time_limit_minutes=self._target["time_limit_minutes"],
        )
        return self._task(container, {})

    def _task(self, container: _Container, given: dict[str, Any]) -> Any:
        values = {name: given[name] for name in container.parameters}
        # Only as a task's own input, and only with exactly this value, is the placeholder resolved.
        task = _component(container, self._target["image"])(**{_RUN_ID: dsl.PIPELINE_JOB_ID_PLACEHOLDER}, **values)
        task.set_caching_options(False)  # caching is TFX's
        for variable, value in _ENVIRONMENT.items():
            task.set_env_variable(variable, value)
        for kind in ("cpu", "memory"):
            getattr(task, f"set_{kind}_request")(container.resources[kind])
            getattr(task, f"set_{kind}_limit")(container.resources[kind])
        retries = self._target["retries"]
        if retries["count"]:
            task.set_retry(
                num_retries=retries["count"],
                backoff_duration=f"{retries['wait_seconds']}s",
                backoff_factor=float(retries["wait_factor"]),
            )
        self._set_platform(task, container.time_limit_minutes)
        if container.uses_gpus and self._pool["count"]:
            self._set_gpus(task)
        return task

    def _set_platform(self, task: Any, time_limit_minutes: int) -> None:
        target = self._target
        kubernetes.set_timeout(task, 60 * time_limit_minutes)
        user = target["run_as_user"]
        # That is all that can be said here. The backend adds: no capabilities, no more privileges, seccomp's default.
        kubernetes.set_security_context(task, run_as_user=user, run_as_group=user, run_as_non_root=True)
        secrets = {_METADATA_VARIABLE: target["metadata"], **target["environment_from_secrets"]}
        for variable, source in secrets.items():
            kubernetes.use_secret_as_env(task, source["secret"], {source["key"]: variable})
        for volume in target["volumes"]:
            kubernetes.mount_pvc(task, volume["claim"], volume["mount_path"])
        if target["image_pull_secrets"]:
            kubernetes.set_image_pull_secrets(task, target["image_pull_secrets"])

    def _set_gpus(self, task: Any) -> None:
        pool = self._pool
        task.set_accelerator_type(pool["resource"]).set_accelerator_limit(pool["count"])
        for key, value in pool["node_selector"].items():
            kubernetes.add_node_selector(task, key, value)
        for toleration in pool["tolerations"]:
            kubernetes.add_toleration(task, **{key: value for key, value in toleration.items() if value is not None})
        kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", medium="Memory", size_limit=pool["shared_memory"])


def _component(container: _Container, image: str) -> Any:
    """A container component whose arguments are separate words; the backend resolves no joined ones."""
    inputs = {_RUN_ID: str, **{name: str for name in container.parameters}}
    outputs = {
        name if kind != _ANSWER else _ANSWER: dsl.OutputPath(str) if kind == _ANSWER else dsl.Output[kind]
        for name, kind in container.outputs.items()
    }

    def build(*values: Any) -> dsl.ContainerSpec:
        placeholders = dict(zip([*inputs, *outputs], values, strict=True))
        words: list[Any] = [word for flag, value in container.arguments.items() for word in (f"--{flag}", value)]
        for name in inputs:
            words += [f"--{name.replace('_', '-')}", placeholders[name]]
        for flag, kind in container.outputs.items():
            words += [f"--{flag}", placeholders[_ANSWER] if kind == _ANSWER else placeholders[flag].path]
        return dsl.ContainerSpec(image=image, command=["python", "-m", container.module], args=words)

    signature = _signature({**inputs, **outputs}, {})
    return dsl.container_component(_named(build, container.name.replace("-", "_"), signature))


def _signature(annotations: dict[str, Any], defaults: dict[str, str]) -> inspect.Signature:
    return inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                annotation=annotation,
                default=defaults.get(name, inspect.Parameter.empty),
            )
            for name, annotation in annotations.items()
        ]
    )


def _named(function: Callable, name: str, signature: inspect.Signature) -> Callable:
    """``function`` as kfp sees it: kfp takes names and types of inputs and outputs from name and signature."""
    function.__name__ = name
    function.__signature__ = signature
    return function


def _slug(node_id: str) -> str:
    """``ImageExampleGen`` as ``image-example-gen``."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in node_id).lstrip("-")


if __name__ == "__main__":
    Emitter(json.load(sys.stdin)).emit(sys.argv[1])
