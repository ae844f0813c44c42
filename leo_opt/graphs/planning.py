"""What goes from a graph, as it stands or written in another way that lets more go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from leo_opt.formats.onnx.reader import Lowered, lower
from leo_opt.graphs.cutting import Cutting
from leo_opt.graphs.editing import Edits, planned
from leo_opt.graphs.head import Rewritten, find_head, replace_head
from leo_opt.graphs.known import Known
from leo_opt.graphs.models import copy
from leo_opt.graphs.removal import find_removal
from leo_opt.graphs.shuffles import find_shuffles, with_gathers
from leo_opt.graphs.sizes import with_stated_sizes
from leo_opt.graphs.walking import cut_graph


def plan_removal(
    lowered: Lowered, rewritten: Rewritten | None, known: Known
) -> tuple[Cutting, Edits]:
    """How a graph is cut, and what goes, once its dense end is replaced in place.

    Computed sizes are stated, and shuffles are a Gather, where the file is smaller for it.
    """
    best = _plan(lowered, rewritten, known)
    least = best[1].growth
    for (cutting, edits), more in _others(lowered, rewritten, known):
        if edits.growth + more < least:
            best, least = (cutting, edits), edits.growth + more
    return best


def _others(
    lowered: Lowered, rewritten: Rewritten | None, known: Known
) -> Iterator[tuple[tuple[Cutting, Edits], int]]:
    """Plans for the graph in other words, and how many numbers more those take."""
    ways = [lowered]
    stated = _again(lowered, with_stated_sizes(lowered))
    if stated is not None:
        yield _plan(stated, rewritten, known), 0
        ways.append(stated)
    for way in ways:
        shuffles = find_shuffles(way)
        while shuffles:
            other = _again(way, with_gathers(way, shuffles))
            if other is None:
                break
            cutting, edits = _plan(other, rewritten, known)
            thinned = {
                name: numbers
                for name, numbers in shuffles.items()
                if not edits.removal.keeps(cutting, cutting.tensors[name].classes).all()
            }
            if len(thinned) == len(shuffles):
                yield (cutting, edits), sum(map(len, shuffles.values()))
                break
            # Others stay as they are, byte for byte.
            shuffles = thinned


def _again(lowered: Lowered, model: Any) -> Lowered | None:
    """A model that says the same in other words, None where it is read as something else."""
    other = None if model is None else lower(model)
    same = other is not None and other.network == lowered.network
    return replace(other, network=lowered.network) if other is not None and same else None


def _plan(lowered: Lowered, rewritten: Rewritten | None, known: Known) -> tuple[Cutting, Edits]:
    """As `plan_removal`, of the graph as it stands."""
    head = None if rewritten is None else find_head(lowered)
    if head is None or rewritten is None:
        cutting = cut_graph(lowered)
    else:
        # The model is changed in place, and other plans start from it, too.
        own = replace(lowered, model=copy(lowered.model))
        changed = replace_head(own, head, rewritten)
        cutting = cut_graph(changed)
        cutting.read(head.source, rewritten.network.layers[0], changed.graph.nodes)
    return cutting, planned(cutting, partial(find_removal, cutting, known))
