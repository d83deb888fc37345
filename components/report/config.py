"""Settings of the report; standard library and pydantic only."""

from pydantic import Field

from components.contracts.configuration import configuration


@configuration
class ReportConfig:
    """What the page shows, and how much of it."""

    title: str = Field(default="SimCLR encoder", min_length=1, max_length=120, description="heading of the page")
    embedding_map_images: int = Field(
        default=1000, ge=0, le=5000, description="test images on the embedding map at most; 0 leaves it out"
    )
    perplexity: float = Field(
        default=30.0, ge=2, le=100, description="neighbours t-SNE balances; lowered for few images"
    )
    wrong_examples: int = Field(
        default=24, ge=0, le=200, description="misclassified test images shown, most confident first"
    )
    flipped_examples: int = Field(
        default=24,
        ge=0,
        le=200,
        description="test images shown that only one of two compared models has right, per direction",
    )
    quarantine_files: int = Field(default=20, ge=0, le=1000, description="refused files listed per reason")
    seed: int = Field(default=0, ge=0, lt=2**32, description="of the embedding map")
