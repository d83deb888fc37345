"""``model_facts.json`` (signatures.MODEL_FACTS_FILE): what a SavedModel says about itself."""

from components.contracts.images import ImageConfig
from components.contracts.record_files import record


@record(version=1, is_published=True)
class ModelFacts:
    """The facts a consumer needs before it loads the model."""

    content_digest: str  # of all that decides what the model answers
    encoder_digest: str  # of the encoder's weights and BatchNorm statistics
    class_names: tuple[str, ...]  # in the order of the scores
    dimensions: int  # of the representation
    projection_dimensions: int
    architecture: str
    parameters: int  # of the encoder
    image: ImageConfig  # what the encoder sees
    channel_mean: tuple[float, ...]  # 0 to 255
    channel_std: tuple[float, ...]  # same unit
    signatures: tuple[str, ...]
