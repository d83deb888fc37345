"""Long rows of image files become whole tables, whatever a file is."""

import json
import pathlib

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from components.contracts.images import ImageConfig
from components.export import embedding, publishing, registry
from components.export.consumer import load_encoder
from components.export.image_files import decoding_settings
from components.ingestion.config import IngestionConfig

DIGEST = "a" * 64
NUM_IMAGES = 70  # more than one batch


@pytest.fixture(scope="module")
def encoder(tmp_path_factory, saved_models):
    root = tmp_path_factory.mktemp("registry")
    publishing.push(
        root,
        "encoder",
        saved_models[DIGEST],
        content_digest=DIGEST,
        source="test",
        decoding=decoding_settings(IngestionConfig(stored_short_side_px=16), ImageConfig(size_px=12), None),
        span=None,
        blessing=None,
        describe=lambda number: {registry.MODEL_CARD_FILE: "card"},
        lock_timeout_seconds=5,
    )
    return load_encoder(root / "encoder")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images in two folders, and among them, in each batch, a file that is none."""
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for number in range(NUM_IMAGES):
        path = root / ("a" if number < 40 else "b") / f"{number:03d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(path)
    (root / "a" / "005.txt").write_text("no image")
    (root / "b" / "070-cut.png").write_bytes((root / "b" / "069.png").read_bytes()[:200])
    (root / "a" / ".hidden").write_text("no image")
    return root


def good(files: list[pathlib.Path]) -> list[pathlib.Path]:
    return [path for path in files if path.suffix == ".png" and "cut" not in path.name]


def test_files_of_folders_are_found_in_order_without_hidden_ones(folder):
    single = folder / "b" / "050.png"
    files = embedding.find_files([single, folder])
    assert files[0] == single
    assert files[1:] == sorted(path for path in folder.rglob("*.*") if path.name != ".hidden")
    with pytest.raises(FileNotFoundError, match="nowhere: no such file or folder"):
        embedding.find_files([folder, "nowhere"])


def test_parquet_holds_a_row_for_each_usable_file(encoder, folder, tmp_path):
    files = embedding.find_files([folder])
    seen = []
    found = embedding.write_embeddings(encoder, files, tmp_path / "e.parquet", seen.append)
    assert seen[-1] == len(files) == NUM_IMAGES + 2
    assert len(seen) > 1
    assert found.num_images == NUM_IMAGES
    assert [error.index for error in found.refused] == [files.index(folder / "a" / "005.txt"), len(files) - 1]
    assert "005.txt" in str(found.refused[0])
    table = pyarrow.parquet.read_table(tmp_path / "e.parquet")
    assert table[embedding.PATH_COLUMN].to_pylist() == [str(path) for path in good(files)]
    rows = np.stack(table[embedding.EMBEDDING_COLUMN].to_numpy())
    np.testing.assert_allclose(rows, encoder.embed(good(files)), rtol=1e-4, atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["e.parquet"]


def test_numpy_holds_the_same_rows_with_the_paths_beside_it(encoder, folder, tmp_path):
    files = embedding.find_files([folder])
    embedding.write_embeddings(encoder, files, tmp_path / "e.npy", lambda done: None)
    rows = np.load(tmp_path / "e.npy")
    assert (rows.shape, rows.dtype) == ((NUM_IMAGES, encoder.dimensions), np.float32)
    np.testing.assert_allclose(rows, encoder.embed(good(files)), rtol=1e-4, atol=1e-4)
    lines = (tmp_path / "e.npy.paths.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [str(path) for path in good(files)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.npy", "e.npy.paths.jsonl"]


@pytest.mark.parametrize("ending", embedding.FORMATS)
def test_files_without_an_image_give_an_empty_table(encoder, folder, tmp_path, ending):
    output = tmp_path / f"e{ending}"
    found = embedding.write_embeddings(encoder, [folder / "a" / "005.txt"], output, lambda done: None)
    assert (found.num_images, len(found.refused)) == (0, 1)
    num_rows = len(np.load(output)) if ending == ".npy" else pyarrow.parquet.read_table(output).num_rows
    assert num_rows == 0


@pytest.mark.parametrize("ending", embedding.FORMATS)
def test_an_interrupted_table_leaves_the_old_one(encoder, folder, tmp_path, ending):
    output = tmp_path / f"e{ending}"
    output.write_bytes(b"old")

    def interrupt(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedding.write_embeddings(encoder, embedding.find_files([folder]), output, interrupt)
    assert output.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_other_outputs_are_refused(encoder, tmp_path):
    with pytest.raises(embedding.UnusableOutputError, match=r"expected a name that ends in .parquet or .npy"):
        embedding.write_embeddings(encoder, [], tmp_path / "e.csv", lambda done: None)
    with pytest.raises(embedding.UnusableOutputError, match="there is no folder"):
        embedding.write_embeddings(encoder, [], tmp_path / "missing" / "e.npy", lambda done: None)
