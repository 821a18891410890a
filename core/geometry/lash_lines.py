"""The dark lines that roots of lashes, their shadow and make-up draw along the lids, as dark as a photo shows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .delighting import LUMINANCE, smoothstep
from .eyes import eye_of
from .face_model import FaceModel
from .head_view import HeadView
from .uv_sampling import TexelMap

_WIDTH = (0.0011, 0.0003)  # metres from the roots: no line, all of it
_SOUGHT = 0.0008  # metres above and below the roots within which the photo's line is sought: fits miss by as much
_STEPS = 5  # places between these
_USUAL = 0.5  # depth of a line that cannot be seen
_DEPTHS = (0.2, 0.92)  # of lines: lightest and darkest that are drawn
_FEW = 8  # roots, with fewer of which nothing is told


@dataclass(frozen=True, eq=False)
class LashLines:
    """Where lashes grow: upper and lower lids of both eyes, four rows."""

    roots: tuple[np.ndarray, ...]  # vertices of each row
    texels: tuple[np.ndarray, ...]  # flat texels on each line
    share: tuple[np.ndarray, ...]  # float32 in [0, 1] of each of these: how much it is the line

    @staticmethod
    def of(model: FaceModel, skin: TexelMap) -> LashLines:
        """Of a model's lashes, on the texels of its skin; empty where it has none."""
        roots = [row for side in ("left", "right") for row in _roots(model, side)]
        places, lines = skin.interpolate(model.vertices), []
        for row in roots:
            away = cKDTree(model.vertices[row]).query(places, distance_upper_bound=_WIDTH[0])[0]
            near = np.flatnonzero(np.isfinite(away))
            lines.append((skin.index[near], smoothstep(away[near], *_WIDTH)))
        return LashLines(tuple(roots), tuple(line[0] for line in lines), tuple(line[1] for line in lines))

    def draw(self, color: list[np.ndarray], view: HeadView, lit: np.ndarray, albedo: np.ndarray) -> None:
        """Darken three linear planes (S, S) along the lids, in place, where they are lighter than the photo's lines.

        `lit` (3,) is the photo's skin, linear, `albedo` (3,) the same without its light.
        """
        bright = float(lit @ LUMINANCE)
        for roots, texels, share in zip(self.roots, self.texels, self.share, strict=True):
            left = 1.0 - depth(view, roots, bright)
            for plane, skin in zip(color, albedo, strict=True):
                flat = plane.reshape(-1)
                flat[texels] += share * np.minimum(left * skin - flat[texels], 0.0)


def depth(view: HeadView, roots: np.ndarray, bright: float) -> float:
    """How much darker than skin of luminance `bright` a photo shows the line along (N,) vertices, in [0, 1]."""
    seen = view.points[roots[view.visible[roots]]]
    if len(seen) < _FEW or bright <= 0.0:
        return _USUAL
    shifts = np.linspace(-1.0, 1.0, _STEPS, dtype=np.float32) * _SOUGHT * view.metre
    places = seen[:, None, :2] + np.stack([np.zeros(_STEPS, np.float32), shifts], axis=1)
    found = (view.colors(places.reshape(-1, 2)) @ LUMINANCE).reshape(-1, _STEPS)
    return float(np.clip(1.0 - np.median(found.min(axis=1)) / bright, *_DEPTHS))


def _roots(model: FaceModel, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Vertices in which the upper and the lower lashes of a side grow: of each blade the one nearest to the eye."""
    part = model.part(f"lashes_{side}")
    rows, compact = np.unique(model.triangles[model.triangle_part == part], return_inverse=True)
    if len(rows) == 0:
        return rows, rows
    a, b, c = compact.reshape(-1, 3).T
    edges = np.concatenate([a, b, c]), np.concatenate([b, c, a])
    count, blade = connected_components(coo_matrix((np.ones(len(edges[0])), edges), shape=(len(rows),) * 2), False)
    away = np.linalg.norm(model.vertices[rows] - eye_of(model, model.vertices, side).center, axis=1)
    order = np.lexsort((away, blade))
    root = rows[order[np.searchsorted(blade[order], np.arange(count))]]
    tip = rows[order[np.searchsorted(blade[order], np.arange(count), side="right") - 1]]
    upper = model.vertices[tip, 1] > model.vertices[root, 1]
    return root[upper], root[~upper]
