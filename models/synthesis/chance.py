"""Draws among few options, several times quicker than NumPy's `choice` and equal to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, overload

import numpy as np

Option = TypeVar("Option")


@overload
def pick(rng: np.random.Generator, options: int, shares: Sequence[float] | np.ndarray) -> int: ...
@overload
def pick(rng: np.random.Generator, options: Sequence[Option], shares: Sequence[float] | np.ndarray) -> Option: ...
@overload
def pick(rng: np.random.Generator, options: np.ndarray, shares: Sequence[float] | np.ndarray) -> np.ndarray: ...
def pick(rng, options, shares):
    """One of the options, or of the numbers below an int, by shares of any sum.

    Takes one number from the stream and gives what `pick(rng, options, shares)` would.
    """
    if not isinstance(options, int) and len(options) != len(shares):
        raise ValueError(f"{len(options)} options have {len(shares)} shares.")
    shares = [float(share) for share in shares]
    left, row = float(rng.random()) * sum(shares), 0
    while row < len(shares) - 1 and left >= shares[row]:
        left -= shares[row]
        row += 1
    return row if isinstance(options, int) else options[row]
