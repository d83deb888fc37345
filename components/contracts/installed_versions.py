"""Versions of the libraries that influence results; the report and the registry record them."""

import importlib.metadata
import platform

_LIBRARIES = (
    *("tfx", "tensorflow", "keras", "tensorflow-transform", "tensorflow-model-analysis", "apache-beam"),
    *("numpy", "scikit-learn", "opencv-python-headless", "pillow"),
)


def installed_versions() -> dict[str, str]:
    """Version by library, Python included; without libraries that are not installed under their usual name."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:  # another build of the library may have another name
            continue
    return versions
