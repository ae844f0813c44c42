"""The page of a compression: whole, alone, and about this run."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from leo_opt import Box, Compression, Network, classify, compress, save
from leo_opt.cli import main
from leo_opt.report.compression_page import meaning
from leo_opt.report.compression_run import measure

VOID = {"meta"}


class Reader(HTMLParser):
    """Refuses elements that are not closed, scripts, and whatever comes from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "link", "iframe"}
        assert not {name for name, _ in attrs} & {"src", "href", "onclick", "onload"}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "rect"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def thinned(seed: int, width: int = 12) -> Compression:
    """A random network with units of every phase, compressed."""
    generator = np.random.default_rng(seed)
    shapes = ((width, 3), (width, width), (2, width))
    matrices = [generator.standard_normal(shape) for shape in shapes]
    biases = [generator.standard_normal(size) * 4.0 for size, _ in shapes]
    return compress(Network.from_arrays(matrices, biases), Box(0, 1))


@pytest.mark.parametrize("seed", range(3))
def test_the_page_is_whole_and_needs_nothing_else(seed: int, tmp_path: Path) -> None:
    compression = thinned(seed)
    compression.report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    code = re.search(r"leo_opt\.compress\(network, (.*)\)<", text)
    assert code is not None
    assert eval(code[1], {"Box": Box}).spread(3) == compression.domain.spread(3)
    for told in (compression.original_hash, compression.network.content_hash, "highspy"):
        assert told in text


def test_a_report_of_html_says_how_to_repeat_it(tmp_path: Path) -> None:
    source, target, report = (tmp_path / name for name in ("a b.npz", "b.npz", "report.html"))
    save(thinned(1).original, source)
    words = ["compress", str(source), "-o", str(target), "--box", "0", "1", "--report", str(report)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    text = report.read_text(encoding="utf-8")
    Reader().feed(text)
    assert f"compress &#x27;{source}&#x27; -o {target} --box 0 1" in text


def test_the_words_are_those_of_what_is_proved() -> None:
    network = Network.from_arrays([[[1.0], [-1.0]], [[2.0, 3.0]]], [[1.0, -1.0], [0.0]])
    compression = compress(network, classify(network, Box(0, 1)))
    assert compression.exact
    told = meaning(measure(network, compression.stability, compression, "float32", 0.0))
    assert told[0].startswith("Lossless: 100.0 % of the hidden units")
    assert "exactly the same outputs" in told[0]
