"""Small dense products and solves of the fit, kept on the calling thread.

At the fit's sizes the threads of BLAS wait longer for each other than they work, above all beside those of a network
that has just run or of other programs: one LU solve of 150 unknowns took 12 ms instead of 0.25 on two busy cores.
Everything is therefore done in blocks that BLAS leaves on one thread.
"""

from __future__ import annotations

import cv2
import numpy as np

_ALONE = 262_144  # multiplications up to which OpenBLAS stays on the calling thread (4 x 65,536)
_OWN_SOLVER = 99  # unknowns up to which OpenCV solves by itself, not by LAPACK
_BLOCKS = (30, 25, 10)  # columns, what `gram` tries


def gram(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(U, U) float64 `left.T @ right` of (R, U) float32 arrays if that is symmetric.

    U is small or a multiple of 10 or 25.
    """
    rows, columns = left.shape
    if rows * columns**2 <= _ALONE:
        return (left.T @ right).astype(np.float64)
    width = next(width for width in _BLOCKS if columns % width == 0)
    blocks, step = columns // width, _ALONE // width**2
    out = np.zeros((blocks, width, blocks, width))
    for first in range(0, rows, step):
        part = slice(first, first + step)
        lefts = left[part].reshape(-1, blocks, width).transpose(1, 2, 0)
        rights = right[part].reshape(-1, blocks, width).transpose(1, 0, 2)
        for row in range(blocks):
            out[row, :, row:] += (lefts[row] @ rights[row:]).transpose(1, 0, 2)
    for row in range(1, blocks):
        out[row, :, :row] = out[:row, :, row].transpose(2, 0, 1)
    return out.reshape(columns, columns)


def solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """`matrix^-1 @ right` of a symmetric, positive definite (U, U) matrix and a (U,) right side.

    Block by block, the unknowns of a block are expressed by those after it (block LDL^T), then found in reverse.
    """
    if len(right) <= _OWN_SOLVER:
        return _solved(matrix, right[:, None])[:, 0]
    left, answer = matrix.astype(np.float64), right.astype(np.float64)
    later: list[tuple[slice, slice, np.ndarray]] = []
    for first in range(0, len(right), _OWN_SOLVER):
        own, rest = slice(first, first + _OWN_SOLVER), slice(first + _OWN_SOLVER, None)
        below = np.ascontiguousarray(left[rest, own])
        share = _solved(left[own, own], np.column_stack([left[own, rest], answer[own]]))
        share, answer[own] = share[:, :-1], share[:, -1]
        answer[rest] -= below @ answer[own]
        _subtract_product(left[rest, rest], below, share)
        later.append((own, rest, share))
    for own, rest, share in reversed(later):
        answer[own] -= np.einsum("ur,r->u", share, answer[rest])
    return answer


def _solved(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    regular, answer = cv2.solve(left, right, flags=cv2.DECOMP_CHOLESKY)
    if not regular:
        raise np.linalg.LinAlgError("the normal equations are singular")
    return answer


def _subtract_product(out: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    rows = max(_ALONE // max(right.size, 1), 1)
    for first in range(0, len(out), rows):
        part = slice(first, first + rows)
        out[part] -= left[part] @ right


def bounded_step(hessian: np.ndarray, gradient: np.ndarray, sliders: np.ndarray) -> np.ndarray:
    """Newton step (U,) with the sliders kept in [0, 1]: those that would leave are held at their bound.

    `sliders` (U,) has the present value of every slider and NaN for the unknowns that are none.
    """
    fixed = ((sliders <= 0.0) & (gradient > 0.0)) | ((sliders >= 1.0) & (gradient < 0.0))
    change = np.zeros(len(gradient))
    for _ in range(2):
        free = ~fixed
        pull = gradient[free] + hessian[np.ix_(free, fixed)] @ change[fixed]
        change[free] = -solve(hessian[np.ix_(free, free)], pull)
        target = sliders + change
        leaving = free & ((target < 0.0) | (target > 1.0))
        if not leaving.any():
            break
        change[leaving] = np.clip(target, 0.0, 1.0)[leaving] - sliders[leaving]
        fixed |= leaving
    bounded = ~np.isnan(sliders)
    change[bounded] = (np.clip(sliders + change, 0.0, 1.0) - sliders)[bounded]
    return change
