"""Structured pruning: whole inputs of a layer, or channels of a convolution, are left out.

Mathematics
-----------
The input i carries |W_i| s_i of the response, where W_i is the column of its weights and s_i the
root mean square of its values on the data, a channel what its columns carry, by their squares; the
least go, and the others take over what they can.

Algorithm
---------
Sort the inputs by their share, keep as many as there is room for, and fit the weights that are
left to the response by least squares behind the activation (`regression`). An input that no unit
reads any more leaves the layer before, too, by lossless rewriting.

Convergence
-----------
The choice is made once. The fit is a least-squares problem, see `regression`.

References
----------
H. Li, A. Kadav, I. Durdanovic, H. Samet, H. P. Graf, Pruning filters for efficient ConvNets, ICLR
2017 (by weights alone); Y. He, X. Zhang, J. Sun, Channel pruning for accelerating very deep neural
networks, ICCV 2017 (fitted to the response).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from leo_opt.approximation.methods import Method, Room
from leo_opt.approximation.parts import Parts
from leo_opt.approximation.regression import refit
from leo_opt.approximation.targets import LayerTarget
from leo_opt.arguments import Options, option, read_flag


@dataclass(frozen=True)
class Magnitude(Options, Method):
    """Fewer inputs.

    Parameters
    ----------
    nonlinear
        Whether the weights that are left are fitted behind the activation.
    """

    name: ClassVar[str] = "magnitude"
    nonlinear: bool = option(True, read_flag)

    def quick(self) -> Magnitude:
        """See `Method.quick`."""
        return Magnitude(nonlinear=False)

    def fit(self, target: LayerTarget, room: Room) -> Parts:
        """See `Method.fit`."""
        height, width = target.weight.shape
        window = target.window
        square = (target.weight**2).sum(axis=0) * (target.inputs**2).mean(axis=0)
        share = square.reshape(-1, window).sum(axis=1)
        count = int(room.numbers // (height * window + room.entry - 1))
        kept = np.zeros(width // window, dtype=bool)
        kept[np.argsort(-share, kind="stable")[:count]] = True
        kept = np.repeat(kept, window)
        weight = np.where(kept, target.weight, 0.0)
        bias = target.bias(weight, target.pre)
        support = np.broadcast_to(kept, weight.shape)
        sparse, bias = refit(target, weight, bias, support, nonlinear=self.nonlinear)
        return Parts.of(bias, sparse=sparse)
