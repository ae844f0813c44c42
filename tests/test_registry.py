"""Things by name, with options from text."""

from __future__ import annotations

import pytest

from leo_opt import Box, Network, classify, formulate, propagate
from leo_opt.decisions import STRATEGIES, Cascade, PerUnit
from leo_opt.errors import InvalidInputError
from leo_opt.formulations import FORMULATIONS, Partition


def test_options_are_read_from_text() -> None:
    assert STRATEGIES.read("cascade") == Cascade()
    read = STRATEGIES.read("cascade: stages=lp+milp, search_nodes=9")
    assert read == Cascade(("lp", "milp"), search_nodes=9)
    assert STRATEGIES.read("cascade:stages=") == Cascade(())
    assert STRATEGIES.read("per-unit:skip_stable=true") == PerUnit(skip_stable=True)
    assert FORMULATIONS.read("partition:parts=3", {"seed": 5}).seed == 5


def test_a_name_with_options_does_wherever_a_name_does() -> None:
    network = Network.from_arrays([[[1.0, -1.0], [1.0, 1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
    box = Box(-1.0, 1.0)
    for text in ("cascade:stages=lp+milp", "cascade: stages = lp + milp"):
        assert STRATEGIES.find(text) == Cascade(("lp", "milp"))
    decided = classify(
        network, box, strategy="cascade:stages=lp+milp", formulation="partition:parts=2"
    )
    given = Cascade(("lp", "milp")), Partition(parts=2)
    same = classify(network, box, strategy=given[0], formulation=given[1])
    assert decided.phases == same.phases
    assert decided.statistics.formulation == same.statistics.formulation
    with pytest.raises(InvalidInputError, match="option parts of formulation partition is 'few'"):
        formulate(network, box, formulation="partition:parts=few")
    with pytest.raises(InvalidInputError, match="method crown has no option 'steps'"):
        propagate(network, box, method="crown:steps=1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cascde", "did you mean cascade"),
        ("joint:stages=lp", "strategy joint has no option 'stages'"),
        (
            "joint:random_points=1,random_points=2",
            "option random_points of strategy joint is given tw",
        ),
        ("cascade:pieces=3", "it has stages, random_points, splitting_budget, search_nodes"),
        ("cascade:search_nodes", "'search_nodes' in strategy .* is no option"),
        ("cascade:stages=lp,milp", r"several words for one key as a\+b"),
        ("cascade:search_nodes=few", "search_nodes of strategy cascade is 'few'; .* such as 250"),
        ("cascade:search_nodes=-1", "search_nodes is -1; it must be positive"),
        ("cascade:stages=pl", "stage 'pl' is unknown"),
        ("per-unit:skip_stable=perhaps", "is 'perhaps'; give a value such as False"),
    ],
)
def test_what_is_no_option_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        STRATEGIES.read(text)
