"""CIFAR-100's binary files: ``train.bin``, ``test.bin``, ``fine_label_names.txt`` and ``coarse_label_names.txt``.

Each record is the coarse label, the fine label (``ingestion.cifar100_label`` says which is the class) and 3072 bytes of
pixels as in CIFAR-10. Source: https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from components.ingestion.config import CifarLabel, IngestionConfig
from components.ingestion.reading.sources.cifar_binary import CifarBinary, Layout


def open_source(root: str, config: IngestionConfig) -> CifarBinary:
    """CIFAR-100 in ``root``."""
    kind = config.cifar100_label
    names_file = f"{kind.value}_label_names.txt"
    label_at = 0 if kind is CifarLabel.COARSE else 1
    return CifarBinary(root, Layout("CIFAR-100", "train.bin", "test.bin", names_file, label_bytes=2, label_at=label_at))
