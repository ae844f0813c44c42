"""How the documentation becomes a site: `python -m sphinx -W -b html docs docs/_build`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import TypeAliasForwardRef
from sphinx.writers.html5 import HTML5Translator

import leo_opt
from leo_opt.cli import main
from leo_opt.summarised import Summarised

sys.path.insert(0, str(Path(__file__).parent))
from public_names import home_of, homes, kind_of, public_names, source_of, value_of

LOG = logging.getLogger(__name__)

project = "leo_opt"
author = "the authors of leo_opt"
release = version = leo_opt.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "py:obj"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "leo_opt"
html_copy_source = False
html_show_sphinx = html_show_copyright = False
pygments_dark_style = "monokai"
html_math_renderer = "mathml"

autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
autodoc_preserve_defaults = True
autodoc_type_aliases = {
    name: name
    for name in (
        "AnyPath",
        "ArrayLike",
        "BoundMethodLike",
        "DomainLike",
        "FloatArray",
        "FormulationLike",
        "IntArray",
        "MethodLike",
        "NetworkLike",
        "StrategyLike",
        "Weight",
    )
}
# Of `FloatArray | None` Sphinx shows the repr.
TypeAliasForwardRef.__repr__ = lambda alias: alias.name
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = [
    "Adds",
    "Algorithm",
    "Convergence",
    "Exact or relaxation",
    "Mathematics",
    "Needs",
]


class PublicNames(SphinxDirective):
    """All that a module offers, from its docstrings: `:::{public} leo_opt.bounds`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        (module,) = self.arguments
        lines = [f".. automodule:: {module}", ""]
        names = public_names()[module]
        elsewhere = {name: home for name in names if (home := home_of(module, name)) != module}
        if elsewhere:
            links = ", ".join(f"`{home}.{name}`" for name, home in elsewhere.items())
            lines += [f"Also offered here: {links}.", ""]
        for name in names:
            if name not in elsewhere:
                lines += _entry(module, name)
        return self.parse_text_to_nodes("\n".join(["````{eval-rst}", *lines, "````"]))


class Commands(SphinxDirective):
    """What `--help` says of every command."""

    def run(self) -> list[nodes.Node]:
        lines = []
        for name in main.list_commands(click.Context(main)):
            command = main.get_command(click.Context(main), name)
            context = click.Context(command, info_name=f"leo-opt {name}", terminal_width=90)
            lines += [f"## leo-opt {name}", "", "```text", command.get_help(context), "```", ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def _entry(module: str, name: str) -> list[str]:
    """What explains one name."""
    value = value_of(module, name)
    kind = kind_of(value)
    if kind != "data":
        members = ["   :members:"] if kind == "class" else []
        # What values say of themselves is inherited: summary, plot, report.
        if isinstance(value, type) and issubclass(value, Summarised):
            members.append("   :inherited-members:")
        return [f".. auto{kind}:: {module}.{name}", *members, ""]
    home, original = source_of(module, name)
    text = ModuleAnalyzer.for_module(home).find_attr_docs().get(("", original))
    if not text:
        LOG.warning("%s.%s has no docstring", home, original)
    return [f".. py:data:: {name}", "", *(f"   {line}" for line in text or ()), ""]


def leave_colons(
    app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]
) -> None:
    """Keep napoleon from taking what stands in front of a colon for the type of an attribute."""
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def check_that_all_is_explained(app: Sphinx, env: BuildEnvironment) -> None:
    """A public name without an entry is a warning, and so fails the build."""
    explained = env.domains.python_domain.objects
    for (name, _), module in homes().items():
        if f"{module}.{name}" not in explained:
            LOG.warning("no page explains %s.%s", module, name)


def inline_math(translator: HTML5Translator, node: nodes.math) -> None:
    """Formulas as MathML, which browsers set without a script from elsewhere."""
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def displayed_math(translator: HTML5Translator, node: nodes.math_block) -> None:
    formula = tex2mathml(node.astext(), as_block=True)
    translator.body.append(f'<div style="overflow-x: auto; padding: 0.2rem">{formula}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    app.add_directive("public", PublicNames)
    app.add_directive("commands", Commands)
    app.connect("autodoc-process-docstring", leave_colons, priority=400)
    app.connect("env-check-consistency", check_that_all_is_explained)
    app.add_html_math_renderer("mathml", (inline_math, None), (displayed_math, None))
