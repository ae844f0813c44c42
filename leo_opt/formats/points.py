"""Inputs of a network from files."""

from __future__ import annotations

import numpy as np

from leo_opt.errors import FileFormatError
from leo_opt.formats.npz import READ_ERRORS
from leo_opt.network import FloatArray
from leo_opt.storage.files import AnyPath, check_readable


def load_points(path: AnyPath, array: str = "") -> FloatArray:
    """Read inputs, a row a sample.

    Parameters
    ----------
    path
        A .npz file.
    array
        The name of the array; by default the only one, or the one named `inputs`.

    Returns
    -------
    (N, n) array
        An array of one dimension is one input.

    Raises
    ------
    FileFormatError
        If the file holds no such array of finite real numbers.
    """
    source = check_readable(path)
    try:
        with np.load(source, allow_pickle=False) as archive:
            names = archive.files
            chosen = array or ("inputs" if "inputs" in names or len(names) != 1 else names[0])
            if chosen not in names:
                cure = "" if array else "; say which array holds inputs, or call it `inputs`"
                held = ", ".join(names) or "nothing"
                raise FileFormatError(f"{path} has no array {chosen!r}, it holds {held}{cure}")
            values = archive[chosen]
    except FileFormatError:
        raise
    except (*READ_ERRORS, AttributeError) as error:
        raise FileFormatError(f"{path} is not a .npz file of inputs: {error}") from error
    if values.dtype.kind not in "iuf" or not values.size or not np.isfinite(values).all():
        raise FileFormatError(
            f"{path} holds {values.dtype} of shape {values.shape}; store finite numbers, a row a "
            "sample"
        )
    points: FloatArray = np.atleast_2d(values.astype(np.float64))
    return points.reshape(len(points), -1)
