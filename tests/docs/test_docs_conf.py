"""The site is built without a warning, and its pages are right in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from browser import DESK, PHONE, browser
from pictures import PICTURES

pytestmark = pytest.mark.system
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that LEO_OPT_SITE names, or a site that is built now."""
    if named := os.environ.get("LEO_OPT_SITE"):
        return Path(named)
    pytest.importorskip("sphinx", reason="the site is built with the docs extra")
    folder = tmp_path_factory.mktemp("site")
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "sphinx", "-W", "-q", str(ROOT / "docs"), str(folder)]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, check=True)
    return folder


def test_pages_are_right_on_a_phone_and_a_desk(site: Path) -> None:
    pages = sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)
    assert len(pages) > 30
    with browser() as tab:
        wide = {}
        for page in pages:
            tab.open(page, PHONE)
            wide[page.name] = tab.beyond()
        for dark in (False, True):
            tab.open(site / "index.html", DESK, dark=dark)
            wide[f"index {dark}"] = tab.beyond()
        assert not {name: found for name, found in wide.items() if found}
        assert not tab.said


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_those_of_today(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PICTURES[name]()
