"""The manifests for a cluster: Kubernetes knows every object, and the manifests fit together.

Without a cluster, the objects and the pods of the compiled pipeline are checked against the models of the
``kubernetes`` client, in kfp's environment. It has no model of a kustomization, so tests check what those refer to.
"""

import copy
import json
import pathlib
import re
import subprocess

import pytest
import yaml

from pipeline import config as pipeline_config
from pipeline.kfp import compilation, environment
from pipeline.kfp import target as targets
from pipeline.metadata import connection as metadata_connection

_ROOT = pathlib.Path(__file__).parents[2]
_KUBEFLOW = _ROOT / "kubeflow"
_CHECKER = pathlib.Path(__file__).with_name("kubernetes_models.py")
_GOLDEN_GRAPH = _ROOT / "tests" / "pipeline" / "golden" / "graph.json"
_TARGETS = sorted((_KUBEFLOW / "targets").glob("*.yaml"))
_KUSTOMIZATIONS = sorted(_KUBEFLOW.rglob("kustomization.yaml"))
_KEYS = {"apiVersion", "kind", "namespace", "resources", "components", "patches", "images", "labels"}

try:
    environment.python()
    _NO_KFP = ""
except environment.KfpMissingError as error:
    _NO_KFP = str(error)
needs_kfp = pytest.mark.skipif(bool(_NO_KFP), reason=_NO_KFP)


def _documents(path: pathlib.Path) -> list[dict]:
    return list(yaml.safe_load_all(path.read_text()))


def _objects() -> dict[str, dict]:
    """Every Kubernetes object under ``kubeflow``, by file and index in the file."""
    files = sorted(set(_KUBEFLOW.rglob("*.yaml")) - set(_TARGETS) - set(_KUSTOMIZATIONS))
    return {
        f"{path.relative_to(_KUBEFLOW)}#{index}": described
        for path in files
        for index, described in enumerate(_documents(path))
    }


def _kustomization(path: pathlib.Path) -> dict:
    [described] = _documents(path)
    return described


def _patches() -> set[str]:
    named = {
        (path.parent / patch["path"]).relative_to(_KUBEFLOW)
        for path in _KUSTOMIZATIONS
        for patch in _kustomization(path).get("patches", ())
    }
    return {f"{path}#{index}" for path in named for index in range(len(_documents(_KUBEFLOW / path)))}


def _check(**given) -> dict:
    command = [str(environment.python()), "-I", str(_CHECKER)]
    finished = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def _only(kind: str, name: str | None = None) -> dict:
    found = [
        described
        for where, described in _objects().items()
        if where not in _patches() and described["kind"] == kind and name in (None, described["metadata"]["name"])
    ]
    [described] = found
    return described


def _pods_made() -> dict[str, dict]:
    """Specs of the pods that the manifests create."""
    kinds = ("StatefulSet", "Deployment", "Job", "Pod")
    specs = {name: described["spec"] for name, described in _objects().items() if described["kind"] in kinds}
    return {name: spec["template"]["spec"] if "template" in spec else spec for name, spec in specs.items()}


def _pod_labels() -> dict[str, dict]:
    """Labels of the pods that the manifests create."""
    kinds = ("StatefulSet", "Deployment", "Job", "Pod")
    made = {name: described for name, described in _objects().items() if described["kind"] in kinds}
    return {name: made[name]["spec"].get("template", made[name])["metadata"]["labels"] for name in made}


def _containers(pod: dict) -> list[dict]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


@needs_kfp
def test_every_manifest_is_one_that_kubernetes_knows():
    objects = _objects()
    assert len(objects) >= 12
    assert _check(objects=objects, patches=sorted(_patches()))["problems"] == []


@needs_kfp
def test_a_mistake_in_a_manifest_is_found():
    mistakes = {
        "spec: unknown field backoffLimits": lambda job: job["spec"].update(backoffLimits=3),
        "spec.backoffLimit: expected int, found '3'": lambda job: job["spec"].update(backoffLimit="3"),
        "spec.backoffLimit: expected int, found True": lambda job: job["spec"].update(backoffLimit=True),
        "spec: Invalid value for `template`, must not be `None`": lambda job: job["spec"].pop("template"),
        "spec.template: expected a mapping (V1PodTemplateSpec), found 1": lambda job: job["spec"].update(template=1),
        "spec.template.spec.containers[0].env: expected a list, found {}": lambda job: _main(job).update(env={}),
        "spec.template.spec.containers[0].resources.limits[memory]: no quantity: '1 GB'": (
            lambda job: _main(job)["resources"]["limits"].update(memory="1 GB")
        ),
    }
    wrong = {f"{number}": copy.deepcopy(_only("Job")) for number in range(len(mistakes))}
    for job, change in zip(wrong.values(), mistakes.values(), strict=True):
        change(job)
    patch = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "a"}}
    further = {
        "group": {**_only("Job"), "apiVersion": "apps/v1"},
        "whole": patch,
        "patch": patch,
        "wrong patch": {**patch, "roles": []},
    }
    found = _check(objects={**wrong, **further}, patches=["patch", "wrong patch"])["problems"]
    assert found == [
        *(f"{number}.{sentence}" for number, sentence in enumerate(mistakes)),
        "group: no Job in apps/v1",
        "whole: Invalid value for `role_ref`, must not be `None`",
        "wrong patch: unknown field roles",
    ]


