"""Finds the blessed model that a candidate is compared with, which is the one in use, and the blessings before it.

Every verdict of the Gate is a ``ModelBlessing`` that names the model it judged and the blessing that was in force then.
The model in use is that of the latest blessing; the rest follows from this chain. No candidate is its own baseline.
"""

import logging

import ml_metadata as mlmd
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver

from components.contracts import artifact_files, artifacts
from components.contracts.evidence import Verdict

_logger = logging.getLogger(__name__)

CANDIDATE = "candidate"
MODEL = "model"
MODEL_BLESSING = "model_blessing"
EARLIER_BLESSINGS = "earlier_blessings"
BASELINE_REPORT = "baseline_report"

# Custom property of the Gate's ModelBlessing: id of the blessing that was in force when it judged.
IN_FORCE_ID = "blessing_in_force_id"


class BlessedBaseline(resolver.ResolverStrategy):
    """Resolves the baseline of a candidate among all models and blessings of the pipeline.

    Inputs: ``CANDIDATE``, the model of this run; ``MODEL``, ``MODEL_BLESSING`` and ``BASELINE_REPORT``, all models,
    blessings and reports there are, and the blessings once more under ``EARLIER_BLESSINGS``, which declares the output.
    Outputs: the candidate, the baseline model under ``MODEL`` (or nothing), the blessing in force under
    ``MODEL_BLESSING`` (or nothing), which tells the Gate what is in use, the result of ``earlier_blessings``, and the
    result of ``report_of`` under ``BASELINE_REPORT``.

    The rule. Blessings count if the Gate wrote them (they have a verdict; the Evaluator's do not), say "blessed", and
    their model still exists. The latest of them, by artifact id, is in force; its model is in use. One exception: if
    data has spans, a model of an older span never replaces one of a newer span. Its blessing is not in force; the Gate
    that gave it did not know of the newer model yet.

    1. Nothing is in force: no baseline.
    2. The model in use differs in content from the candidate: it is the baseline, with its blessing. If it has other
       classes there is no baseline, because TFMA cannot measure both at once, but its blessing is resolved.
    3. The model in use is the candidate, the same artifact: baseline and blessing are those the candidate was judged
       against when it was blessed. So an unchanged run resolves what the first run resolved, and Evaluator, Gate and
       Pusher come from the cache.
    4. The model in use has the candidate's content, but is another artifact: the baseline is the one that content was
       judged against; the blessing is that of the model in use, whose digest tells the Gate "unchanged".

    A blessing is latest by when it was given, not by the age of its model: a model that won again after another had
    replaced it is in use again. An answer the Gate gave under other circumstances is never served from the cache,
    because the blessing in force is one of its inputs: a cached "blessed" means that the model is in use.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Apply the rule; None, which fails the node, if there is no candidate."""
        del store
        candidates = input_dict.get(CANDIDATE)
        if not candidates:
            return None
        models = {model.id: model for model in [*input_dict.get(MODEL, []), *candidates]}
        blessings = {blessing.id: blessing for blessing in input_dict.get(MODEL_BLESSING, [])}
        baseline, in_force = resolve_baseline(candidates[0], models, blessings)
        _logger.info(
            "BlessedBaseline: candidate %s, baseline %s", candidates[0].uri, baseline.uri if baseline else None
        )
        return {
            CANDIDATE: candidates,
            MODEL: [baseline] if baseline else [],
            MODEL_BLESSING: [in_force] if in_force else [],
            EARLIER_BLESSINGS: earlier_blessings(candidates[0], models, blessings),
            BASELINE_REPORT: report_of(baseline or in_force, candidates[0], input_dict.get(BASELINE_REPORT, [])),
        }


def resolve_baseline(
    candidate: types.Artifact, models: dict[int, types.Artifact], blessings: dict[int, types.Artifact]
) -> tuple[types.Artifact | None, types.Artifact | None]:
    """The rule of ``BlessedBaseline``.

    Args:
        candidate: with the property ``artifact_files.CONTENT_DIGEST``.
        models: all models by id.
        blessings: all blessings by id, of the Gate and of others.

    Returns:
        Baseline model and blessing in force, each or both None.

    Raises:
        ValueError: the candidate has no content digest.
    """
    digest = candidate.get_string_custom_property(artifact_files.CONTENT_DIGEST)
    if not digest:
        raise ValueError(
            f"the model {candidate.uri} has no property {artifact_files.CONTENT_DIGEST}, so it has no identity"
        )
    in_force = blessing_in_force(models, blessings)
    if in_force is None:
        return None, None
    in_use_id = in_force.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY)
    if in_force.get_string_custom_property(artifact_files.CONTENT_DIGEST) != digest:
        in_use = models[in_use_id]
        return (in_use if _has_same_classes(candidate, in_use) else None), in_force
    judged_against = models.get(in_force.get_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY))
    if in_use_id != candidate.id:
        return judged_against, in_force
    return judged_against, blessings.get(in_force.get_int_custom_property(IN_FORCE_ID))


