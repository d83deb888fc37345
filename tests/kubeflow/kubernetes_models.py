"""Checks Kubernetes objects against the models of the ``kubernetes`` client; runs in kfp's environment.

Reads ``{"objects": {name: object}, "compiled": YAML}`` as JSON from standard input. Each task of the compiled pipeline
is turned into the pod that the backend would create, after a check that kfp-kubernetes knows its platform document.
Writes ``{"problems": [sentence], "pods": {task: pod}}`` as JSON.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kubernetes import client
from kubernetes.utils import quantity

_SIMPLE = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object, "datetime": str}
_CONTAINER_OF = re.compile(r"(list\[|dict\(str, )(.+)[\])]")
_QUANTITIES = ("limits", "requests")


def object_problems(name: str, described: Any, is_patch: bool) -> Iterator[str]:
    """Check an object, or a patch, in which required fields may be missing."""
    model = _model(str(described.get("apiVersion")), str(described.get("kind")))
    if model is None:
        yield f"{name}: no {described.get('kind')} in {described.get('apiVersion')}"
    else:
        yield from _problems(described, model, name, is_patch)


def _model(api_version: str, kind: str) -> str | None:
    """Name of the model, or None if this API version does not have the kind."""
    group, _, version = api_version.rpartition("/")
    words = group.removesuffix(".k8s.io").split(".") if group else ["core"]
    api = getattr(client, "".join(map(str.capitalize, [*words, version])) + "Api", None)
    snake = re.sub(r"(?<!^)([A-Z])", r"_\1", kind).lower()
    if not (hasattr(api, f"create_{snake}") or hasattr(api, f"create_namespaced_{snake}")):
        return None
    return f"{version.capitalize()}{kind}"


def _problems(value: Any, kind: str, path: str, is_patch: bool) -> Iterator[str]:
    within = _CONTAINER_OF.fullmatch(kind)
    if within:
        yield from _collection_problems(value, within, path, is_patch)
    elif kind in _SIMPLE:
        is_stray_bool = isinstance(value, bool) and kind not in ("bool", "object")  # in Python, a bool is an int
        if not isinstance(value, _SIMPLE[kind]) or is_stray_bool:
            yield f"{path}: expected {kind}, found {value!r}"
    elif not isinstance(value, dict):
        yield f"{path}: expected a mapping ({kind}), found {value!r}"
    else:
        yield from _model_problems(value, getattr(client, kind), path, is_patch)


def _collection_problems(value: Any, within: re.Match, path: str, is_patch: bool) -> Iterator[str]:
    is_list = within[1] == "list["
    if not isinstance(value, list if is_list else dict):
        yield f"{path}: expected a {'list' if is_list else 'mapping'}, found {value!r}"
        return
    for key, item in enumerate(value) if is_list else value.items():
        yield from _problems(item, within[2], f"{path}[{key}]", is_patch)
        if path.rpartition(".")[2] in _QUANTITIES and isinstance(item, str):
            try:
                quantity.parse_quantity(item)
            except ValueError:
                yield f"{path}[{key}]: no quantity: {item!r}"


def _model_problems(value: dict[str, Any], model: type, path: str, is_patch: bool) -> Iterator[str]:
    attributes = {key: attribute for attribute, key in model.attribute_map.items()}
    known = {key: item for key, item in value.items() if key in attributes}
    yield from (f"{path}: unknown field {key}" for key in value.keys() - known.keys())
    for key, item in known.items():
        yield from _problems(item, model.openapi_types[attributes[key]], f"{path}.{key}", is_patch)
    if not is_patch:
        try:
            model(**{attributes[key]: item for key, item in known.items()})
        except ValueError as error:  # a required field is missing
            yield f"{path}: {error}"


def pods(compiled: str) -> dict[str, dict[str, Any]]:
    """Every task of a compiled pipeline as a pod.

    Raises:
        json_format.ParseError: a field of the platform document is unknown.
    """
    pipeline, platform = yaml.safe_load_all(compiled)
    executors = pipeline["deploymentSpec"]["executors"]
    configs = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return {
        label.removeprefix("exec-"): _pod(executors[label]["container"], config) for label, config in configs.items()
    }


def _pod(container: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The pod, with what the backend's driver adds from the platform document."""
    json_format.ParseDict(config, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    claims, memory = config.get("pvcMount", []), config.get("emptyDirMounts", [])
    secrets = [
        {"name": key["envVar"], "valueFrom": {"secretKeyRef": {"name": secret["secretName"], "key": key["secretKey"]}}}
        for secret in config.get("secretAsEnv", [])
        for key in secret["keyToEnv"]
    ]
    context = {
        name: int(value) if name != "runAsNonRoot" else value for name, value in config["securityContext"].items()
    }
    spec = {
        "activeDeadlineSeconds": int(config["activeDeadlineSeconds"]),
        "imagePullSecrets": [{"name": secret["secretName"]} for secret in config.get("imagePullSecret", [])],
        "nodeSelector": config.get("nodeSelector", {}).get("labels", {}),
        "tolerations": config.get("tolerations", []),
        "volumes": [{"name": v["constant"], "persistentVolumeClaim": {"claimName": v["constant"]}} for v in claims]
        + [{"name": v["volumeName"], "emptyDir": {"medium": v["medium"], "sizeLimit": v["sizeLimit"]}} for v in memory],
        "containers": [
            {
                "name": "main",
                "image": container["image"],
                "command": container["command"],
                "args": container["args"],
                "env": container["env"] + secrets,
                "resources": _resources(container["resources"]),
                "securityContext": context,
                "volumeMounts": [{"name": v["constant"], "mountPath": v["mountPath"]} for v in claims]
                + [{"name": v["volumeName"], "mountPath": v["mountPath"]} for v in memory],
            }
        ],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "task"}, "spec": spec}


def _resources(resources: dict[str, Any]) -> dict[str, Any]:
    requests = {"cpu": resources["resourceCpuRequest"], "memory": resources["resourceMemoryRequest"]}
    limits = {"cpu": resources["resourceCpuLimit"], "memory": resources["resourceMemoryLimit"]}
    accelerator = resources.get("accelerator")
    if accelerator:
        limits[accelerator["resourceType"]] = accelerator["resourceCount"]
    return {"requests": requests, "limits": limits}


if __name__ == "__main__":
    given = json.load(sys.stdin)
    made = pods(given["compiled"]) if "compiled" in given else {}
    found = [
        problem
        for name, described in {**given.get("objects", {}), **made}.items()
        for problem in object_problems(name, described, is_patch=name in given.get("patches", ()))
    ]
    json.dump({"problems": found, "pods": made}, sys.stdout)
