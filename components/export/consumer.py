"""The consumer API: loads a version of an encoder by name and turns image files into vectors or classes.

Needs TensorFlow and Pillow, nothing of TFX. Ingestion's decoder reads the files, so that an image gives the same vector
as inside the pipeline.
"""

import concurrent.futures
import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from components.contracts import signatures
from components.contracts.model_facts import ModelFacts
from components.contracts.record_files import read_record
from components.export import registry
from components.export.image_files import FileReader
from components.ingestion.decoding.refusals import RefusedImage

ImageFile = str | pathlib.Path | bytes  # a path, or the content of a file

_BATCH_SIZE = 64

_T = TypeVar("_T")
_R = TypeVar("_R")


class UnusableImageError(ValueError):
    """An image that cannot be embedded; the message names its index, its path and the reason."""

    def __init__(self, index: int, image: ImageFile, reason: str):
        name = f"{len(image)} bytes" if isinstance(image, bytes) else str(image)
        super().__init__(f"image {index} ({name}): {reason}")
        self.index = index


@dataclasses.dataclass(frozen=True)
class EmbeddedBatch:
    """One batch of a stream of images."""

    images: list[ImageFile]  # the n embedded ones, in order
    representations: np.ndarray  # (n, d) float32
    refused: list[UnusableImageError]  # images of the batch that could not be read


@dataclasses.dataclass(frozen=True)
class Classification:
    """The scores of the linear classifier."""

    class_names: list[str]  # k
    scores: np.ndarray  # (n, k) float32, rows add up to 1

    @property
    def labels(self) -> list[str]:
        """The likeliest class of each image."""
        return [self.class_names[index] for index in self.scores.argmax(axis=1)]


