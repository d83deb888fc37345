"""A target file: YAML that describes a cluster, with its image, folders, resources, GPU pool, retries and secrets.

The target never decides what a run computes; the config does. It holds the names of secrets, never their values.
"""

import pathlib
import re
from typing import Annotated

import pydantic
from pydantic import Field
from typing_extensions import Self

from components.contracts import configuration
from components.contracts.paths import is_uri
from pipeline import yaml_files
from pipeline.node.settings import PRETRAINING_NODES
from pipeline.node.training_lease import TrainingLease
from pipeline.workdir import check_place

_NAME = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"  # of a Kubernetes object
_LABEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"  # of a volume in a pod, which gets the name of its claim
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_MEMORY = r"^[1-9][0-9]*(Ki|Mi|Gi|Ti)$"
_CPU = r"^([1-9][0-9]*m|[0-9]*[1-9][0-9]*)$"

_LONGEST_WAIT_SECONDS = 86_400

Name = Annotated[str, Field(pattern=_NAME)]
Folder = Annotated[str, Field(pattern=r"^/.*[^/]$")]


@configuration.configuration
class Resources:
    """CPU and memory of a container, used both as requests and as limits."""

    cpu: str = Field(default="2", pattern=_CPU, description="cores, such as 2 or 500m")
    memory: str = Field(default="8Gi", pattern=_MEMORY, description="memory with its unit, such as 8Gi")


