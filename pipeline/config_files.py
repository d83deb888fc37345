"""The YAML files of a config: named ones, those that a file extends, and the overrides; and which of them set what."""

import dataclasses
import difflib
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from components.contracts.configuration import ConfigError
from pipeline import overrides as set_arguments
from pipeline import yaml_files

FOLDER = pathlib.Path(__file__).parent / "configs"
EXTENDS = "extends"  # key of a file: the name or path of the file whose settings it changes

Key = tuple[str, ...]


@dataclasses.dataclass
class Settings:
    """Values, and where each of them came from.

    Attributes:
        path: the file that the user named.
        values: all settings of the files and the overrides.
        origins: for each value the file, or the ``--set``, that it came from; by its key.
    """

    path: pathlib.Path
    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    origins: dict[Key, str] = dataclasses.field(default_factory=dict)

    def source_of(self, location: Sequence[str | int]) -> str:
        """The files and overrides that set the value at ``location``, or the values below it, for a message."""
        key = tuple(map(str, location))
        found = dict.fromkeys(  # in the order in which they were read
            origin for at, origin in self.origins.items() if at[: len(key)] == key or key[: len(at)] == at
        )
        sets = [origin for origin in found if origin.startswith("--set ")]
        files = [origin for origin in found if origin not in sets] or [str(self.path)]
        return " ".join([" and ".join(files), *(["with", *sets] if sets else [])])

    def merge(self, values: dict[str, Any], origin: str) -> None:
        """Lay ``values`` over those that are there: groups are merged, all else is replaced."""
        self._merge(self.values, values, (), origin)

    def put(self, entry: str) -> None:
        """Apply one ``dotted.key=value``."""
        key, value = set_arguments.parse(entry)
        set_arguments.put(self.values, key, value)
        self._remember(key, value, f"--set {entry}")

    def _merge(self, target: dict[str, Any], values: dict[str, Any], key: Key, origin: str) -> None:
        for name, value in values.items():
            at = (*key, str(name))
            if isinstance(target.get(name), dict) and isinstance(value, dict):
                self._merge(target[name], value, at, origin)
            else:
                target[name] = value
                self._remember(at, value, origin)

    def _remember(self, key: Key, value: Any, origin: str) -> None:
        for known in [known for known in self.origins if known[: len(key)] == key or key[: len(known)] == known]:
            del self.origins[known]
        self.origins.update(dict.fromkeys(_leaves(key, value), origin))


def read(name_or_path: str, overrides: Sequence[str]) -> Settings:
    """Read a file, those that it extends, and the overrides.

    Raises:
        ConfigError: a file is missing or cannot be used, files extend each other in a circle, or an override has
            another form. The message names the file or the override.
    """
    path = _find(pathlib.Path(), name_or_path, "")
    settings = Settings(path)
    for file, values in reversed(_chain(path)):
        settings.merge(values, str(file))
    for entry in overrides:
        settings.put(entry)
    return settings


def names() -> list[str]:
    """Names of the bundled configs."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def summary(name: str) -> str:
    """The first sentence about a bundled config, from the comment at its top, which begins with its command."""
    lines = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    comment: list[str] = []
    for line in lines[1:]:
        if not line.startswith("#"):
            break
        comment.append(line.removeprefix("#").strip())
    return " ".join(comment).partition(". ")[0].rstrip(".") + "."


def _chain(path: pathlib.Path) -> list[tuple[pathlib.Path, dict[str, Any]]]:
    """The file, the file that it extends, and so on, each with its own settings."""
    chain: list[tuple[pathlib.Path, dict[str, Any]]] = []
    seen: list[pathlib.Path] = []
    while True:
        if path.resolve() in seen:
            circle = " extends ".join(str(file) for file, _ in [*chain[seen.index(path.resolve()) :], (path, {})])
            raise ConfigError(f"{chain[-1][0]}: {EXTENDS}: a circle: {circle}")
        values = yaml_files.read(path)
        seen.append(path.resolve())
        base = values.pop(EXTENDS, None)
        chain.append((path, values))
        if base is None:
            return chain
        if not isinstance(base, str):
            raise ConfigError(f"{path}: {EXTENDS}: expected a name or a path, found {base!r}")
        path = _find(path.parent, base, f"{path}: {EXTENDS}: ")


def _find(folder: pathlib.Path, name_or_path: str, prefix: str) -> pathlib.Path:
    """The file with a path relative to ``folder``, or else the bundled config with a name."""
    path, named = folder / name_or_path, FOLDER / f"{name_or_path}.yaml"
    if path.is_file():
        return path
    if named.is_file():
        return named
    close = difflib.get_close_matches(pathlib.Path(name_or_path).stem, names(), n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    raise ConfigError(f"{prefix}{name_or_path}: neither a file nor one of the named configs {', '.join(names())}{hint}")


def _leaves(key: Key, value: Any) -> Iterator[Key]:
    """Keys of the values in ``value``; its own if it is no group, or an empty one."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves((*key, str(name)), inner)
    else:
        yield key
