"""What can be set about the registry. Where the registry is, is a place and therefore an argument of the step."""

from pydantic import Field

from components.contracts.configuration import configuration


@configuration
class ExportConfig:
    """How a blessed model enters the registry."""

    model_name: str = Field(
        "image-encoder",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        description="folder of the model in the registry, and its name for TensorFlow Serving",
    )
    lock_timeout_seconds: int = Field(
        600, ge=1, le=86_400, description="how long a push waits for another push to the same model"
    )
