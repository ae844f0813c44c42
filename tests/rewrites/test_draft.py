"""What a network in the making takes for known."""

from __future__ import annotations

import numpy as np
import pytest

from leo_opt import Box, Network, classify, compress


@pytest.mark.parametrize("low", [-0.05, -1e-12, -5e-324])
def test_a_unit_that_is_nearly_active_is_kept(low: float) -> None:
    network = Network.from_arrays([[[1.0]], [[1.0]]], [[0.0], [0.0]])
    stability = classify(network, Box(low, 1.0))
    for certified_only in (False, True):
        result = compress(network, stability, certified_only=certified_only)
        assert len(result.network.layers) == 2
        assert result.network(np.array([low])).tolist() == [0.0]
