"""Deliberate mistakes in the mathematics, each of which the tests of its own folder must notice.

    python tests/mutations.py [--list] [--only NAME ...] [--jobs N]

Each mutation replaces one line's worth of text in a temporary copy of the package; the checkout is
never touched. The tests of the folder that belongs to the file then run until the first failure,
and that test must pass without the mutation. Where the text does not stand in its file exactly
once, the script refuses, so that the list cannot rot unseen.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from mutation_table import TABLE

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 60.0
"""Seconds within which a mutation has to be noticed."""
_COPIED = ("leo_opt", "tests", "docs", "pyproject.toml", "README.md")
_FAILED = re.compile(r"^FAILED (tests/.+?)(?: - .*)?$", re.M)


class Mutation(NamedTuple):
    """One mistake: `old` becomes `new` in a file of the package."""

    name: str
    file: str
    old: str
    new: str


class Outcome(NamedTuple):
    """What the tests made of a mutation; `caught_by` is empty where it survived."""

    mutation: Mutation
    caught_by: str
    seconds: float


MUTATIONS = [
    Mutation(name, file, old, new)
    for file, mistakes in TABLE.items()
    for name, (old, new) in mistakes.items()
]


def problems() -> list[str]:
    """What is wrong with the list itself."""
    found = []
    for mutation in MUTATIONS:
        path = ROOT / "leo_opt" / mutation.file
        count = path.read_text(encoding="utf-8").count(mutation.old) if path.is_file() else 0
        if count != 1:
            found.append(f"{mutation.name}: {mutation.old!r} stands {count} times in {path}")
        if mutation.old == mutation.new:
            found.append(f"{mutation.name} changes nothing")
    names = [mutation.name for mutation in MUTATIONS]
    return found + [f"{name} is there twice" for name in set(names) if names.count(name) > 1]


def tests_of(file: str) -> list[str]:
    """The test files of a source file's folder, the file's own first."""
    source = Path(file)
    folder, stem = source.parent, source.stem
    if folder == Path():
        return [f"tests/test_{stem}.py"]
    # Test files whose names would collide with others carry the folder in the name.
    own = {f"test_{stem}.py", f"test_{folder.name}_{stem}.py"}
    found = sorted((ROOT / "tests" / folder).glob("test_*.py"), key=lambda p: p.name not in own)
    return [str(path.relative_to(ROOT)) for path in found]


def run(mutation: Mutation) -> Outcome:
    """Let the tests loose on a copy of the package with the mutation in it."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        copy = Path(name)
        for part in _COPIED:
            source, target = ROOT / part, copy / part
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        path = copy / "leo_opt" / mutation.file
        right = path.read_text(encoding="utf-8")
        path.write_text(right.replace(mutation.old, mutation.new), encoding="utf-8")
        begin = time.monotonic()
        failed = _first_failure(copy, tests_of(mutation.file))
        seconds = time.monotonic() - begin
        path.write_text(right, encoding="utf-8")
        # A test that fails in any case has noticed nothing.
        if failed and _first_failure(copy, [failed]):
            failed = ""
        return Outcome(mutation, failed, seconds)


def _first_failure(folder: Path, tests: list[str]) -> str:
    """The first test that fails, or "" if all pass, none can be run, or the time is up."""
    pytest = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command = [*pytest, "-m", "not slow", *tests]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    found = _FAILED.search(done.stdout)
    return found[1] if done.returncode == 1 and found else ""


def main(arguments: list[str] | None = None) -> int:
    """Run mutations and print a table; 1 if any survived, 2 if the list has rotted."""
    parser = argparse.ArgumentParser(description="deliberate mistakes that the tests must notice")
    parser.add_argument("--list", action="store_true", help="print the mutations and stop")
    parser.add_argument("--only", action="append", metavar="NAME", help="run this one (repeatable)")
    parser.add_argument("--jobs", type=int, default=1, help="mutations at the same time")
    options = parser.parse_args(arguments)
    known = {mutation.name: mutation for mutation in MUTATIONS}
    unknown = [name for name in options.only or () if name not in known]
    wrong = [*problems(), *(f"no mutation is called {name}" for name in unknown)]
    if wrong:
        print(*wrong, sep="\n", file=sys.stderr)
        return 2
    chosen = [known[name] for name in options.only or known]
    if options.list:
        for mutation in chosen:
            print(f"{mutation.name:34} {mutation.file}")
        return 0
    survived = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for mutation, caught_by, seconds in pool.map(run, chosen):
            survived += not caught_by
            verdict = caught_by or "SURVIVED"
            print(f"{mutation.name:34} {mutation.file:30} {seconds:5.1f} s  {verdict}", flush=True)
    print(f"{len(chosen) - survived} of {len(chosen)} mutations were noticed")
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
