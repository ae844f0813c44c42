"""Properties of polytopes, and the polytopes of properties."""

from __future__ import annotations

from pathlib import Path

from leo_opt import Polytope, load_domain
from leo_opt.network import Network
from leo_opt.verification import Decision, keep_class, verify


def test_properties_have_the_rows_of_their_polytope() -> None:
    network = Network.from_arrays([[[1.0, 0.0], [0.0, 1.0]]], [[0.0, 0.0]])
    below = Polytope((0.0, 1.0), [[-1.0, 1.0]], [-0.25])
    assert verify(network, keep_class(below, 0, 2)).answer is Decision.HOLDS
    assert verify(network, keep_class(below.box, 0, 2)).answer is Decision.VIOLATED


def test_the_polytope_of_a_file(tmp_path: Path) -> None:
    text = "".join(f"(declare-const {name} Real)" for name in ("X_0", "X_1", "Y_0"))
    text += "".join(f"(assert (and (>= X_{k} 0) (<= X_{k} 1)))" for k in range(2))
    text += "(assert (<= (+ X_0 (* 0.1 X_1)) 0.3))(assert (>= Y_0 0.5))"
    path = tmp_path / "joint.vnnlib"
    path.write_text(text)
    polytope = load_domain(path, 2)
    assert isinstance(polytope, Polytope)
    assert polytope.weight.tolist() == [[1.0, 0.1]]
    assert 0.3 <= polytope.bound[0] < 0.3 + 1e-15
