"""Seats the eyeballs: under every identity mode the ball keeps touching the lids, whatever made them move."""

from __future__ import annotations

import numpy as np

from .surface import MIRROR
from .topology import Topology

# How strongly shift (x, y, z) and growth keep the source's own values, relative to the lids' pull.
_TRUST = np.array([0.4, 0.3, 0.05, 0.1])


def seat_eyes(
    identity: np.ndarray, parity: np.ndarray, topology: Topology, vertices: np.ndarray, eye_centers: np.ndarray
) -> np.ndarray:
    """(80, V, 3) modes whose eyeballs and corneas follow the sharp lid edges as a sphere can: shift and growth.

    The left side is solved; the right mirrors it by each mode's `parity`.
    """
    rim = np.unique(topology.curve("lid_edge"))
    arm = vertices[rim] - eye_centers[1]
    reach = np.linalg.norm(arm, axis=1)
    design = np.concatenate([arm / reach[:, None], reach[:, None]], axis=1)  # (N, 4) for shift and growth
    names = ("eyeball_left", "cornea_left")
    ball = np.flatnonzero(np.isin(topology.vertex_part, [topology.part_names.index(name) for name in names]))
    offset = vertices[ball] - eye_centers[1]
    trust = np.diag(_TRUST * len(rim) * np.array([1, 1, 1, (offset**2).sum(axis=1).max()]))
    result = identity.copy()
    for mode, sign in zip(result, parity, strict=True):
        own = _sphere_motion(mode[ball], offset)
        pull = np.einsum("nd,nd->n", arm / reach[:, None], mode[rim]) - design @ own
        change = np.linalg.solve(design.T @ design + trust, design.T @ pull)
        mode[ball] = own[:3] + change[:3] + (own[3] + change[3]) * offset
        mode[topology.mirror[ball]] = sign * mode[ball] * MIRROR
    return result


def _sphere_motion(delta: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """(4,) shift and growth closest to the (N, 3) motion of points at (N, 3) `offset` from the centre."""
    design = np.concatenate([np.tile(np.eye(3), (len(offset), 1)), offset.reshape(-1, 1)], axis=1)
    return np.linalg.lstsq(design, delta.reshape(-1), rcond=None)[0]
