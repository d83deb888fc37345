"""Turns a compiled graph into a KFP v2 pipeline: reads one JSON job from standard input, writes two YAML documents.

Runs in kfp's environment and imports only kfp, kfp-kubernetes and the standard library; ``compilation`` writes the job
and starts this script. Each node becomes a container task that calls ``run_node``, in the order of the graph.
"""

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kfp import compiler, dsl, kubernetes

_METADATA_VARIABLE = "SIMCLR_METADATA_CONNECTION"  # the same as pipeline.metadata.connection.VARIABLE
_WORK, _ANSWER = "work", "answer"
# Argo's "longest back-off" limits the time from the start of the first attempt, with attempts, waits and pending pods,
# and ends a running attempt too. We make it long enough never to apply: number of retries and time limits decide.
_PENDING_SECONDS = 86_400  # how long the pod of an attempt may be pending
# KFP's launcher replaces the image's entry point and writes dot-folders into the home folder.
_ENVIRONMENT = {"HOME": "/tmp", "PYTHONPATH": "/opt/simclr", "TF_CPP_MIN_LOG_LEVEL": "2"}
_RUN_ID = "run_id"


class _Container(NamedTuple):
    """A task's command, arguments and resources."""

    name: str
    module: str
    arguments: dict[str, str]  # fixed at compile time
    parameters: Sequence[str]  # the pipeline's parameters that the task gets, each as an argument
    outputs: dict[str, Any]  # flag of an output's path -> kind of output
    resources: dict[str, str]
    time_limit_minutes: int
    uses_gpus: bool = False


class Emitter:
    """Builds the KFP pipeline of one job."""

    def __init__(self, job: dict[str, Any]):
        """Take the job that ``compilation.job`` describes."""
        self._job, self._target, self._training_nodes = job, job["target"], job["training_nodes"]
        self._pool = self._target["gpu_pool"] or {"nodes": []}
        self._parameters = list(job["parameters"])
        self._graph = {
            "ir": f"{self._target['graph_folder']}/{job['pipeline_name']}.json",
            "ir-digest": job["ir_digest"],
        }

    def emit(self, path: str) -> None:
        """Write the pipeline and platform documents to ``path``."""
        pipeline = self._pipeline()
        self._widen_retry_windows(pipeline.pipeline_spec)
        compiler.Compiler().compile(pipeline, path)

    def _widen_retry_windows(self, spec: Any) -> None:
        """Undo the limit of an hour that kfp's ``set_retry`` sets for all attempts; see ``_PENDING_SECONDS``."""
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
        """Check on a CPU whether there is work; if so, run the node on GPUs.

        A task starts only after the tasks that it depends on have succeeded, and a skipped task does not count as
        succeeded. So later nodes depend on this pipeline around the two tasks.
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
        lease = {"training-lease": json.dumps(target["training_lease"])} if node_id in self._training_nodes else {}
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
            # All that the launcher knows; a container needs it to set an artifact's metadata.
            arguments={**self._graph, "executor-input": dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER},
            parameters=(),
            outputs={"report": dsl.HTML, "verdict": dsl.Markdown, "metrics": dsl.Metrics},
            resources=self._target["resources"],
            time_limit_minutes=self._target["time_limit_minutes"],
        )
        return self._task(container, {})

    def _task(self, container: _Container, given: dict[str, Any]) -> Any:
        values = {name: given[name] for name in container.parameters}
        # The backend resolves the placeholder only if it is the whole value of a task's input.
        task = _component(container, self._target["image"])(**{_RUN_ID: dsl.PIPELINE_JOB_ID_PLACEHOLDER}, **values)
        task.set_caching_options(False)  # TFX does the caching
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
        # kfp can set no more. The backend adds: no capabilities, no privilege escalation, the default seccomp profile.
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
    """A container component whose flags and values are separate words, because the backend resolves no joined ones."""
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
    """Give ``function`` the name and signature from which kfp reads its name, inputs and outputs."""
    function.__name__ = name
    function.__signature__ = signature  # type: ignore[attr-defined]  # inspect.signature reads it; typeshed has no such attribute
    return function


def _slug(node_id: str) -> str:
    """``ImageExampleGen`` as ``image-example-gen``."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in node_id).lstrip("-")


if __name__ == "__main__":
    Emitter(json.load(sys.stdin)).emit(sys.argv[1])