class Encoder:
    """One version of a registered encoder. Made by ``load_encoder``."""

    def __init__(self, folder: pathlib.Path, version: registry.Version):
        import tensorflow as tf

        if version.decoding is None:
            raise registry.RegistryError(f"{folder} does not say how image files are decoded for it")
        self.facts: ModelFacts = read_record(ModelFacts, str(folder / signatures.MODEL_FACTS_FILE))
        self.version: int = version.number  # 0: the candidate
        self.version_name: str = version.name
        self.content_digest: str = version.content_digest
        self.class_names: list[str] = list(self.facts.class_names)
        self.dimensions: int = self.facts.dimensions
        self.folder = folder
        self.keras_file = folder / signatures.ENCODER_FILE  # trainable; pixels, 0 to 255 -> representation
        tflite_file = folder / signatures.TFLITE_FILE  # as the Keras file
        self.tflite_file: pathlib.Path | None = tflite_file if tflite_file.is_file() else None
        self._reader = FileReader(version.decoding, str(folder / registry.VERSION_FILE))
        self._model = tf.saved_model.load(str(folder))
        self._as_tensor = tf.constant

    def embed(self, images: Sequence[ImageFile], batch_size: int = _BATCH_SIZE) -> np.ndarray:
        """Representations of image files.

        Args:
            images: paths or contents of files in any format that ingestion accepts.
            batch_size: images per call of the model; while it works, the next ones are decoded.

        Returns:
            (n, d) float32, in the order of ``images``.

        Raises:
            UnusableImageError: an image cannot be read; nothing is returned then.
        """
        return self._vectors(signatures.EMBED, signatures.REPRESENTATION, images, batch_size)

    def stream(self, images: Iterable[ImageFile], batch_size: int = _BATCH_SIZE) -> Iterator[EmbeddedBatch]:
        """Embed any number of images, batch by batch; an image that cannot be read is reported and skipped.

        Args:
            images: paths or contents of files.
            batch_size: images per call of the model; while it works, the next ones are decoded.
        """
        function = self._model.signatures[signatures.EMBED]
        width = function.structured_outputs[signatures.REPRESENTATION].shape[-1]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for tried in _prefetched(pool, self._try, enumerate(images), batch_size):
                usable = [(image, prepared) for image, prepared in tried if isinstance(prepared, bytes)]
                rows = np.zeros((0, width), np.float32)
                if usable:
                    encoded = self._as_tensor([prepared for _, prepared in usable])
                    rows = function(**{signatures.IMAGE_INPUT: encoded})[signatures.REPRESENTATION].numpy()
                refused = [error for _, error in tried if isinstance(error, UnusableImageError)]
                yield EmbeddedBatch([image for image, _ in usable], rows, refused)

    def project(self, images: Sequence[ImageFile], batch_size: int = _BATCH_SIZE) -> np.ndarray:
        """Projections of image files, which pretraining compared: (n, p) float32; arguments and errors as ``embed``."""
        return self._vectors(signatures.PROJECT, signatures.PROJECTION, images, batch_size)

    def classify(self, images: Sequence[ImageFile], batch_size: int = _BATCH_SIZE) -> Classification:
        """Class scores of image files; arguments and errors as for ``embed``."""
        parts = [found[signatures.SCORES] for found in self._run(signatures.CLASSIFY, images, batch_size)]
        return Classification(
            self.class_names, np.concatenate([np.zeros((0, len(self.class_names)), np.float32), *parts])
        )

    def prepare(self, image: ImageFile) -> bytes:
        """Turn an image file into the bytes that the signatures of the model read.

        Raises:
            OSError: the file cannot be opened.
            RefusedImage: it is no image that ingestion accepts.
        """
        return self._reader.read(image) if isinstance(image, bytes) else self._reader.read_file(str(image))

    def _vectors(self, signature: str, output: str, images: Sequence[ImageFile], batch_size: int) -> np.ndarray:
        width = self._model.signatures[signature].structured_outputs[output].shape[-1]
        parts = [found[output] for found in self._run(signature, images, batch_size)]
        return np.concatenate([np.zeros((0, width), np.float32), *parts])

    def _run(self, signature: str, images: Sequence[ImageFile], batch_size: int) -> Iterator[dict[str, np.ndarray]]:
        function = self._model.signatures[signature]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for batch in _prefetched(pool, lambda numbered: self._prepared(*numbered), enumerate(images), batch_size):
                found: dict[str, Any] = function(**{signatures.IMAGE_INPUT: self._as_tensor(batch)})
                yield {name: value.numpy() for name, value in found.items()}

    def _try(self, numbered: tuple[int, ImageFile]) -> tuple[ImageFile, bytes | UnusableImageError]:
        try:
            return numbered[1], self._prepared(*numbered)
        except UnusableImageError as error:
            return numbered[1], error

    def _prepared(self, index: int, image: ImageFile) -> bytes:
        try:
            return self.prepare(image)
        except (OSError, RefusedImage) as error:
            raise UnusableImageError(index, image, str(error)) from error


def _prefetched(
    pool: concurrent.futures.Executor, function: Callable[[_T], _R], values: Iterable[_T], batch_size: int
) -> Iterator[list[_R]]:
    """Results of ``function`` in batches, in order; the next batch is computed while the caller uses the last one."""
    values = iter(values)
    ahead: list[concurrent.futures.Future[_R]] = []
    while True:
        batch = ahead
        ahead = [pool.submit(function, value) for value in itertools.islice(values, batch_size)]
        if batch:
            yield [future.result() for future in batch]
        elif not ahead:
            return


def load_encoder(uri: str | pathlib.Path, alias: str = registry.BLESSED) -> Encoder:
    """Load a version of a registered encoder.

    Args:
        uri: ``<registry>/<model name>``, or the folder of one version.
        alias: ``"blessed"``, ``"previous"``, ``"candidate"`` (the latest model that was not blessed) or a version
            number; not used where ``uri`` is a version.

    Raises:
        RegistryError: there is no such model or version.
    """
    folder = pathlib.Path(uri).absolute()
    if (folder / registry.VERSION_FILE).is_file():
        folder, alias = folder.parent, folder.name
    if not (folder / registry.INDEX_FILE).is_file():
        models = ", ".join(str(folder / name) for name in registry.list_models(folder))
        hint = f"; did you mean {models}?" if models else ""
        raise registry.RegistryError(f"{folder} is no model of a registry: {registry.INDEX_FILE} is missing{hint}")
    version = registry.find_version(folder.parent, folder.name, alias)
    return Encoder(registry.version_folder(folder.parent, folder.name, version), version)
