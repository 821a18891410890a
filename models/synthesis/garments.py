"""Clothes: a bust below the neck, with skin, shirt, collar, tie, lapels, hood or scarf-high neck, and jewellery."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick
from .cloth import Fabric, fabric_color, sample_fabric
from .head import Head
from .labels import Label
from .layers import Mesh, Posed
from .meshes import cross, grid_triangles

_COLUMNS = 61
KINDS = ("shirt", "suit", "crew", "v_neck", "hoodie", "polo", "high_neck", "blouse", "bare")
_SHARES = (0.15, 0.27, 0.2, 0.1, 0.07, 0.06, 0.05, 0.08, 0.02)
_ABOVE = 0.004  # metres between the neck's skin and cloth that lies on it


@dataclass(frozen=True, eq=False)
class Garment:
    """What one person wears."""

    kind: str  # one of KINDS
    drop: float  # depth of the neckline below the neck's base, metres
    stand: float  # height of the collar above the neck's base, metres
    width: float  # half the shoulders, metres
    slope: float  # of the shoulders: metres they fall
    fabrics: tuple[Fabric, Fabric, Fabric]  # outer, inner, tie
    tie: bool
    turn: float  # of the body against the head, radians
    lean: float  # of the body sideways, radians
    necklace: int  # 0 none, 1 chain, 2 beads
    earring: int  # 0 none, 1 stud, 2 drop, 3 hoop
    metal: np.ndarray  # (3,) float32 linear


def sample_garment(rng: np.random.Generator, long_hair: bool = False) -> Garment:
    """Suits and shirts as often as in news pictures; jewellery goes with long hair more often."""
    shares = np.array(_SHARES) * ([0.8, 0.6, 1, 1.4, 1, 0.6, 1, 2.0, 1.3] if long_hair else [1.0] * len(KINDS))
    kind = str(pick(rng, KINDS, shares / shares.sum()))
    drop = {
        "shirt": rng.uniform(0.0, 0.07), "suit": rng.uniform(0.0, 0.02), "crew": rng.uniform(0.0, 0.03),
        "v_neck": rng.uniform(0.05, 0.12), "hoodie": rng.uniform(0.01, 0.05), "polo": rng.uniform(0.02, 0.07),
        "high_neck": 0.0, "blouse": rng.uniform(0.04, 0.13), "bare": 0.13,
    }[kind]  # fmt: skip
    silver = rng.random() < 0.5
    return Garment(
        kind=kind,
        drop=float(drop),
        stand=float({"high_neck": rng.uniform(0.04, 0.065), "hoodie": 0.02}.get(kind, rng.uniform(0.022, 0.036))),
        width=float(rng.uniform(0.165, 0.235)),
        slope=float(rng.uniform(0.03, 0.075)),
        fabrics=(
            sample_fabric(rng, dark=kind == "suit"),
            sample_fabric(rng, light=kind == "suit"),
            sample_fabric(rng),
        ),
        tie=bool(kind == "suit" and rng.random() < 0.72),
        turn=float(rng.normal(0, 0.3)),
        lean=float(rng.normal(0, 0.06)),
        necklace=int(pick(rng, 3, [0.6, 0.25, 0.15] if long_hair else [0.9, 0.07, 0.03])),
        earring=int(pick(rng, 4, [0.45, 0.25, 0.15, 0.15] if long_hair else [0.94, 0.04, 0.005, 0.015])),
        metal=srgb_to_linear(np.array([0.8, 0.8, 0.82] if silver else [0.85, 0.65, 0.3]) * rng.uniform(0.6, 1.1)),
    )


@dataclass(frozen=True, eq=False)
class _Neck:
    """The neck's outline at its base."""

    y: float  # height of the base, metres
    half: float  # half width
    front: float  # z of the pit of the neck
    back: float  # z of the nape
    skin: np.ndarray  # (3,) float32 linear albedo

    @property
    def middle(self) -> float:
        """z of the neck's axis."""
        return (self.front + self.back) / 2

    @property
    def deep(self) -> float:
        """Half depth."""
        return (self.front - self.back) / 2


