"""`leo-opt --version`, and with `--all` everything that a result may depend on."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import click

import leo_opt

_ALL = "leo_opt.all_versions"
_OPTIONAL = ("distributed", "matplotlib", "onnxruntime", "scikit-learn", "torch")


def version_options(command: Any) -> Any:
    """Both options; the second one is read first, wherever it stands."""
    command = click.option(
        "--version", is_flag=True, expose_value=False, callback=_tell, help="Show the version."
    )(command)
    return click.option(
        "--all",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_keep,
        help="With --version: of solvers and libraries, too.",
    )(command)


def _keep(context: click.Context, _option: click.Parameter, given: bool) -> None:
    context.meta[_ALL] = given


def _tell(context: click.Context, _option: click.Parameter, given: bool) -> None:
    """Print and end."""
    everything = context.meta[_ALL]
    if given:
        click.echo(f"leo-opt, version {leo_opt.__version__}")
        if everything:
            click.echo("\n".join(_lines()))
        context.exit()
    if everything:
        context.fail("--all goes with --version")


def _lines() -> list[str]:
    """Versions of Python, of libraries, and of solvers with what their licences are."""
    from leo_opt.report.compression_run import describe_versions
    from leo_opt.solvers import survey

    versions = describe_versions()
    del versions["leo-opt"]
    for name in _OPTIONAL:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    for record in survey():
        told = f"{record.version} ({record.licence})" if record.installed else "not installed"
        versions[f"solver {record.name}"] = record.problem or told
    return [f"{name} {version}" for name, version in versions.items()]
