"""A push of a folder that looks like a SavedModel."""

from components.contracts import signatures
from components.contracts.images import ImageConfig
from components.export import publishing, registry
from components.export.image_files import Decoding

DECODING = Decoding(image=ImageConfig(size_px=24), ingestion={})


def push(root, model, digest=None, lock_timeout_seconds=30, span=None, blessing=None):
    return publishing.push(
        root,
        "encoder",
        model,
        content_digest=digest or f"digest of {model.name}",
        source=f"/runs/{model.name}",
        decoding=DECODING,
        span=span,
        blessing=blessing,
        describe=lambda number: {
            registry.MODEL_CARD_FILE: f"# encoder, version {number}\n",
            signatures.RECORD_FILE: '{"first": true}',
        },
        lock_timeout_seconds=lock_timeout_seconds,
    )
