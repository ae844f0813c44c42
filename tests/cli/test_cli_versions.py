"""What `leo-opt` says of itself to people and to shells."""

from __future__ import annotations

from importlib import metadata

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

import leo_opt
from leo_opt.cli import main
from leo_opt.solvers import names


def test_versions_of_everything_on_request() -> None:
    first = f"leo-opt, version {leo_opt.__version__}\n"
    assert CliRunner().invoke(main, ["--version"]).output == first
    for words in (["--version", "--all"], ["--all", "--version"]):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0
        assert done.output.startswith(first)
        told = [line.rpartition(" ")[0] for line in done.output.splitlines()]
        assert f"numpy {metadata.version('numpy')}" in done.output.splitlines()
        assert f"solver highs {metadata.version('highspy')} (open source)" in done.output
        assert all(any(f"solver {name}" in line for line in told) for name in names())
    done = CliRunner().invoke(main, ["--all", "solvers"])
    assert done.exit_code == 2
    assert "--all goes with --version" in done.output


@pytest.mark.parametrize(
    ("words", "start", "found"),
    [
        ([], "comp", "compress"),
        (["compress"], "--mini", "--minimize"),
        (["compress", "--minimize"], "multi", "multiply-adds"),
    ],
)
def test_a_shell_can_complete(words: list[str], start: str, found: str) -> None:
    complete = BashComplete(main, {}, "leo-opt", "_LEO_OPT_COMPLETE")
    assert [item.value for item in complete.get_completions(words, start)] == [found]