@configuration.configuration
class Toleration:
    """A taint of the GPU nodes that their pods tolerate."""

    key: str = Field(min_length=1, description="key of the taint")
    operator: str = Field(default="Exists", pattern="^(Exists|Equal)$", description="Exists or Equal")
    value: str | None = Field(default=None, description="value of the taint, for Equal")
    effect: str = Field(
        default="NoSchedule", pattern="^(NoSchedule|PreferNoSchedule|NoExecute)$", description="effect of the taint"
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if (self.operator == "Equal") != (self.value is not None):
            raise ValueError(f"operator Equal needs a value and Exists has none, found {self.operator}, {self.value}")
        return self


@configuration.configuration
class GpuPool:
    """The cluster's nodes with GPUs, and the nodes of the graph that run there."""

    nodes: tuple[str, ...] = Field(
        default=PRETRAINING_NODES,
        min_length=1,
        description="nodes of the graph that run on GPUs; the Tuner may be missing",
    )
    count: int = Field(default=1, ge=0, le=16, description="GPUs per node; 0 to try out a pipeline of the same shape")
    resource: str = Field(
        default="nvidia.com/gpu",
        pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$",
        description="the cluster's resource name for a GPU",
    )
    node_selector: dict[str, str] = Field(default={}, description="labels of the GPU nodes")
    tolerations: tuple[Toleration, ...] = Field(
        default=(), description="tolerations of the taints that keep others off"
    )
    shared_memory: str = Field(
        default="8Gi", pattern=_MEMORY, description="size of /dev/shm, which counts as pod memory"
    )
    resources: Resources = Field(
        default=Resources(cpu="4", memory="32Gi"), description="CPU and memory beside the GPUs"
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.count and not (self.node_selector and self.tolerations):
            raise ValueError("node_selector and tolerations: both needed, so that pods land on nodes with GPUs")
        return self


@configuration.configuration
class Volume:
    """A persistent volume claim, mounted in every container."""

    claim: Annotated[str, Field(pattern=_LABEL)] = Field(description="name of the PersistentVolumeClaim")
    mount_path: Folder = Field(description="folder of the container")


@configuration.configuration
class SecretKey:
    """One value in a Kubernetes Secret."""

    secret: Name = Field(description="name of the Secret")
    key: str = Field(pattern=r"^[A-Za-z0-9._-]+$", description="key in the Secret")


@configuration.configuration
class Retries:
    """How often and when a failed or preempted pod is replaced."""

    count: int = Field(default=3, ge=0, le=20, description="retries after the first attempt")
    wait_seconds: int = Field(default=60, ge=1, le=3600, description="wait before the first retry")
    wait_factor: int = Field(default=2, ge=1, le=10, description="each further wait is this many times as long")

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        longest = self.wait_seconds * self.wait_factor ** max(self.count - 1, 0)
        if longest > _LONGEST_WAIT_SECONDS:
            raise ValueError(
                f"the last of {self.count} waits would be {longest} seconds, more than {_LONGEST_WAIT_SECONDS}: "
                "use fewer retries or a smaller wait_factor"
            )
        return self


@configuration.configuration
class Target:
    """A cluster, and the folders and secrets that runs use there."""

    image: str = Field(pattern=r"^[^\s@]+(@sha256:[0-9a-f]{64})?$", description="the project's image, with its digest")
    image_pull_secrets: tuple[Name, ...] = Field(default=(), description="Secrets of a private image registry")
    run_as_user: int = Field(default=1000, ge=1, description="user and group of the containers; never root")
    graph_folder: Folder = Field(
        default="/opt/simclr/graphs", description="folder of <pipeline name>.json in the image"
    )
    pipeline_root: str = Field(pattern=r"^(/|gs://).*[^/]$", description="artifacts: a folder on a volume, or gs://")
    registry: Folder = Field(description="the model registry: a folder on a volume")
    data_root: str = Field(pattern=r"^(/|[a-z0-9]+://).+$", description="images; a run may name another folder")
    volumes: tuple[Volume, ...] = Field(default=(), description="mounted in every container")
    metadata: SecretKey = Field(description="ML Metadata's ConnectionConfig as JSON, in a Secret")
    environment_from_secrets: dict[str, SecretKey] = Field(
        default={}, description="more environment variables, by name"
    )
    service_account: Name = Field(description="the pods' account, set when a run is started")
    resources: Resources = Field(default=Resources(), description="of nodes that node_resources does not name")
    node_resources: dict[str, Resources] = Field(default={}, description="by node of the graph")
    gpu_pool: GpuPool | None = Field(default=None, description="null if everything runs on CPUs")
    retries: Retries = Field(default=Retries(), description="of every node")
    training_lease: TrainingLease = Field(
        default=TrainingLease(), description="lets one run of a pipeline train at a time"
    )
    time_limit_minutes: int = Field(default=240, ge=1, description="of one attempt, for nodes not named below")
    node_time_limits_minutes: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default={}, description="by node of the graph"
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        check_place(self.pipeline_root, "pipeline_root")
        for key in ("pipeline_root", "registry"):
            folder = getattr(self, key)
            if not is_uri(folder) and not self._is_on_a_volume(folder):
                mounted = ", ".join(volume.mount_path for volume in self.volumes) or "none"
                raise ValueError(
                    f"{key}: {folder} would not outlive the pod; expected a folder below a volume (found: {mounted})"
                )
        twice = sorted(set(self.gpu_nodes) & set(self.node_resources))
        if twice:
            raise ValueError(f"node_resources: {', '.join(twice)}: nodes of gpu_pool have gpu_pool.resources instead")
        wrong = [name for name in self.environment_from_secrets if not re.match(_VARIABLE, name)]
        if wrong:
            raise ValueError(f"environment_from_secrets: expected names of variables, found {', '.join(wrong)}")
        return self

    def _is_on_a_volume(self, folder: str) -> bool:
        return any(folder.startswith(f"{volume.mount_path}/") for volume in self.volumes)

    @property
    def gpu_nodes(self) -> tuple[str, ...]:
        """The nodes of the graph that run on the GPU pool."""
        return self.gpu_pool.nodes if self.gpu_pool else ()

    @property
    def has_moving_image(self) -> bool:
        """Whether the image is named by a tag, which may mean another image tomorrow."""
        return not _DIGEST.search(self.image)

    def named_nodes(self) -> dict[str, str]:
        """The nodes of the graph that the file names, each with the dotted key."""
        named = {node: f"node_resources.{node}" for node in self.node_resources}
        named |= {node: f"node_time_limits_minutes.{node}" for node in self.node_time_limits_minutes}
        return named | {node: "gpu_pool.nodes" for node in self.gpu_nodes}


def load(path: pathlib.Path) -> Target:
    """Read a target file.

    Raises:
        ConfigError: the file is missing or not YAML, a key is unknown or missing, a value is wrong, or a folder would
            not outlive the pod. The message names file and dotted key.
    """
    return configuration.from_mapping(Target, yaml_files.read(path), str(path))
