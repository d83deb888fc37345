"""Versions of the libraries whose behaviour shows in results, for the record."""

import importlib.metadata
import platform

_LIBRARIES = (
    *("tfx", "tensorflow", "keras", "tensorflow-transform", "tensorflow-model-analysis", "apache-beam"),
    *("numpy", "scikit-learn", "opencv-python-headless", "pillow"),
)


def installed_versions() -> dict[str, str]:
    """Library -> version, Python among them; one that is not installed under its usual name is left out."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:  # named differently in another build of it
            continue
    return versions
