"""Runs the examples of a page of the documentation, all of them, in the order of the page.

A comment before a block says what a reader would do with it besides copying it:

    <!-- example: NAME -->    keep its names for a test that asks about them
    <!-- file: NAME -->       save it under that name, and run nothing
    <!-- needs: PACKAGE -->   leave it alone where that is not installed
    <!-- not run: WHY -->     leave it alone
    <!-- printed -->          compare it with what was printed since the last such block, but for
                              numbers; it stands alone

Several of these stand in one comment with "; " between them.

The two commands of the README that set up an environment are run elsewhere, in a fresh one.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import networks

ROOT = Path(__file__).parent.parent
NETWORK = ROOT / "leo_opt" / "data" / "mnist_25-25_l1_0.001_s0.onnx"
_BLOCK = re.compile(r"^(?:<!-- ([^\n]*?) -->\n)?```(\w+)\n(.*?)^```", re.M | re.S)
_RUN_ELSEWHERE = ("demo command", "test command")
_FILES = re.compile(r"\S+\.(?:onnx|vnnlib)")
_NUMBER = re.compile(r"\d[\d.]*(?:e[-+]?\d+)?")
_ANSWERS = (0, 1, 3)
"""Exit codes of commands that did what they were asked, such as `verify`."""


class Block(NamedTuple):
    """One example: what it is written in, what the comment before it says, and its text."""

    language: str
    comment: str
    text: str

    def note(self, kind: str) -> str:
        """What the comment says of a kind, or ""."""
        notes = dict(part.partition(": ")[::2] for part in self.comment.split("; "))
        return notes.get(kind, "")


def blocks(page: Path) -> Iterator[Block]:
    """The examples of a page, in order."""
    for comment, language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        yield Block(language, comment, text)


def run_page(page: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Run all examples of a page in a folder, as a reader does who copies one after the other.

    Returns
    -------
    dict
        For every example that has a name, the names that are there once it has run.
    """
    prepare(folder)
    names: dict[str, Any] = {"__name__": "example"}
    left, output = {}, io.StringIO()
    before = Path.cwd()
    os.chdir(folder)
    try:
        for block in blocks(page):
            package = block.note("needs")
            if block.note("not run") or block.comment in _RUN_ELSEWHERE:
                continue
            if package and find_spec(package) is None:
                continue
            if block.note("file"):
                (folder / block.note("file")).write_text(block.text, encoding="utf-8")
                continue
            if block.comment == "printed":
                printed = _shapes(output.getvalue())
                output.seek(0)
                output.truncate()
                # Each line is looked for behind the one before it.
                lost = [line for line in _shapes(block.text) if line not in printed]
                assert block.text.strip(), f"{page.name} shows an empty block as printed"
                assert not lost, f"{page.name} shows what is not printed: {lost}"
                continue
            with redirect_stdout(output):
                _RUNNERS.get(block.language, _ignore)(block.text, names)
            if block.note("example"):
                left[block.note("example")] = dict(names)
    finally:
        os.chdir(before)
    return left


def prepare(folder: Path) -> None:
    """What a reader has: the checkout, an activated environment, and a network."""
    shutil.copy(NETWORK, folder / "net.onnx")
    for name in ("leo_opt", "benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    code = "from leo_opt.cli import main; main()"
    command = programs / "leo-opt"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
    command.chmod(0o755)
    (programs / "activate").write_text(f'PATH="{programs}:$PATH"\n')


def _shapes(text: str) -> Iterator[str]:
    """Lines without numbers, which are not the same on every machine, and without their spacing."""
    for line in text.splitlines():
        yield " ".join(_NUMBER.sub("#", line).split())


def _python(text: str, names: dict[str, Any]) -> None:
    exec(compile(text, "example", "exec"), names)


def _shell(text: str, _: dict[str, Any]) -> None:
    done = _bash(f"set -e\n{text}")
    assert done.returncode in _ANSWERS, (text, done.stderr)


def _console(text: str, _: dict[str, Any]) -> None:
    """The commands after each prompt; what they print is shown, not run."""
    for line in text.splitlines():
        if line.startswith("$ ") and all(map(_find, _FILES.findall(line))):
            _shell(line[2:], {})


def _find(name: str) -> bool:
    """Whether a file is here, or among the networks that are not part of the repository."""
    if not Path(name).exists():
        for found in networks.FOLDER.glob(f"*/{name}"):
            shutil.copy(found, name)
    return Path(name).exists()


def _bash(text: str) -> subprocess.CompletedProcess[str]:
    folder = Path.cwd()
    paths = f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    package = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        ["bash", "-c", text],
        env=os.environ | {"PATH": paths, "PYTHONPATH": package},
        capture_output=True,
        text=True,
        check=False,
    )


def _ignore(text: str, names: dict[str, Any]) -> None:
    """Blocks that show what is printed or how a file looks."""


_RUNNERS = {"python": _python, "sh": _shell, "console": _console}
