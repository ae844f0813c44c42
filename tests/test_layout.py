"""The direction of imports, and what `import leo_opt` costs."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

import leo_opt

PACKAGE = Path(leo_opt.__file__).parent
ROWS = (
    ("errors", "arrays", "arguments", "registry", "summarised", "lazily", "closing", "tables"),
    (
        "activations",
        "signature",
        "tails",
        "weights",
        "layer",
        "maxima",
        "network",
        "rectify",
        "twins",
        "domain",
        "inequalities",
        "polytope",
        "storage",
        "blas",
        "parallel",
        "worker_processes",
        "deadline",
        "enclosure",
        "exact_evaluation",
        "arithmetic",
    ),
    ("evidence", "connectivity", "properties", "formats", "frameworks"),
    ("bounds", "witnesses", "deviation", "solvers"),
    ("stability", "formulations"),
    ("separation",),
    ("encoding",),
    ("rewrites", "decisions"),
    ("difference",),
    ("balance", "carrying", "verification"),
    ("compression", "approximation"),
    ("model_files", "graphs"),
    ("api", "fitting", "training"),
    ("reproduction", "torch"),
    ("report", "progress", "testing", "comparison", "demo", "cli", "console"),
    ("__main__",),
)
ROW = {name: row for row, names in enumerate(ROWS) for name in names}
FORBIDDEN = {
    "solvers": {"network", "domain", "bounds", "enclosure"},
    "formulations": {"solvers"},
    "rewrites": {"solvers", "decisions"},
    "compression": {"solvers", "decisions"},
    "approximation": {"solvers", "decisions"},
}
PEERS = {
    "layer",
    "maxima",
    "blas",
    "deadline",
    "parallel",
    "arguments",
    "registry",
    "errors",
    "progress",
    "report",
    "comparison",
    "demo",
    "cli",
    "console",
    "worker_processes",
    "activations",
    "signature",
    "tails",
    "weights",
    "network",
    "rectify",
    "twins",
    "domain",
    "inequalities",
    "polytope",
    "bounds",
    "enclosure",
    "exact_evaluation",
    "arithmetic",
    "properties",
    "formats",
    "frameworks",
    "storage",
    "witnesses",
}
SLOW = ("pyomo", "highspy", "onnx", "scipy", "networkx", "click", "rich", "torch", "gurobipy")


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> set[str]:
    """Second parts of the names `leo_opt.x` that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("leo_opt"):
            parts = (node.module or "").split(".")
            names |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("leo_opt.")}
    return names


def test_a_module_imports_only_from_the_rows_above() -> None:
    for path in modules():
        place = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        assert place in ROW, f"{place} has no row in this table; say where it belongs"
        for name in imports_of(path) - {place}:
            assert name in ROW, (path, name)
            same_row = ROW[name] == ROW[place] and {name, place} <= PEERS
            assert ROW[name] < ROW[place] or same_row, f"{path} must not import {name}"
            assert name not in FORBIDDEN.get(place, set()), (
                f"{place} must not import {name}: {path}"
            )


def test_peers_of_a_row_import_in_one_direction_only() -> None:
    edges = {
        (path.relative_to(PACKAGE).parts[0].removesuffix(".py"), name)
        for path in modules()
        for name in imports_of(path)
    }
    both = {(a, b) for a, b in edges if a != b and (b, a) in edges}
    assert not both


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Not for the sake of annotations, either: what needs the other is one thing with it."""
    paths = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in modules()
    }
    arrows = nx.DiGraph()
    for name, path in paths.items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom) and node.module in paths | {"leo_opt": PACKAGE}:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    arrows.add_edge(name, whole if whole in paths else node.module)
    circles = [part for part in nx.strongly_connected_components(arrows) if len(part) > 1]
    assert not circles


def test_one_word_is_one_thing() -> None:
    """No two public classes have one name, nor has a short name of a type that of another one."""
    names: Counter[str] = Counter()
    for path in modules():
        body = parsed(path).body
        names.update(node.name for node in body if isinstance(node, ast.ClassDef))
        names.update(
            node.targets[0].id
            for node in body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and re.fullmatch("[A-Z][a-z].*", node.targets[0].id)
            and not ast.unparse(node.value).startswith("TypeVar")
        )
    assert not {name for name, count in names.items() if count > 1 and name[0] != "_"}


def test_a_layer_is_no_index() -> None:
    """A parameter `layer` is a `Layer`; the place of one is an `index`."""
    found = set()
    for path in modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.arg) and ast.unparse(node).startswith("layer: int"):
                found.add(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert not found


def test_nothing_asks_for_attributes_by_hasattr() -> None:
    assert not [path for path in modules() if "hasattr(" in path.read_text(encoding="utf-8")]


PRIVATE = {"_exit"} | {
    # PyTorch's exporter prints its graph past Python's streams, and nothing else stops it.
    "_C",
}
"""Names with an underscore that others document, and those that nothing public replaces."""


def test_nobody_elses_private_names_are_used() -> None:
    nodes = [node for path in modules() for node in ast.walk(parsed(path))]
    mine = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    mine |= {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}
    mine |= {node.id for node in nodes if isinstance(node, ast.Name)}
    foreign = {node.attr for node in attributes if re.match("_[^_]", node.attr)} - mine
    assert foreign - {"_replace"} == PRIVATE


TESTS = Path(__file__).parent
WITHOUT_SOURCE = {
    "rewrites/test_laws.py",
    "storage/test_schemas.py",
    "test_layout.py",
    "test_limits.py",
    "test_main.py",
    "test_real_networks.py",
    "test_user_types.py",
}
"""Tests of many files at once."""


def test_a_test_stands_at_the_path_of_what_it_tests() -> None:
    """Named after a file, a folder or a verb of it, and perhaps what it looks at there.

    Where several folders have such a file the folder's name comes first.
    """
    lost = set()
    for path in TESTS.rglob("test_*.py"):
        folder = path.parent.relative_to(TESTS)
        home = TESTS.parent / folder if folder.name == "docs" else PACKAGE / folder
        known = {entry.stem for place in (home, path.parent) for entry in place.iterdir()}
        if home != TESTS.parent / folder:
            package = importlib.import_module(".".join(("leo_opt", *folder.parts)))
            known |= set(getattr(package, "__all__", ()))
        known |= {f"{folder.name}_{name}" for name in known} | {folder.name or "leo_opt"}
        if not any(f"{path.stem}_".startswith(f"test_{name}_") for name in known):
            lost.add(path.relative_to(TESTS).as_posix())
    assert lost == WITHOUT_SOURCE


def test_import_is_quick() -> None:
    code = (
        "import sys, leo_opt; leo_opt.Network; leo_opt.Box;"
        f"print([name for name in {SLOW!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", leo_opt.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(leo_opt, name).__doc__


def test_public_names_are_typed_where_they_are_listed() -> None:
    source = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    block = re.search(r"if TYPE_CHECKING:\n(.*?)\n\n", source, re.S)
    assert block
    typed = {
        alias.name
        for node in ast.walk(ast.parse("if True:\n" + block[1]))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == set(leo_opt.__all__)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = leo_opt.nonsense
