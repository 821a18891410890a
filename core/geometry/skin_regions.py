"""Which parts of the head the photo may colour, and what it may show there; fixed per face model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .delighting import Tolerance, smoothstep
from .face_model import FaceModel
from .mesh_smoothing import SurfaceBlur

_BROWS = ("brow_right", "brow_left")
_LIPS = ("upper_lip", "lower_lip")
_SOCKETS = ("socket_right", "socket_left")
_LIDS = ("lids_right", "lids_left")
_COLUMN = 0.006  # metres to the side within which hair on the forehead hangs from above
_ORBIT, _BROW = (0.016, 0.010), (0.004, 0.0)  # metres from the eyes, and from the brows
_BEARD_LINE = 0.012  # metres above chin and jaw that a beard may reach
_INNER_LIPS = (0.003, 0.006)  # metres from the skin round the lips
_EARS = ("ear_right", "ear_left")
_BEARD_CHEEK, _BEFORE_EARS = (0.040, 0.024), (0.030, 0.015)  # metres from chin and jaw, and from the ears


@dataclass(frozen=True, eq=False)
class SkinRegions:
    """Vertex tables of one face model; all (V,) float32 in [0, 1] unless said otherwise."""

    skin: np.ndarray  # (V,) bool: the skin surface
    allowed: np.ndarray  # how much the photo may say, by distance from scalp, ears, neck, eyes and mouth
    plain: np.ndarray  # skin without lips, brows and lids: where the light is read
    even: np.ndarray  # skin away from lips, brows and lashes, whose edges the fit may miss by millimetres
    scalp: np.ndarray  # 1 on the scalp, 0 elsewhere
    crown: np.ndarray  # (V,) bool: scalp above the forehead, where the hair's colour is read
    forehead: np.ndarray  # where hair may hang into the face
    tolerance: Tolerance
    bare: np.ndarray  # where nothing of a face is darker than its surroundings by much: glasses show there
    lined: np.ndarray  # round brows and lashes
    orbits: np.ndarray  # round the eyes, from the brows to below the lower lids
    landmark_weights: np.ndarray  # (V, 68 + D) float32, rows sum to 1 or less
    fine: SurfaceBlur  # 4 mm: cleans masks
    hairline: SurfaceBlur  # 7 mm: rounds the edges of vertex labels
    coarse: SurfaceBlur  # 10 mm: complexion, not detail
    wide: SurfaceBlur  # 28 mm: what counts as light
    edges: np.ndarray  # (E, 2) int32 edges of the skin's triangles
    beard: np.ndarray  # where beards grow
    full_beard: np.ndarray  # where full ones do: there too, and on the lower cheeks up to the ears
    lips: np.ndarray  # the lips, fading over two millimetres
    inner_lips: np.ndarray  # the lips without their outer rims
    column: tuple[np.ndarray, np.ndarray]  # (N,) forehead vertices; (N, N) bool: the second lies below the first

    def hung(self, fringe: np.ndarray) -> np.ndarray:
        """(V,) fringe with all that lies above it on the forehead: it hangs from the scalp."""
        rows, below = self.column
        out = fringe.copy()
        out[rows] = np.maximum(fringe[rows], np.where(below, self.fine(fringe)[rows], 0.0).max(axis=1, initial=0.0))
        return out

    def pieces(self, mask: np.ndarray) -> np.ndarray:
        """(V,) int: number of the connected piece of skin inside the (V,) bool `mask`, 0 outside it."""
        inner = self.edges[mask[self.edges].all(axis=1)]
        graph = coo_matrix((np.ones(len(inner), bool), inner.T), shape=(len(mask), len(mask)))
        return np.where(mask, connected_components(graph, directed=False)[1] + 1, 0)


@lru_cache(maxsize=2)
def skin_regions(model: FaceModel) -> SkinRegions:
    """Tables of `model`, made once."""
    skin = model.vertex_part == model.part("skin")
    inside = ("mouth_bag", *_SOCKETS, "nostril")
    scalp_distance = _distance(model, "scalp")
    margins = ((scalp_distance, 0.010), (_distance(model, *_EARS), 0.008), (_distance(model, "neck"), 0.012))
    allowed = np.ones(len(model.vertices), np.float32)
    for distance, width in (*margins, *((_distance(model, name), 0.0015) for name in inside)):
        allowed *= smoothstep(distance, 0.0, width)
    allowed[~skin | model.in_regions("scalp", "neck", "none", *_EARS, *inside)] = 0.0
    plain = allowed * ~model.in_regions(*_LIPS, *_BROWS, *_LIDS)
    beard = _beard(model)
    triangles = model.triangles[model.triangle_part == model.part("skin")]
    return SkinRegions(
        skin=skin,
        allowed=allowed,
        plain=plain.astype(np.float32),
        even=_even(model),
        scalp=(skin & model.in_regions("scalp")).astype(np.float32),
        crown=_crown(model),
        forehead=_forehead(model),
        tolerance=_tolerance(model),
        bare=_bare(model),
        orbits=_orbits(model),
        lined=smoothstep(_distance(model, *_BROWS, *_SOCKETS), 0.012, 0.008),
        landmark_weights=_landmark_weights(model),
        fine=SurfaceBlur(model.vertices, triangles, 0.004),
        hairline=SurfaceBlur(model.vertices, triangles, 0.007),
        coarse=SurfaceBlur(model.vertices, triangles, 0.010),
        wide=SurfaceBlur(model.vertices, triangles, 0.028),
        edges=np.unique(np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0),
        beard=beard,
        full_beard=np.maximum(beard, _lower_cheeks(model)) * _below_hair(model),
        lips=smoothstep(_distance(model, *_LIPS), 0.002, 0.0),
        inner_lips=model.in_regions(*_LIPS) * smoothstep(_distance(model, *_round_lips(model)), *_INNER_LIPS),
        column=_column(model),
    )


def _distance(model: FaceModel, *names: str) -> np.ndarray:
    """(V,) metres to the nearest vertex of the regions on the mean head; large when there is none."""
    inside = model.in_regions(*names) & (model.vertex_part == model.part("skin"))
    if not inside.any():
        return np.full(len(model.vertices), 1.0, np.float32)
    return cKDTree(model.vertices[inside]).query(model.vertices)[0].astype(np.float32)


def _round_lips(model: FaceModel) -> list[str]:
    """Regions of skin outside the mouth, without the lips."""
    return [name for name in model.region_names if name not in (*_LIPS, "mouth_bag")]


def _orbits(model: FaceModel) -> np.ndarray:
    """1 round the eyes and on the brows, fading."""
    eyes = smoothstep(_distance(model, *_SOCKETS), *_ORBIT)
    return np.maximum(eyes, smoothstep(_distance(model, *_BROWS), *_BROW))


def _forehead(model: FaceModel) -> np.ndarray:
    away = smoothstep(_distance(model, *_BROWS), 0.004, 0.012)
    return np.where(model.in_regions("forehead"), away, 0.0).astype(np.float32)


def _column(model: FaceModel) -> tuple[np.ndarray, np.ndarray]:
    rows = np.flatnonzero(model.in_regions("forehead"))
    x, y = model.vertices[rows, 0], model.vertices[rows, 1]
    return rows, (np.abs(x[:, None] - x) < _COLUMN) & (y[:, None] > y)


def _crown(model: FaceModel) -> np.ndarray:
    scalp = model.in_regions("scalp")
    if not scalp.any():
        return scalp
    return scalp & (model.vertices[:, 2] > np.median(model.vertices[scalp, 2]))


def _beard(model: FaceModel) -> np.ndarray:
    """1 where beards and moustaches grow, fading over a centimetre and a half."""
    inside = (_distance(model, "chin", "jaw") < _BEARD_LINE) | (_distance(model, "upper_lip") < 0.018)
    distance = cKDTree(model.vertices[inside]).query(model.vertices)[0]
    return smoothstep(distance, 0.015, 0.0)


def _lower_cheeks(model: FaceModel) -> np.ndarray:
    """1 on lower cheeks and before the ears, fading towards nose, eyes and cheekbones."""
    cheeks = smoothstep(_distance(model, "chin", "jaw"), *_BEARD_CHEEK)
    before_ears = smoothstep(_distance(model, *_EARS), *_BEFORE_EARS)
    away = smoothstep(_distance(model, "nose"), 0.008, 0.016) * smoothstep(_distance(model, *_SOCKETS), 0.012, 0.024)
    return np.maximum(cheeks, before_ears) * away * model.in_regions("cheek_right", "cheek_left", "chin", "jaw")


def _below_hair(model: FaceModel) -> np.ndarray:
    """1 below the tip of the nose, fading to the height of its middle, above which the hair's own sideburns hang."""
    height = model.vertices[model.in_regions("nose"), 1]
    if len(height) == 0:
        return np.ones(len(model.vertices), np.float32)
    return smoothstep(model.vertices[:, 1], float(np.median(height)), float(height.min()))


