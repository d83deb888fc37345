"""A version is what was pushed, or the error says what is not."""

import json
import subprocess
import sys

import numpy as np
import pytest

from components.contracts import signatures
from components.contracts.images import ImageConfig
from components.export import durable_files, publishing, registry, verification
from components.export.image_files import Decoding

DIGEST = "a" * 64


@pytest.fixture
def root(tmp_path, saved_models):
    publishing.push(
        tmp_path,
        "encoder",
        saved_models[DIGEST],
        content_digest=DIGEST,
        source="test",
        decoding=Decoding(image=ImageConfig(), ingestion={}),
        span=None,
        blessing=None,
        describe=lambda number: {registry.MODEL_CARD_FILE: "card"},
        lock_timeout_seconds=5,
    )
    return tmp_path


def rewrite_golden(root, name, values):
    """Put other vectors beside the model, with files that the registry takes for those that were pushed."""
    path = root / "encoder" / "1" / signatures.GOLDEN_FILE
    with np.load(path) as golden:
        arrays = dict(golden)
    np.savez(path, **(arrays | {name: values(arrays[name])}))
    folder = root / "encoder" / "1"
    index = json.loads((root / "encoder" / registry.INDEX_FILE).read_text())
    index["versions"][0]["files_digest"] = durable_files.files_digest(folder, registry.ADDED_FILES)
    (root / "encoder" / registry.INDEX_FILE).write_text(json.dumps(index))


def test_what_was_pushed_computes_its_vectors_again(root):
    found = verification.verify(root, "encoder")
    assert (found.version, found.num_images) == ("1", 3)
    assert found.max_difference < 1e-4
    assert found.max_score_difference < 1e-4


def test_changed_files_are_found(root):
    (root / "encoder" / "1" / "variables" / "variables.index").write_bytes(b"other")
    with pytest.raises(registry.RegistryError, match="no longer holds the files that were pushed"):
        verification.verify(root, "encoder", "1")


@pytest.mark.parametrize(
    ("name", "what"),
    [(signatures.GOLDEN_REPRESENTATIONS, "representations"), (signatures.GOLDEN_SCORES, "scores")],
)
@pytest.mark.parametrize("values", [lambda stored: stored * 1.1, lambda stored: stored * np.nan])
def test_other_answers_are_found(root, name, what, values):
    rewrite_golden(root, name, values)
    with pytest.raises(registry.RegistryError, match=f"{what} of the 3 stored images differ from those at export"):
        verification.verify(root, "encoder")


def test_the_command_says_what_it_found_and_nothing_else(root, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("work")
    (workdir / "registry").symlink_to(root)
    command = [sys.executable, "-m", "pipeline", "registry", "verify", "encoder", "--workdir", workdir]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("encoder 1 is as it was pushed")
