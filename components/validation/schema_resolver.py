"""Which schema is in use: the one accepted last, or else the first that was ever inferred.

Every run infers a schema of its own data. Only the first is used without review; a later one waits until a person
accepts it. Until then the data is validated against the schema in use.
"""

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver

from components.contracts import artifact_files

INFERRED = "inferred"
SCHEMA = "schema"


class SchemaInUse(resolver.ResolverStrategy):
    """Resolves ``SCHEMA`` among all schemas of the pipeline; ``INFERRED`` only makes it wait for SchemaGen."""

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Return both keys with one schema each, or None if there is no schema yet."""
        del store
        candidates = input_dict.get(SCHEMA) or input_dict.get(INFERRED)
        if not candidates:
            return None
        return {INFERRED: input_dict[INFERRED], SCHEMA: [choose(candidates)]}


def choose(schemas: list[types.Artifact]) -> types.Artifact:
    """The schema accepted last, or else the oldest."""
    accepted = [schema for schema in schemas if schema.has_custom_property(artifact_files.ACCEPTED_AT)]
    if accepted:
        return max(accepted, key=lambda schema: (schema.get_int_custom_property(artifact_files.ACCEPTED_AT), schema.id))
    return min(schemas, key=lambda schema: schema.id)