def _bare(model: FaceModel) -> np.ndarray:
    dark = ((_BROWS, 0.003), (_SOCKETS, 0.004), (("nostril",), 0.006), (("upper_lip",), 0.016))
    out = np.ones(len(model.vertices), np.float32)
    for names, reach in dark:
        out *= smoothstep(_distance(model, *names), reach, reach + 0.002)
    out *= smoothstep(_distance(model, "chin", "jaw"), _BEARD_LINE, _BEARD_LINE + 0.003)
    return out * ~model.in_regions(*_LIPS, "mouth_bag")


def _even(model: FaceModel) -> np.ndarray:
    away = ((_LIPS, 0.003), (_BROWS, 0.003), (_SOCKETS, 0.004), (("nostril",), 0.003))
    out = np.ones(len(model.vertices), np.float32)
    for names, reach in away:
        out *= smoothstep(_distance(model, *names), 0.5 * reach, 1.5 * reach)
    return out


def _tolerance(model: FaceModel) -> Tolerance:
    """Beards and brows may be dark, lips may be painted; cheeks and nose may not turn black or blue."""
    count = len(model.vertices)
    darker = np.full(count, 0.85, np.float32)
    brighter = np.full(count, 0.75, np.float32)
    chroma = np.full(count, 0.32, np.float32)
    hairy = (_distance(model, "chin", "jaw") < _BEARD_LINE) | (_distance(model, "upper_lip") < 0.018)
    hairy |= model.in_regions(*_LIPS)
    darker[hairy], chroma[hairy] = 2.2, 0.5
    browed = (_distance(model, *_BROWS) < 0.004) | (_distance(model, *_SOCKETS) < 0.003)
    darker[browed], chroma[browed] = 2.5, 0.6
    lips = model.in_regions(*_LIPS)
    chroma[lips] = 0.9
    return Tolerance(darker=darker, brighter=brighter, chroma=chroma)


def _landmark_weights(model: FaceModel, radius: float = 0.010) -> np.ndarray:
    points = np.concatenate([model.landmarks(model.vertices), model.dense_landmarks(model.vertices)])
    distance, nearest = cKDTree(points).query(model.vertices, k=6)
    weight = np.exp(-((distance / radius) ** 2) / 2).astype(np.float32)
    total = weight.sum(axis=1, keepdims=True)
    weight /= np.maximum(total, 0.2)  # far from every landmark nothing is known
    out = np.zeros((len(model.vertices), len(points)), np.float32)
    np.put_along_axis(out, nearest, weight, axis=1)
    return out


def occlusion(regions: SkinRegions, visibility: np.ndarray) -> np.ndarray:
    """(V,) float32: 1 where the nearest of the (68 + D,) landmarks are seen to be hidden."""
    hidden = regions.landmark_weights @ (1.0 - visibility.astype(np.float32))
    return smoothstep(hidden, 0.35, 0.65)
