"""Settings of the Pusher. The folder of the registry is an argument of the step, because it depends on the machine."""

import pydantic
from pydantic import Field
from typing_extensions import Self

from components.contracts.configuration import configuration


@configuration
class KubeflowRegistryConfig:
    """A server of Kubeflow Model Registry. Its token comes from the environment or the pod's service account."""

    address: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]+$",
        description="such as http://model-registry-service.kubeflow:8080; null: no server is told of a version",
    )
    ca_file: str | None = Field(
        default=None, description="PEM file with the authority that signed the server's certificate"
    )
    attempts: int = Field(default=5, ge=1, le=20, description="before the push fails")
    first_wait_seconds: float = Field(
        default=2.0, ge=0, le=600, description="after a failed attempt; doubles each time"
    )
    timeout_seconds: float = Field(default=60.0, gt=0, description="of one attempt")


@configuration
class ExportConfig:
    """How a blessed model enters the registry."""

    model_name: str = Field(
        default="image-encoder",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        description="folder of the model in the registry, and its name for TensorFlow Serving",
    )
    lock_timeout_seconds: int = Field(
        default=600, ge=1, le=86_400, description="how long a push waits for another push to the same model"
    )
    folder: bool = Field(
        default=True,
        description="publish versions in the registry folder; false: only the server learns of them, and where the "
        "evaluated model lies",
    )
    tflite: bool = Field(
        default=False,
        description="put the encoder into each version as a TFLite file too, checked against the golden vectors",
    )
    kubeflow_registry: KubeflowRegistryConfig = KubeflowRegistryConfig()

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if not self.folder and self.kubeflow_registry.address is None:
            raise ValueError("folder: false needs kubeflow_registry.address, or nobody would learn of a version")
        if self.tflite and not self.folder:
            raise ValueError("tflite needs folder: true: the file is written into the registry's version")
        return self
