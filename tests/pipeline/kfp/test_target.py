"""Target files: the example loads, and for every rule a file that breaks it is refused."""

import pathlib

import pytest
import yaml

from components.contracts.configuration import ConfigError
from pipeline.kfp import target

_EXAMPLE = pathlib.Path(__file__).parents[3] / "kubeflow" / "targets" / "example.yaml"


def _load(tmp_path, **changes):
    mapping = yaml.safe_load(_EXAMPLE.read_text())
    for dotted, value in changes.items():
        *parents, last = dotted.split("__")
        inner = mapping
        for parent in parents:
            inner = inner[parent]
        if value is None:
            del inner[last]
        else:
            inner[last] = value
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(mapping))
    return target.load(path)


def test_the_example_loads():
    example = target.load(_EXAMPLE)
    assert example.gpu_nodes == ("Tuner", "Trainer")
    assert example.gpu_pool.node_selector and example.gpu_pool.tolerations
    assert not example.has_moving_image


@pytest.mark.parametrize(
    ("image", "moves"),
    [
        ("registry/simclr:latest", True),
        ("registry/simclr", True),
        (f"registry/simclr@sha256:{'a' * 64}", False),
        (f"registry:5000/simclr:1.2@sha256:{'a' * 64}", False),
    ],
)
def test_an_image_without_digest_may_move(tmp_path, image, moves):
    assert _load(tmp_path, image=image).has_moving_image is moves


def test_everything_on_cpus(tmp_path):
    assert _load(tmp_path, gpu_pool=None).gpu_nodes == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": None}, "image: required, but missing"),
        ({"volumes": [{"claim": "runs.old", "mount_path": "/runs"}]}, r"claim: .*found .runs\.old"),
        ({"metadata": None}, "metadata: required, but missing"),
        ({"service_account": None}, "service_account: required, but missing"),
        ({"imgae": "x"}, r"imgae: unknown key.*; did you mean image\?"),
        (
            {"pipeline_root": "/runs/root [2]"},
            r"pipeline_root: /runs/root \[2\]: expected a path without the characters",
        ),
        ({"gpu_pool__cuont": 2}, r"gpu_pool\.cuont: unknown key"),
        ({"gpu_pool__count": "two"}, r"gpu_pool\.count: .*found 'two'"),
        ({"image": "registry/simclr@sha256:abc"}, "image: .*found 'registry/simclr@sha256:abc'"),
        ({"pipeline_root": "/elsewhere/root"}, "pipeline_root: /elsewhere/root would not outlive the pod; .*/runs"),
        ({"registry": "/elsewhere/models"}, "registry: /elsewhere/models would not outlive the pod"),
        ({"registry": "gs://bucket/models"}, "registry: .*found 'gs://bucket/models'"),
        ({"pipeline_root": "s3://bucket/root"}, "pipeline_root: .*found 's3://bucket/root'"),
        ({"gpu_pool__node_selector": {}}, "gpu_pool: node_selector and tolerations: both needed"),
        ({"gpu_pool__tolerations": []}, "gpu_pool: node_selector and tolerations: both needed"),
        ({"gpu_pool__tolerations": [{"key": "gpu", "operator": "Equal"}]}, "operator Equal needs a value"),
        ({"gpu_pool__shared_memory": "8GB"}, r"gpu_pool\.shared_memory: .*found '8GB'"),
        ({"resources__memory": "lots"}, r"resources\.memory: .*found 'lots'"),
        ({"node_resources": {"Trainer": {"cpu": "2"}}}, "node_resources: Trainer: nodes of gpu_pool have gpu_pool"),
        ({"run_as_user": 0}, "run_as_user: .*found 0"),
        ({"retries__wait_seconds": 0}, r"retries\.wait_seconds: .*found 0"),
        ({"retries__count": 20}, "retries: the last of 20 waits would be 31457280 seconds, more than 86400: use few"),
        ({"training_lease__if_taken": "queue"}, r"training_lease\.if_taken: .*found 'queue'"),
        ({"environment_from_secrets": {"A B": {"secret": "s", "key": "k"}}}, "environment_from_secrets: expected nam"),
    ],
)
def test_a_target_that_cannot_be_used_is_named_with_file_and_key(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        _load(tmp_path, **changes)
    assert str(tmp_path / "cluster.yaml") in str(error.value)


def test_a_file_that_is_no_target_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file or directory"):
        target.load(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    with pytest.raises(ConfigError, match=r"broken\.yaml: not YAML"):
        target.load(broken)
    broken.write_text("image: a\nregistry: /runs/registry\nimage: b\n")
    with pytest.raises(ConfigError, match=r"broken\.yaml: .*key image stands twice: in line 1 and in line 3"):
        target.load(broken)
    broken.write_text("- a list")
    with pytest.raises(ConfigError, match=r"broken\.yaml: expected a mapping of settings, found list"):
        target.load(broken)


def test_a_bucket_needs_no_volume(tmp_path):
    assert _load(tmp_path, pipeline_root="gs://bucket/root").pipeline_root == "gs://bucket/root"