def _main(job: dict) -> dict:
    return job["spec"]["template"]["spec"]["containers"][0]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The compiled pipeline of every target file, by the file's name."""
    config = pipeline_config.load("digits", ("pretraining.num_gpus=1",))
    texts = {}
    for path in _TARGETS:
        output = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
        compilation.emit(compilation.job(config, targets.load(path), _GOLDEN_GRAPH.read_text()), output)
        texts[path.stem] = output.read_text()
    return texts


@pytest.fixture(scope="module")
def pods(compiled):
    """The checked pods of the compiled pipelines, by names of target file and task."""
    answers = {name: _check(compiled=text) for name, text in compiled.items()}
    assert {name: answer["problems"] for name, answer in answers.items()} == {name: [] for name in compiled}
    return {name: answer["pods"] for name, answer in answers.items()}


@needs_kfp
def test_every_task_of_every_target_is_a_pod_that_kubernetes_knows(pods):
    assert set(pods) == {"example", "plain", "eks"}
    for of_target in pods.values():
        assert {"image-example-gen", "trainer-check", "trainer-work", "summary"} <= set(of_target)
        work = of_target["trainer-work"]["spec"]
        assert work["nodeSelector"] and work["tolerations"]
        assert work["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
        assert {"medium": "Memory", "sizeLimit": "8Gi"} in [volume.get("emptyDir") for volume in work["volumes"]]


@needs_kfp
def test_an_unknown_field_of_the_platform_document_is_refused(compiled):
    wrong = compiled["plain"].replace("activeDeadlineSeconds:", "activeDeadline:")
    with pytest.raises(AssertionError, match='no field named "activeDeadline"'):
        _check(compiled=wrong)


@needs_kfp
def test_pods_use_what_the_manifests_create(pods):
    job = _only("Job")["spec"]["template"]["spec"]
    [schema] = job["containers"]
    [connection] = schema["env"]
    for of_target in pods.values():
        for name, pod in of_target.items():
            [main] = pod["spec"]["containers"]
            claims = {v["persistentVolumeClaim"]["claimName"] for v in pod["spec"]["volumes"] if "emptyDir" not in v}
            assert claims == {_only("PersistentVolumeClaim")["metadata"]["name"]}, name
            assert connection in main["env"], name
            context = main["securityContext"]
            assert context == {name: job["securityContext"][name] for name in context}, name
            assert set(context) == {"runAsUser", "runAsGroup", "runAsNonRoot"}


def test_targets_name_what_the_manifests_create():
    [folders] = _only("Job")["spec"]["template"]["spec"]["initContainers"]
    for path in _TARGETS:
        target = targets.load(path)
        assert target.service_account == _only("ServiceAccount", "simclr-pipeline")["metadata"]["name"], path
        assert {target.pipeline_root, target.registry, target.data_root} == set(folders["command"][3:]), path
        [mount], [volume] = folders["volumeMounts"], target.volumes
        assert mount["mountPath"] == volume.mount_path


def test_the_volume_is_writable_for_the_images_user_and_its_group():
    pod = _only("Job")["spec"]["template"]["spec"]
    user = targets.load(_TARGETS[0]).run_as_user
    context = pod["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (user, user, user)
    assert "--mode=2775" in pod["initContainers"][0]["command"]
    assert _only("PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteMany"]
    efs = _only("StorageClass")["parameters"]
    assert (efs["uid"], efs["gid"], efs["directoryPerms"]) == (str(user), str(user), "2775")


def test_pods_of_the_manifests_are_confined():
    templates = _pods_made()
    assert len(templates) == 4
    for name, pod in templates.items():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True and context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in _containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["resources"]["limits"]["memory"], name


def test_no_pod_gets_an_istio_proxy_because_the_pods_of_runs_have_none():
    labels = _pod_labels()
    assert len(labels) == 4
    assert all(found["sidecar.istio.io/inject"] == "false" for found in labels.values())


def test_the_database_runs_under_an_account_without_rights():
    account = _only("StatefulSet")["spec"]["template"]["spec"]["serviceAccountName"]
    assert _only("ServiceAccount", account)["metadata"]["name"] == account
    bound = [subject["name"] for subject in _only("RoleBinding")["subjects"]]
    assert account not in bound


def test_passwords_come_by_reference():
    variables = {
        variable["name"]: variable
        for pod in _pods_made().values()
        for container in _containers(pod)
        for variable in container.get("env", ())
    }
    for name in ("MARIADB_PASSWORD", "MARIADB_ROOT_PASSWORD", metadata_connection.VARIABLE):
        assert set(variables[name]) == {"name", "valueFrom"}
        assert variables[name]["valueFrom"]["secretKeyRef"]["name"] == targets.load(_TARGETS[0]).metadata.secret
    assert not [name for name, described in _objects().items() if described["kind"] == "Secret"]


def test_the_account_may_start_nothing():
    role = _only("Role")
    verbs = {verb for rule in role["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch", "create", "patch"}
    for name in ("configmaps", "pods", "workflows"):  # driver and launcher read single ones by name
        assert [rule["verbs"] for rule in role["rules"] if name in rule["resources"]] == [["get"]], name
    created = [rule["resources"] for rule in role["rules"] if "create" in rule["verbs"]]
    assert created == [["workflowtaskresults"]]
    [secrets] = [rule for rule in role["rules"] if "secrets" in rule["resources"]]
    assert secrets["resourceNames"]
    binding = _only("RoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == [
        _only("ServiceAccount", "simclr-pipeline")["metadata"]["name"]
    ]


def test_the_database_is_reached_by_name_and_by_runs_alone():
    service, database = _only("Service"), _only("StatefulSet")
    labels = database["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"] == labels
    assert labels.items() <= database["spec"]["template"]["metadata"]["labels"].items()
    assert database["spec"]["serviceName"] == service["metadata"]["name"]
    policy = _only("NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == labels
    [ingress] = policy["ingress"]
    of_runs, of_others = (source["podSelector"] for source in ingress["from"])
    assert of_runs == {"matchExpressions": [{"key": "workflows.argoproj.io/workflow", "operator": "Exists"}]}
    [expression] = of_others["matchExpressions"]
    labels = [_only(kind)["spec"]["template"]["metadata"]["labels"] for kind in ("Job", "Deployment")]
    assert expression["values"] == [found[expression["key"]] for found in labels]
    [port] = database["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert port["name"] == ingress["ports"][0]["port"] == service["spec"]["ports"][0]["targetPort"]
    assert policy["egress"] == [] and set(policy["policyTypes"]) == {"Ingress", "Egress"}


def test_the_secret_of_the_guide_leads_to_the_database_of_the_manifests(monkeypatch):
    [template] = re.findall(r"printf '(\{.*\})' \"\$PASSWORD\"", (_KUBEFLOW / "README.md").read_text())
    monkeypatch.setenv(metadata_connection.VARIABLE, template % "planted")
    connection = metadata_connection.from_environment().mysql
    [container] = _only("StatefulSet")["spec"]["template"]["spec"]["containers"]
    created = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert (connection.user, connection.database) == (created["MARIADB_USER"], created["MARIADB_DATABASE"])
    assert connection.password == "planted"
    [port] = _only("Service")["spec"]["ports"]
    assert (connection.host, connection.port) == (_only("Service")["metadata"]["name"], port["port"])
    assert [port["containerPort"] for port in container["ports"]] == [connection.port]


@pytest.mark.parametrize("path", _KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_a_kustomization_refers_to_existing_files(path):
    described = _kustomization(path)
    assert set(described) <= _KEYS
    assert described["apiVersion"].startswith("kustomize.config.k8s.io/v1")
    resources = [path.parent / name for name in described.get("resources", ())]
    assert resources and all(resource.exists() for resource in resources)
    for resource in [*resources, *(path.parent / name for name in described.get("components", ()))]:
        assert resource.is_file() or (resource / "kustomization.yaml").is_file(), resource
    known = {(d["kind"], d["metadata"]["name"]) for name, d in _objects().items() if name.startswith("base/")}
    for patch in described.get("patches", ()):
        for patched in _documents(path.parent / patch["path"]):
            assert (patched["kind"], patched["metadata"]["name"]) in known, patch
    images = {container["image"] for pod in _pods_made().values() for container in _containers(pod)}
    assert {image["name"] for image in described.get("images", ())} <= images


def test_overlays_are_complete_and_no_file_is_left_out():
    overlays = [path for path in _KUSTOMIZATIONS if path.parent.parent.name == "overlays"]
    assert [path.parent.name for path in overlays] == ["eks", "gke", "plain"]
    used = set()
    for path in _KUSTOMIZATIONS:
        described = _kustomization(path)
        names = [*described.get("resources", ()), *(patch["path"] for patch in described.get("patches", ()))]
        used |= {(path.parent / name).resolve() for name in [*names, *described.get("components", ())]}
    for path in overlays:
        described = _kustomization(path)
        assert described["namespace"] == _only("Namespace")["metadata"]["name"]
        assert "../../base" in described["resources"]
        assert [image["name"] for image in described["images"]] == ["simclr-pipeline"]
    manifests = {(_KUBEFLOW / name.partition("#")[0]).resolve() for name in _objects()}
    assert manifests - used == {_KUBEFLOW / "namespace.yaml", _KUBEFLOW / "loader.yaml"}  # applied alone
