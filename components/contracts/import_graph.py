"""Which modules of this project a module can import, read from the source without running it.

``code_digest`` and the test of the layers build on this. What counts as an import:

- every import statement, also inside a function; not below ``if TYPE_CHECKING``, because that never runs;
- ``import_module`` with a literal name; with an f-string such as ``f"package.{name}"``, every module of the package;
- a string that is the dotted name of a module or of something in one, such as
  ``"components.pretraining.trainer_module.run_fn"``: TFX loads that by name.
"""

import ast
import functools
import pathlib
import re
from collections.abc import Iterable, Iterator

FIRST_PARTY = ("components", "pipeline")  # the packages of this project
_NODES_WITH_NAMES = (ast.Import, ast.ImportFrom, ast.Call, ast.Constant)
_DOTTED_NAME = re.compile(rf"(?:{'|'.join(FIRST_PARTY)})(?:\.\w+)+")


class ImportGraph:
    """The modules of the packages ``FIRST_PARTY`` in a folder, and the imports between them; every file is read once.

    Attributes:
        root: folder that holds the packages.
        files: source file of every module and package below ``root``, with "/", by dotted name.
    """

    def __init__(self, root: pathlib.Path):
        self.root = root
        found = (file.relative_to(root) for package in FIRST_PARTY for file in (root / package).rglob("*.py"))
        self.files = {".".join(file.with_suffix("").parts).removesuffix(".__init__"): file.as_posix() for file in found}
        self._contents: dict[str, bytes] = {}
        self._imports: dict[str, set[str]] = {}

    def read(self, file: str) -> bytes:
        """Content of a file below ``root``, as it was when it was first read."""
        if file not in self._contents:
            self._contents[file] = (self.root / file).read_bytes()
        return self._contents[file]

    def imports(self, module: str) -> set[str]:
        """Names that ``module`` imports: modules of this project, and names of others as ``package.module.name``.

        Raises:
            ValueError: this project has no such module, or it imports a module whose name is known only when it runs.
        """
        if module not in self._imports:
            if module not in self.files:
                raise ValueError(f"no module {module!r} below {self.root}")
            self._imports[module] = {found for name in self._names(module) for found in self._resolve(name)}
        return self._imports[module]

    def reachable(self, modules: Iterable[str]) -> set[str]:
        """``modules``, and all modules of this project that importing them can import, packages included."""
        reached: set[str] = set()
        waiting = list(modules)
        while waiting:
            module = waiting.pop()
            if module not in reached:
                reached.add(module)
                package = module.rpartition(".")[0]
                waiting += [name for name in (package, *self.imports(module)) if name in self.files]
        return reached

    def _names(self, module: str) -> frozenset[str]:
        file = self.files[module]
        package = module if file.endswith("/__init__.py") else module.rpartition(".")[0]
        try:
            return _imported_names(self.read(file), package)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None

    def _resolve(self, name: str) -> list[str]:
        """The modules behind a name of ``_imported_names``; a name of another project stays as it is."""
        package, _, last = name.rpartition(".")
        if last == "*":
            return [module for module in self.files if module.rpartition(".")[0] == package]
        return [package] if package in self.files and name not in self.files else [name]


@functools.cache
def _imported_names(source: bytes, package: str) -> frozenset[str]:
    """Names that the source of a module in ``package`` imports; ``name.*`` stands for every module of that package."""
    return frozenset(name for node in _nodes_that_run(ast.parse(source)) for name in _names(node, package))


def _nodes_that_run(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes that ``_names`` looks at, without those below ``if TYPE_CHECKING``."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _NODES_WITH_NAMES):
            yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _names(node: ast.AST, package: str) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (alias.name for alias in node.names)
        case ast.ImportFrom():
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield from (module if alias.name == "*" else f"{module}.{alias.name}" for alias in node.names)
        case ast.Call(func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"), args=[name, *_]):
            yield _name_to_import(name)
        case ast.Constant(value=str(text)) if _DOTTED_NAME.fullmatch(text):
            yield text


def _name_to_import(argument: ast.expr) -> str:
    match argument:
        case ast.Constant(value=str(name)):
            return name
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), ast.FormattedValue()]) if start.endswith("."):
            return f"{start}*"
    raise ValueError(
        f'line {argument.lineno}: import_module expects a literal or f"package.{{name}}", got {ast.unparse(argument)}'
    )
