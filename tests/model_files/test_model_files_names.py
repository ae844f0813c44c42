"""Names in model files."""

from __future__ import annotations

import re

import numpy as np

from leo_opt.model_files.names import LONGEST_NAME, safe_names


def test_names_say_kind_and_address() -> None:
    known = {
        "inputs[3]": "input_3",
        "scaled_inputs[3]": "scaled_input_3",
        "scaled_pre[1,17]": "pre_1_17",
        "scaled_post[1,17]": "post_1_17",
        "is_active[1,17]": "active_1_17",
        "if_active[1,17].binary_indicator_var": "is_active_1_17",
        "if_inactive[1,17].binary_indicator_var": "inactive_1_17",
        "net.scaled_pre[1,17]": "net_pre_1_17",
        "part_if_active[1,17,2]": "part_if_active_1_17_2",
        "if_active[0,1].post_below_pre": "if_active_0_1_post_below_pre",
    }
    known["if_active[1,17].binary_indicator_var"] = "active_1_17"
    for name, wanted in known.items():
        assert safe_names([name]) == [wanted]


def test_names_are_safe_and_all_different() -> None:
    generator = np.random.default_rng(0)
    letters = list("abeE019_.-[],:<>=+*^ \u00e4'\"\\")
    names = ["", "e", "E12", "3x", "free", "Inf", "bounds", "end", "x" * 400, "x" * 399 + "y"]
    for _ in range(3000):
        names.append("".join(generator.choice(letters, size=generator.integers(1, 6))))
    safe = safe_names(names, taken=["a"])
    assert len(set(safe)) == len(safe) == len(names)
    assert "a" not in safe
    for name in safe:
        assert re.fullmatch(r"[A-DF-Za-df-z][A-Za-z0-9_]*", name)
        assert len(name) <= LONGEST_NAME
        assert name.lower() not in {"free", "inf", "bounds", "end", "st", "bin", "max"}
