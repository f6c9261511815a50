"""Embeddings as few columns: what a reference, a window and a verdict can hold.

An embedding of 768 numbers is one thing that moves, not 768 features. Its projection has at most
16 columns, the same in each process and on each machine: references, windows and workers agree.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tidegauge.batch import Floats

#: Columns of a projection. Sixteen keep the squared distance of two rows within a factor of
#: ``1 +- 2 * sqrt(2 / 16)`` for about 19 of 20 pairs.
COMPONENTS = 16

#: Wider rows are not projected: the matrix of one width is that many times 16 numbers.
MAX_WIDTH = 65_536

# Never change it: a reference that was built with another one means nothing any more.
_SEED = 20_251


def project(rows: Any) -> Floats:
    """Project rows onto at most 16 fixed orthogonal directions that a random matrix spans.

    ``rows @ Q * sqrt(width / k)`` with ``k = min(16, width)`` and ``Q`` the orthonormal factor of a
    ``(width, k)`` matrix of standard normal numbers from a fixed seed. The subspace is uniformly
    distributed over all of that dimension, so the expected squared length of a projected
    difference is the squared length of the difference: distances are kept on average, and those of
    ``k`` columns spread around it by a factor of about ``sqrt(2 / k)``.

    Parameters
    ----------
    rows : array-like of numbers, shape (n, width), 1 <= width <= 65536
        One embedding a row.

    Returns
    -------
    ndarray of float64, shape (n, min(16, width))
        A row that holds NaN, or values whose sum is not finite, is not finite.

    Raises
    ------
    ValueError
        ``rows`` are not a table, or too wide.

    Notes
    -----
    O(n * width * 16), and once a width O(width * 16 ** 2). The same numbers everywhere: the legacy
    generator's stream is frozen by numpy, and the factor's signs are fixed. Widths up to 16 are
    rotated, so every distance is kept. Agrees with the distances of ``scipy.spatial`` as stated
    (tests/test_projection.py).

    References
    ----------
    Dasgupta, S. and Gupta, A. (2003). An elementary proof of a theorem of Johnson and
    Lindenstrauss. Random Structures & Algorithms 22(1), 60-65.

    Examples
    --------
    >>> project(np.ones((3, 384))).shape
    (3, 16)
    """
    table = np.asarray(rows, dtype=np.float64)
    if table.ndim != 2 or not 1 <= table.shape[1] <= MAX_WIDTH:  # noqa: PLR2004 - a table
        raise ValueError(
            f"project rows: got an array of shape {table.shape} from the argument; expected one "
            f"embedding a row, with 1 to {MAX_WIDTH} numbers. Pool the tokens of a text first."
        )
    with np.errstate(all="ignore"):
        projected: Floats = table @ _directions(table.shape[1])
    return projected


@lru_cache(maxsize=8)
def _directions(width: int) -> Floats:
    """Return the scaled directions of one width."""
    components = min(COMPONENTS, width)
    # Not default_rng: numpy may change its stream, and has frozen this one's.
    normal = np.random.RandomState(_SEED).standard_normal((width, components))
    factor, triangle = np.linalg.qr(normal)
    signs = np.where(np.diag(triangle) < 0, -1.0, 1.0)
    directions: Floats = factor * (signs * np.sqrt(width / components))
    directions.flags.writeable = False
    return directions
