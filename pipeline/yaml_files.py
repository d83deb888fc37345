"""Settings in YAML, read strictly: what YAML would silently drop, misread or blow up is an error that names the line.

PyYAML reads YAML 1.1. Unlike it, ``1e-3`` is a number here, as in YAML 1.2, and a key may stand only once in a mapping.
"""

import pathlib
import re
from typing import Any

import yaml

from components.contracts.configuration import ConfigError

_MAX_BYTES = 2**20
_MAX_DEPTH = 30
_MAX_VALUES = 20_000  # with each alias counted as what it stands for
_EXPONENT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$")


class _Loader(yaml.SafeLoader):
    """An error in a value names its line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:  # such as a date with month 13
            raise _problem(str(error), node) from error


class _Dumper(yaml.SafeDumper):
    """Puts text in quotes that ``_Loader`` would read as a number."""


for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))


def read(path: pathlib.Path) -> dict[str, Any]:
    """The mapping in a file; empty for a file without content.

    Raises:
        ConfigError: the file cannot be read, is no YAML, is too large or too deep, holds a key twice, or holds
            something else than a mapping. The message names the file and the line.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{path}: expected settings of at most {_MAX_BYTES} bytes, found {path.stat().st_size}")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    mapping = parse(text, str(path))
    if mapping is None:
        return {}
    if not isinstance(mapping, dict):
        found = repr(mapping)[:80]
        raise ConfigError(f"{path}: expected a mapping of settings, found {type(mapping).__name__}: {found}")
    return mapping


def parse(text: str, source: str) -> Any:
    """The value of a YAML text, None for an empty one; errors name ``source`` and the line.

    Raises:
        ConfigError: as ``read``.
    """
    try:
        _check_size(text)
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _check_keys(root)
        return _unshared(loader.construct_document(root))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        kind = "" if isinstance(error, _SettingsError) else "not YAML: "
        raise ConfigError(f"{source}: {kind}{place}{error.problem or error.context}") from error
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise ConfigError(f"{source}: not YAML: {' '.join(str(error).split())}") from error


def dump(value: Any) -> str:
    """YAML that ``parse`` reads as ``value``."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _SettingsError(yaml.MarkedYAMLError):
    """YAML that PyYAML reads, but that settings must not hold."""


def _problem(text: str, node: yaml.Node | yaml.Event) -> _SettingsError:
    return _SettingsError(problem=text, problem_mark=node.start_mark)


def _check_size(text: str) -> None:
    """Refuse deep nesting and aliases that multiply, on the events alone: building the values would recurse.

    ``sizes`` holds the number of values in each open collection, with the whole document below them.
    """
    sizes = [0]
    names: list[str | None] = [None]
    anchors: dict[str | None, int] = {}
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            sizes.append(1)
            names.append(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            size = sizes.pop()
            anchors[names.pop()] = size
            sizes[-1] += size
        elif isinstance(event, yaml.ScalarEvent):
            anchors[event.anchor] = 1
            sizes[-1] += 1
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in names:
                raise _problem(f"the alias *{event.anchor} stands inside the value that it names", event)
            sizes[-1] += anchors.get(event.anchor, 1)
        if len(sizes) - 1 > _MAX_DEPTH:
            raise _problem(f"nested more than {_MAX_DEPTH} levels deep", event)
        if sum(sizes) > _MAX_VALUES:
            raise _problem(f"more than {_MAX_VALUES} values, with each alias counted as what it stands for", event)


def _check_keys(root: yaml.Node) -> None:
    """Refuse a key that stands twice in a mapping; of two values, YAML silently takes the last."""
    nodes, seen = [root], set()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _check_keys_of(node)
            nodes += [inner for pair in node.value for inner in pair]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value


def _check_keys_of(mapping: yaml.MappingNode) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        name, line = (key.tag, key.value), key.start_mark.line + 1
        if name in lines:
            raise _problem(f"key {key.value} stands twice: in line {lines[name]} and in line {line}", key)
        lines[name] = line


def _unshared(value: Any) -> Any:
    """A copy in which no two places share a mapping, as those of an alias do: a change of one would change both."""
    if isinstance(value, dict):
        return {key: _unshared(inner) for key, inner in value.items()}
    return [_unshared(inner) for inner in value] if isinstance(value, list) else value
