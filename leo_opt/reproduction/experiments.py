"""What is reproduced, as data: networks, their training, and what the papers print of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from leo_opt.training import Setting


@dataclass(frozen=True)
class Published:
    """A row of a paper's table, as it is printed there.

    Parameters
    ----------
    accuracy, compression
        In percent, the latter of hidden units.
    removed
        Units of each hidden layer.
    """

    accuracy: str
    removed: tuple[str, ...]
    compression: str


@dataclass(frozen=True)
class TableRow:
    """Networks that differ by their seed alone.

    Parameters
    ----------
    hidden
        Units of each hidden layer.
    penalty
        Weight of the L1 norm in training.
    published
        What the paper has of them, if it prints it.
    """

    hidden: tuple[int, ...]
    penalty: float
    published: Published | None = None

    @property
    def widths(self) -> str:
        """Such as 25-25."""
        return "-".join(map(str, self.hidden))

    def name(self, seed: int) -> str:
        """Of a network: widths, L1 weight and seed."""
        return f"{self.widths}_l1_{self.penalty:g}_s{seed}"


@dataclass(frozen=True)
class Experiment:
    """Lines of a table and how their networks are trained.

    Parameters
    ----------
    title
        What is reproduced of which paper.
    rows
        Those of one shape stand together, and are trained side by side.
    """

    title: str
    rows: tuple[TableRow, ...]
    setting: Setting


def _printed(width: int, penalty: float, *figures: str) -> TableRow:
    accuracy, first, second, compression = figures
    return TableRow((width, width), penalty, Published(accuracy, (first, second), compression))


_TABLE_1 = Experiment(
    "Table 1 of Serra, Kumar, Ramalingam, Lossless Compression of Deep Neural Networks, CPAIOR "
    "2020: MNIST, means and standard errors of 31 networks a row",
    (
        _printed(25, 0.001, "95.76 ± 0.05", "5.7 ± 0.3", "5.1 ± 0.3", "22 ± 1"),
        _printed(25, 0.0002, "97.24 ± 0.02", "1.2 ± 0.1", "3.0 ± 0.4", "8.3 ± 0.7"),
        _printed(25, 0.0, "96.68 ± 0.03", "0", "0", "0"),
        _printed(50, 0.001, "96.05 ± 0.04", "16.9 ± 0.6", "12.5 ± 0.6", "29.4 ± 0.7"),
        _printed(50, 0.0002, "97.81 ± 0.02", "7.6 ± 0.4", "7.5 ± 0.5", "15.1 ± 0.6"),
        _printed(50, 0.0, "97.62 ± 0.02", "0", "0", "0"),
        _printed(100, 0.0005, "97.14 ± 0.02", "36.7 ± 0.7", "24.9 ± 0.6", "30.8 ± 0.5"),
        _printed(100, 0.0001, "98.14 ± 0.01", "18.6 ± 0.5", "11.1 ± 0.7", "14.9 ± 0.4"),
        _printed(100, 0.0, "98.00 ± 0.01", "0", "0", "0"),
    ),
    Setting(),
)
_QUICK = Experiment(
    "the shapes and L1 weights of Table 1 on the 1,797 digits of scikit-learn, 8 x 8 pixels, in a "
    "setting of its own: with the paper's rate and batches no unit is stable after so few steps",
    tuple(TableRow(row.hidden, row.penalty) for row in _TABLE_1.rows),
    Setting(rate=0.1, batch=32),
)
_WEIGHTS = tuple(25 * k / 1e6 for k in range(17))
"""L1 weights of the authors' programs, up to 4e-4 for 100-100 and to 2e-4 for all others."""
_SHAPES = ((200,) * 2, (100,) * 3, (100,) * 4, (100,) * 5, (400,) * 2)
_ISA = Experiment(
    "the MNIST networks of Serra, Yu, Kumar, Ramalingam, Scaling Up Exact Neural Network "
    "Compression by ReLU Stability, NeurIPS 2021; of 800-800 three of nine L1 weights",
    (
        *(TableRow((100, 100), penalty) for penalty in _WEIGHTS),
        *(TableRow(hidden, penalty) for hidden in _SHAPES for penalty in _WEIGHTS[:9]),
        *(TableRow((800, 800), penalty) for penalty in (0.0, 1e-4, 2e-4)),
    ),
    Setting(epochs=120),
)
EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType({"table1": _TABLE_1, "isa": _ISA})
"""On MNIST."""
QUICK: Mapping[str, Experiment] = MappingProxyType({"table1": _QUICK})
"""On the digits of scikit-learn, for a first look."""
