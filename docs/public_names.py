"""What the reference has to explain: every public name, and where it is explained."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from functools import cache

import leo_opt
from leo_opt import errors

_NOT_FOR_PYTHON = ("leo_opt.cli",)
_NAMED_ON_PAGES = {
    "leo_opt.deadline": ("Deadline",),
    "leo_opt.encoding": ("AffineMap", "Encoding"),
    "leo_opt.errors": tuple(
        name for name, value in vars(errors).items() if inspect.isclass(value) and "Error" in name
    ),
    "leo_opt.formats.outputs": ("file_outputs",),
    "leo_opt.formulations.rows": ("add_rows", "add_variables", "at_most", "between", "linear"),
    "leo_opt.graphs": ("GraphCompression", "compress_graph"),
    "leo_opt.separation": ("Separation", "Strengthening", "strengthen"),
    "leo_opt.verification.classes": ("same_class",),
}
"""Of modules without a list of public names, those to which the documentation sends readers."""


@cache
def public_names() -> dict[str, tuple[str, ...]]:
    """The public names of each module that has some, as it lists them."""
    names = {"leo_opt": tuple(leo_opt.__all__)}
    for found in pkgutil.walk_packages(leo_opt.__path__, "leo_opt."):
        if not found.name.endswith("__main__"):
            module = importlib.import_module(found.name)
            listed = getattr(module, "__all__", _NAMED_ON_PAGES.get(found.name, ()))
            if listed and found.name not in _NOT_FOR_PYTHON:
                names[found.name] = tuple(listed)
    return names


@cache
def homes() -> dict[tuple[str, int], str]:
    """The one module under which each public thing is explained: the first that offers it."""
    found: dict[tuple[str, int], str] = {}
    for module, names in public_names().items():
        for name in names:
            found.setdefault((name, id(value_of(module, name))), module)
    return found


def value_of(module: str, name: str) -> object:
    """What stands behind a public name."""
    return getattr(importlib.import_module(module), name)


def home_of(module: str, name: str) -> str:
    """Where a public name of a module is explained."""
    return homes()[name, id(value_of(module, name))]


def source_of(module: str, name: str) -> tuple[str, str]:
    """The module and the name under which it is written down, imports followed."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    for node in tree.body:
        for alias in getattr(node, "names", ()):
            if isinstance(node, ast.ImportFrom) and name == (alias.asname or alias.name):
                return source_of(str(node.module), alias.name)
    return module, name


def kind_of(value: object) -> str:
    """What Sphinx calls it."""
    if inspect.isclass(value):
        return "class"
    return "function" if inspect.isroutine(value) else "data"