def earlier_blessings(
    candidate: types.Artifact, models: dict[int, types.Artifact], blessings: dict[int, types.Artifact]
) -> list[types.Artifact]:
    """Find how often models have been chosen on the candidate's test split: the first blessing of each other model.

    Args:
        candidate: with the properties ``artifact_files.CONTENT_DIGEST`` and ``artifact_files.TEST_SPLIT_DIGEST``.
        models: all models by id.
        blessings: all blessings by id, of the Gate and of others.

    Returns:
        For each other content that was blessed on the same test images, its first blessing, oldest first. If the
        candidate is in use already, only blessings before its own, so that an unchanged run finds what the first run
        found.
    """
    in_force = blessing_in_force(models, blessings)
    own_id = None
    if in_force and in_force.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY) == candidate.id:
        own_id = in_force.id
    found: dict[str, types.Artifact] = {}
    for blessing in sorted(blessings.values(), key=lambda blessing: blessing.id):
        if (own_id is None or blessing.id < own_id) and _is_of_same_test_split(candidate, blessing):
            found.setdefault(blessing.get_string_custom_property(artifact_files.CONTENT_DIGEST), blessing)
    found.pop(candidate.get_string_custom_property(artifact_files.CONTENT_DIGEST), None)
    return list(found.values())


def report_of(
    compared: types.Artifact | None, candidate: types.Artifact, reports: list[types.Artifact]
) -> list[types.Artifact]:
    """The report of the run whose model the candidate is compared with.

    Args:
        compared: the baseline model, or, if there is none because of other classes, the blessing of the model in use;
            None if nothing is in use.
        candidate: with the property ``artifact_files.CONTENT_DIGEST``.
        reports: all reports.

    Returns:
        The latest report of a run in which that content was blessed, or nothing.
    """
    digest, own = (
        found.get_string_custom_property(artifact_files.CONTENT_DIGEST) if found else None
        for found in (compared, candidate)
    )
    found = [
        report
        for report in reports
        if report.get_string_custom_property(artifact_files.CONTENT_DIGEST) == digest != own
        and report.get_string_custom_property(artifact_files.VERDICT) == Verdict.BLESSED
    ]
    return sorted(found, key=lambda report: report.id)[-1:]


def _is_of_same_test_split(candidate: types.Artifact, blessing: types.Artifact) -> bool:
    ours, theirs = (
        found.get_string_custom_property(artifact_files.TEST_SPLIT_DIGEST) for found in (candidate, blessing)
    )
    return blessing.get_string_custom_property(artifact_files.VERDICT) == Verdict.BLESSED and ours == theirs


def _has_same_classes(candidate: types.Artifact, in_use: types.Artifact) -> bool:
    ours, theirs = (model.get_string_custom_property(artifact_files.CLASSES_DIGEST) for model in (candidate, in_use))
    return ours == theirs


def blessing_in_force(models: dict[int, types.Artifact], blessings: dict[int, types.Artifact]) -> types.Artifact | None:
    """The latest blessing of the Gate whose model still exists and is not of an older span than one before it."""
    in_force = None
    for blessing in sorted(blessings.values(), key=lambda blessing: blessing.id):
        if blessing.get_string_custom_property(artifact_files.VERDICT) != Verdict.BLESSED:
            continue
        if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY) not in models:
            _logger.warning("the model of blessing %s is gone, so it is not in force", blessing.uri)
        elif in_force is None or not _is_of_older_span(blessing, in_force):
            in_force = blessing
    return in_force


def _is_of_older_span(blessing: types.Artifact, other: types.Artifact) -> bool:
    ours, theirs = artifacts.data_span(blessing), artifacts.data_span(other)
    return ours is not None and theirs is not None and ours < theirs