@lru_cache(maxsize=2)
def _neck_rows(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the vertices round the neck's narrowest place and of those at its pit."""
    chin = float(head.model.landmarks(head.rest)[8, 1])
    waist = head.skin_vertices & (np.abs(head.rest[:, 1] - (chin - 0.02)) < 0.008)
    pit = head.skin_vertices & (np.abs(head.rest[:, 1] - (chin - 0.055)) < 0.008) & (np.abs(head.rest[:, 0]) < 0.02)
    return np.flatnonzero(waist), np.flatnonzero(pit)


@lru_cache(maxsize=2)
def _lobes(head: Head) -> tuple[np.ndarray, ...]:
    """Rows of the lowest part of each ear."""
    ears = (np.flatnonzero(head.model.in_regions(name)) for name in ("ear_left", "ear_right"))
    return tuple(rows[np.argsort(head.rest[rows, 1])[: max(4, len(rows) // 25)]] for rows in ears)


def _neck_of(head: Head, posed: Posed, albedo: np.ndarray) -> _Neck:
    """Width and nape where the neck is narrowest, front at its pit, some way lower."""
    waist, pit = _neck_rows(head)
    around = posed.vertices[waist]
    return _Neck(
        y=float(around[:, 1].mean()) - 0.008,
        half=float(np.abs(around[:, 0]).max()),
        front=float(posed.vertices[pit, 2].max()),
        back=float(around[:, 2].min()),
        skin=np.median(albedo[waist], axis=0),
    )


def garment_meshes(garment: Garment, head: Head, posed: Posed, albedo: np.ndarray) -> list[Mesh]:
    """The bust, its collar and the jewellery; `albedo` is the person's (V, 3) linear vertex albedo."""
    neck = _neck_of(head, posed, albedo)
    meshes = [_bust(garment, neck), _shell(garment, neck, head, posed)]
    if garment.kind not in ("high_neck", "suit"):
        meshes.append(_chest(garment, neck))
    if garment.kind in ("shirt", "suit", "polo", "high_neck", "hoodie"):
        meshes.append(_collar(garment, neck))
    if garment.tie:
        meshes.append(_tie(garment, neck))
    if garment.necklace:
        meshes.append(_necklace(garment, neck))
    if garment.earring:
        meshes += _earrings(garment, head, posed)
    return meshes


def _profile(garment: Garment, neck: _Neck) -> list[tuple[float, float, float, float, float]]:
    """Rings of the bust: depth below the neck's base, half width, forward and backward depth, share of the turn."""
    fall, deep = garment.slope, neck.deep
    return [
        (-0.004, neck.half + 0.003, deep + 0.003, deep + 0.003, 0.0),
        (0.008, neck.half + 0.012, deep + 0.004, deep + 0.006, 0.1),
        (0.022, neck.half + 0.034, deep + 0.006, deep + 0.014, 0.4),
        (0.032, neck.half + 0.062, deep + 0.01, deep + 0.024, 0.6),
        (0.036 + fall * 0.5, garment.width * 0.8, deep + 0.02, deep + 0.035, 0.9),
        (0.036 + fall, garment.width, deep + 0.035, deep + 0.05, 1.0),
        (0.08 + fall, garment.width * 1.1, deep + 0.055, deep + 0.055, 1.0),
        (0.17 + fall, garment.width * 1.12, deep + 0.085, deep + 0.06, 1.0),
        (0.5, garment.width * 1.15, deep + 0.1, deep + 0.06, 1.0),
    ]


def _loft(garment: Garment, neck: _Neck, inset: float, rings: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turned vertices, triangles and unturned vertices of the first `rings` rings, `inset` metres under the cloth."""
    turn = np.linspace(-np.pi, np.pi, _COLUMNS)
    below, x, front, back, turned = np.array(_profile(garment, neck)[:rings]).T[:, :, None]
    vertices = _ring(turn, neck, below, x - inset, front - inset, back - inset).reshape(-1, 3)
    share = np.repeat(turned, _COLUMNS)
    moved = _turn_body(vertices, garment, neck, share)
    return moved, grid_triangles(rings, _COLUMNS), vertices.astype(np.float32)


def _bust(garment: Garment, neck: _Neck) -> Mesh:
    """The cloth over shoulders and chest, up to the neckline."""
    moved, triangles, at_rest = _loft(garment, neck, 0.0, 9)
    return Mesh(
        moved, triangles, at_rest, lambda at: _dress(garment, neck, at), int(Label.CLOTH), gloss=0.25, sharpness=8.0
    )


@lru_cache(maxsize=2)
def _shoulders(head: Head) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the model's own neck and shoulders, and their triangles on those rows."""
    low = head.skin_vertices & (head.rest[:, 1] < float(head.model.landmarks(head.rest)[8, 1]) - 0.012)
    rows = np.flatnonzero(low)
    place = np.full(len(low), -1, np.int32)
    place[rows] = np.arange(len(rows))
    inside = low[head.triangles].all(axis=1)
    return rows, place[head.triangles[inside]]


def _shell(garment: Garment, neck: _Neck, head: Head, posed: Posed) -> Mesh:
    """The same cloth on the model's own shoulders, which the loft alone would not contain."""
    rows, triangles = _shoulders(head)
    vertices = posed.vertices[rows] + 0.0025 * posed.normals[rows]
    return Mesh(
        vertices, triangles, vertices, lambda at: _dress(garment, neck, at), int(Label.CLOTH), gloss=0.25,
        sharpness=8.0, normals=posed.normals[rows],
    )  # fmt: skip


def _chest(garment: Garment, neck: _Neck) -> Mesh:
    """The skin between neck and neckline."""
    moved, triangles, at_rest = _loft(garment, neck, 0.002, 8)

    def paint(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mottled = 1.0 + 0.04 * np.sin(40 * at[:, 0]) * np.sin(55 * at[:, 1])
        return (neck.skin * mottled[:, None]).astype(np.float32), np.ones(len(at), np.float32)

    return Mesh(moved, triangles, at_rest, paint, int(Label.NECK), gloss=0.8, sharpness=12.0)


def _ring(
    turn: np.ndarray, neck: _Neck, below: np.ndarray | float, x: np.ndarray | float, front: np.ndarray | float,
    back: np.ndarray | float,
) -> np.ndarray:  # fmt: skip
    """(..., columns, 3): ellipses whose front lies lower than their sides, as the base of a neck does.

    `below`, `x`, `front` and `back` are numbers, or (rings, 1) for several rings.
    """
    ahead = np.cos(turn)
    deep = np.where(ahead > 0, front, back)
    squared = np.sign(ahead) * np.abs(ahead) ** 0.8
    y = neck.y - below - _dip(ahead)
    across = x * np.sin(turn)
    return np.stack(np.broadcast_arrays(across, y, neck.middle + deep * squared), axis=-1)


def _dip(ahead: np.ndarray) -> np.ndarray:
    """Metres by which a neck's base lies lower than at its sides; `ahead` is 1 in front, -1 at the nape."""
    return 0.006 + 0.024 * ahead


def _turn_body(vertices: np.ndarray, garment: Garment, neck: _Neck, share: np.ndarray) -> np.ndarray:
    """(N, 3) float32: each ring turned and leant with the body by its (N,) share."""
    c, s = np.cos(garment.turn * share), np.sin(garment.turn * share)
    x, y, z = vertices[:, 0], vertices[:, 1] - neck.y, vertices[:, 2] - neck.middle
    turned_x = x * c + z * s
    lean = garment.lean * share
    return np.stack([turned_x - lean * y, neck.y + y + lean * turned_x, neck.middle - x * s + z * c], axis=1).astype(
        np.float32
    )


def _dress(garment: Garment, neck: _Neck, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) linear albedo and (N,) cover of the cloth at (N, 3) unturned positions."""
    x, y, z = at[:, 0], at[:, 1], at[:, 2]
    below, front = neck.y - y, z > neck.middle
    outer, inner, _ = garment.fabrics
    color = fabric_color(outer, x, y, z)
    if garment.kind == "suit":
        open_half = np.clip(0.062 * (1.0 - (below - 0.03) / 0.26), 0.0, 0.062) + 0.004
        shirt = front & (np.abs(x) < open_half)
        color = np.where(shirt[:, None], fabric_color(inner, x, y, z), color)
        lapel = (
            front & (np.abs(x) >= open_half) & (np.abs(x) < open_half + 0.03 * np.clip((below - 0.03) / 0.07, 0.2, 1.0))
        )
        color = np.where(lapel[:, None], color * 0.82, color)
        edge = front & (np.abs(np.abs(x) - open_half) < 0.0035)
        color = np.where(edge[:, None], color * 0.45, color)
    elif garment.kind in ("shirt", "polo"):
        placket = front & (np.abs(x) < 0.0015) & (below > garment.drop)
        color = np.where(placket[:, None], color * 0.6, color)
    elif garment.kind == "hoodie":
        cord = front & (np.abs(np.abs(x) - 0.035) < 0.003) & (below > 0.02) & (below < 0.16)
        color = np.where(cord[:, None], 0.7 + 0.3 * color, color)
    cover = ~_bare(garment, neck, at)
    return color.astype(np.float32), cover.astype(np.float32)


def _bare(garment: Garment, neck: _Neck, at: np.ndarray) -> np.ndarray:
    """(N,) bool: above the neckline, which lies lower in front than at the nape as a collar does."""
    ahead = np.clip((at[:, 2] - neck.middle) / neck.deep, -1.0, 1.0)
    below = neck.y - at[:, 1] - _dip(ahead)
    reach, front = np.abs(at[:, 0]), ahead > 0
    if garment.kind in ("suit", "high_neck"):
        return below < -0.008
    if garment.kind in ("shirt", "polo", "v_neck", "hoodie"):
        wide = 0.055 if garment.kind != "v_neck" else 0.085
        return below < np.where(front, garment.drop * (1 - reach / wide), 0.0)
    if garment.kind == "bare":
        return below < np.where(front, garment.drop, 0.08) + 0.02
    wide = 0.09 if garment.kind == "crew" else 0.13
    return below < 0.012 + np.where(front, garment.drop, 0.0) * np.sqrt(np.maximum(1.0 - (reach / wide) ** 2, 0.0))


def _collar(garment: Garment, neck: _Neck) -> Mesh:
    """A band round the neck that folds over, open in front, or a roll of cloth for hoods and high necks."""
    soft = garment.kind in ("high_neck", "hoodie")
    gap = 0.0 if soft else (0.08 if garment.tie else 0.12 + 4.0 * garment.drop)
    turn = np.linspace(gap, 2 * np.pi - gap, _COLUMNS)
    off = 0.02 if garment.kind == "hoodie" else _ABOVE
    near_tip = np.minimum(turn, 2 * np.pi - turn) - gap
    point = 0.03 * np.exp(-((near_tip / 0.3) ** 2)) * (not soft)
    rows = []
    stand = garment.stand
    for below, out, tip in ((0.012, 0.002, 0.0), (0.012 - stand, 0.0, 0.0), (0.013 - stand, 0.004, 0.0),
                            (0.014 + 0.1 * stand, 0.014, 1.0)):  # fmt: skip
        ring = _ring(turn, neck, below, neck.half + off + out, neck.deep + off + out, neck.deep + off + out)
        ring[:, 1] -= tip * point
        ring[:, 2] += tip * point * 0.25
        rows.append(ring)
    vertices = np.concatenate(rows)
    moved = _turn_body(vertices, garment, neck, np.full(len(vertices), 0.2))
    fabric = garment.fabrics[1 if garment.kind == "suit" else 0]

    def paint(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return fabric_color(fabric, at[:, 0], at[:, 1], at[:, 2]).astype(np.float32), np.ones(len(at), np.float32)

    triangles = grid_triangles(len(rows), _COLUMNS)
    return Mesh(moved, triangles, vertices.astype(np.float32), paint, int(Label.CLOTH), gloss=0.25, sharpness=8.0)


def _tie(garment: Garment, neck: _Neck) -> Mesh:
    """A knot under the collar and the blade that hangs from it down the chest."""
    below = np.array([0.022, 0.03, 0.052, 0.062, 0.07, 0.16, 0.32])
    half = np.array([0.012, 0.018, 0.014, 0.011, 0.013, 0.028, 0.04])
    ahead = np.array([0.006, 0.016, 0.018, 0.012, 0.012, 0.05, 0.09])
    across = np.linspace(-1.0, 1.0, 7)
    x = half[:, None] * across
    y = np.broadcast_to(neck.y - below[:, None] - 0.002, x.shape)
    z = neck.front + ahead[:, None] + 0.006 * (1.0 - across**2)
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    moved = _turn_body(vertices, garment, neck, np.repeat([0.1, 0.1, 0.15, 0.2, 0.3, 0.8, 1.0], 7))
    fabric = garment.fabrics[2]

    def paint(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return fabric_color(fabric, at[:, 0], at[:, 1], at[:, 2]).astype(np.float32), np.ones(len(at), np.float32)

    return Mesh(
        moved, grid_triangles(len(below), 7), vertices.astype(np.float32), paint, int(Label.CLOTH), gloss=0.6,
        sharpness=14.0,
    )  # fmt: skip


def _tube(spine: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of a six-sided tube along a (K, 3) curve with (K,) radii."""
    along = np.gradient(spine, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    side = cross(along, np.array([0.31, 0.9, 0.3]))
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = cross(side, along)
    turn = np.linspace(0, 2 * np.pi, 7)
    ring = side[:, None] * np.cos(turn)[None, :, None] + up[:, None] * np.sin(turn)[None, :, None]
    vertices = spine[:, None] + ring * radius[:, None, None]
    return vertices.reshape(-1, 3).astype(np.float32), grid_triangles(len(spine), 7)


def _jewel(vertices: np.ndarray, triangles: np.ndarray, color: np.ndarray, kind: Label) -> Mesh:
    return Mesh(
        vertices, triangles, vertices,
        lambda at: (np.broadcast_to(color, (len(at), 3)).astype(np.float32), np.ones(len(at), np.float32)),
        int(kind), gloss=6.0, sharpness=50.0,
    )  # fmt: skip


def _necklace(garment: Garment, neck: _Neck) -> Mesh:
    turn = np.linspace(-2.6, 2.6, 90)
    hang = 0.012 + 0.035 * (garment.necklace == 1) * (0.5 + garment.drop * 4)
    spine = _ring(turn, neck, 0.004, neck.half + 0.014, neck.deep + 0.013, neck.deep + 0.012)
    ahead = np.maximum(np.cos(turn), 0.0) ** 2
    spine[:, 1] -= hang * ahead
    spine[:, 2] += hang * 0.35 * ahead
    thick = 0.0011 if garment.necklace == 1 else 0.0034
    radius = thick * (1.0 + (0.25 if garment.necklace == 1 else 0.5) * np.sin(np.arange(90) * 2.1))
    vertices, triangles = _tube(spine, radius)
    return _jewel(vertices, triangles, garment.metal, Label.NECKLACE)


def _earrings(garment: Garment, head: Head, posed: Posed) -> list[Mesh]:
    """A stud, drop or hoop at each lobe: the lowest part of the ear's rim."""
    meshes = []
    for lowest in _lobes(head):
        lobe = posed.vertices[lowest].mean(axis=0)
        outward = np.array([np.sign(lobe[0]) * 0.004, 0.002, 0.002])
        turn = np.linspace(0, 2 * np.pi, 20)
        if garment.earring == 3:
            size = 0.006 + 0.1 * (garment.width - 0.165)
            spine = lobe + outward + np.stack([0 * turn, size * (np.cos(turn) - 1.0), size * np.sin(turn)], axis=1)
            radius = np.full(20, 0.0013)
        else:
            length = 0.004 if garment.earring == 1 else 0.022
            spine = lobe + outward + np.linspace(0, 1, 20)[:, None] * [0.0, -length, 0.0]
            radius = 0.0026 * np.sqrt(np.maximum(np.sin(np.linspace(0.1, np.pi - 0.05, 20)), 0.02))
        vertices, triangles = _tube(spine, radius)
        meshes.append(_jewel(vertices, triangles, garment.metal, Label.EARRING))
    return meshes
