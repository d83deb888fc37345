"""Run a compiled pipeline in real containers, one ``kfp.local.DockerRunner`` per task; runs in kfp's environment.

``kfp.local`` itself (2.16.1) leaves out what this walks itself: the condition inside a nested pipeline (it would always
run the task), the exit handler after a failure, retries, the environment, and the platform document, from which the
user, the Secrets and the volumes come. The job comes as JSON on standard input; each container that has ended is a line
of JSON in the job's ``ended`` file; the exit code is 1 where a task failed.
"""

import json
import pathlib
import re
import sys
import time
from typing import Any, NamedTuple

import docker
import yaml
from google.protobuf import json_format
from kfp import local
from kfp.local import graph_utils, io, status, utils
from kfp.local.orchestrator.orchestrator_utils import OrchestratorUtils
from kfp.pipeline_spec import pipeline_spec_pb2

_CONDITION = re.compile(r"inputs\.parameter_values\['([^']+)'\] == '([^']*)'")
_AT_THE_END = pipeline_spec_pb2.PipelineTaskSpec.TriggerPolicy.ALL_UPSTREAM_TASKS_COMPLETED


class _Ended(NamedTuple):
    is_good: bool
    outputs: dict[str, Any]


class Walk:
    """One run of one compiled pipeline."""

    def __init__(self, job: dict[str, Any]):
        """Take over the job: pipeline and parameters, run id, Secrets and volumes by name, outputs, the ended file."""
        self._job = job
        pipeline, platform = yaml.safe_load_all(pathlib.Path(job["pipeline"]).read_text())
        self._spec = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
        self._platform = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        self._docker = docker.from_env()

    def run(self) -> bool:
        """Walk all tasks; true where none failed."""
        return self._walk(self._spec.root, self._job["parameters"]).is_good

    def _walk(self, component: pipeline_spec_pb2.ComponentSpec, given: dict[str, Any]) -> _Ended:
        store = io.IOStore()
        arguments = OrchestratorUtils.join_user_inputs_and_defaults(given, component.input_definitions)
        for name, value in arguments.items():
            store.put_parent_input(name, value)
        is_good = True
        order = graph_utils.topological_sort_tasks(component.dag.tasks)
        while order:
            name = order.pop()
            task = component.dag.tasks[name]
            if not is_good and task.trigger_policy.strategy != _AT_THE_END:
                continue
            if not self._is_wanted(task, store):
                continue
            ended = self._run_task(name, task, store)
            is_good = is_good and ended.is_good
            for key, value in ended.outputs.items():
                store.put_task_output(name, key, value)
        return _Ended(is_good, {})

    def _is_wanted(self, task: pipeline_spec_pb2.PipelineTaskSpec, store: io.IOStore) -> bool:
        if not task.trigger_policy.condition:
            return True
        name, wanted = _CONDITION.fullmatch(task.trigger_policy.condition).groups()
        return OrchestratorUtils.make_task_arguments(task.inputs, store)[name] == wanted

    def _run_task(self, name: str, task: pipeline_spec_pb2.PipelineTaskSpec, store: io.IOStore) -> _Ended:
        component = self._spec.components[task.component_ref.name]
        if component.WhichOneof("implementation") == "dag":
            return self._walk(component, OrchestratorUtils.make_task_arguments(task.inputs, store))
        wait_seconds = task.retry_policy.backoff_duration.seconds
        for attempt in range(task.retry_policy.max_retry_count + 1):
            if attempt:
                time.sleep(wait_seconds)
            ended = self._run_container(name, attempt, task, store)
            if ended.is_good:
                break
        return ended

    def _run_container(
        self, name: str, attempt: int, task: pipeline_spec_pb2.PipelineTaskSpec, store: io.IOStore
    ) -> _Ended:
        label = self._spec.components[task.component_ref.name].executor_label
        container_name = f"{self._job['run_id']}-{name}-{attempt}"
        started = int(time.time())
        outputs, ended_as = OrchestratorUtils.execute_single_task(
            task_name=name,
            task_spec=task,
            pipeline_resource_name=self._job["run_id"],
            components=dict(self._spec.components),
            executors={label: self._executor(label)},
            io_store=store,
            pipeline_root=self._job["outputs"],
            runner=local.DockerRunner(name=container_name, **self._as_on_the_cluster(label)),
            unique_pipeline_id=self._job["run_id"],
            fail_stack=[],
        )
        code = self._exit_code(container_name, started)
        shown = {key: getattr(value, "metadata", value) for key, value in outputs.items()}
        with open(self._job["ended"], "a") as file:
            file.write(json.dumps({"task": name, "exit_code": code, "outputs": shown}) + "\n")
        return _Ended(code == 0 and ended_as == status.Status.SUCCESS, outputs)

    def _executor(self, label: str) -> Any:
        return utils.struct_to_executor_spec(self._spec.deployment_spec["executors"][label])

    def _as_on_the_cluster(self, label: str) -> dict[str, Any]:
        """What Kubernetes would give the container, as arguments of ``docker run``."""
        platform = self._platform[label]
        environment = {variable.name: variable.value for variable in self._executor(label).container.env}
        for secret in platform["secretAsEnv"]:
            values = self._job["secrets"][secret["secretName"]]
            environment |= {key["envVar"]: values[key["secretKey"]] for key in secret["keyToEnv"]}
        user = platform["securityContext"]
        return {
            "environment": environment,
            "user": f"{user['runAsUser']}:{user['runAsGroup']}",
            "mounts": [
                docker.types.Mount(volume["mountPath"], self._job["volumes"][volume["constant"]], type="bind")
                for volume in platform["pvcMount"]
            ],
            # As the backend has it for every container, and stricter: nothing to write to, nobody to talk to.
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "read_only": True,
            "tmpfs": {"/tmp": ""},
            "network_mode": "none",
        }

    def _exit_code(self, container_name: str, since: int) -> int:
        """What the container ended with; kfp.local calls it a success where the container is gone before it asks."""
        which = {"container": container_name, "event": "die"}
        [event] = self._docker.events(since=since, until=int(time.time()) + 1, filters=which, decode=True)
        return int(event["Actor"]["Attributes"]["exitCode"])


if __name__ == "__main__":
    sys.exit(0 if Walk(json.load(sys.stdin)).run() else 1)
