"""Hair: hairlines painted on the scalp, shells over it, strips, strands and what is worn on top."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from .cards import Cards, draw_cards
from .chance import pick
from .chart import HEIGHT, METRES_PER_PIXEL, TOP, WIDTH, locate, sample
from .grooms import Groom, Hairdo, groom_strands, sample_buzz, sample_groom, sample_wisps
from .hats import Hat, hat_meshes, sample_hat
from .head import Head
from .labels import Label
from .layers import Canvas, Mesh, Posed, ShadowMap, compact_mesh
from .light import Light
from .mane import Mane, mane_mesh, sample_mane, sample_mass
from .noise import NoisePool
from .scalp import roots_of
from .strands import Strands, darken_beside, draw_strands
from .strips import LONG, BoundHair, pick_style, strip_cards

# Angle from the face's middle (degrees) at which a hairline's height is given
_ANGLES = np.array([0, 22, 42, 56, 68, 76, 84, 90, 108, 120, 138, 180.0])
_HATS = 0.13  # share of people who wear something on the head
_FULL = 0.6  # share of long hair that no light comes through
_PAINTED = {"bald": 0.06, "buzz": 0.1, "cap": 0.46, "mane": 0.38}
_GROWN = {"bald": 0.035, "buzz": 0.065, "strips": 0.3, "groom": 0.6}
_UNDER_HATS = {"bald": 0.15, "buzz": 0.15, "groom": 0.7}
# Hair that has grown: on which head, for which width of picture, in which colour
_HAIRDOS: WeakKeyDictionary[HairPlan, tuple[np.ndarray, int, tuple[float, ...], Hairdo]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class HairPlan:
    """One person's hair."""

    kind: str  # bald, buzz, cap, strips, mane, groom
    style: str  # of the strips
    scalp: np.ndarray  # (HEIGHT, WIDTH) float32 cover painted on the scalp
    volume: float  # metres that a cap stands off
    strand: np.ndarray  # (HEIGHT, WIDTH) float32 noise along the hair
    hat: Hat | None
    mane: Mane | None
    groom: Groom | None
    seed: int

    @property
    def long(self) -> bool:
        """Hair that falls below the ears."""
        tresses = self.groom is not None and self.groom.style in ("long", "tied")
        return tresses or self.mane is not None or (self.kind == "strips" and self.style in LONG)


def sample_hair(rng: np.random.Generator, noise: NoisePool, styles: tuple[str, ...], strips: bool = True) -> HairPlan:
    """Hair of strips and strands; without `strips` a painted shell or sheet. Now and then under a hat."""
    hat = sample_hat(rng, noise) if rng.random() < _HATS else None
    shares = _PAINTED if not strips else _GROWN if hat is None else _UNDER_HATS
    kind = str(pick(rng, list(shares), np.array(list(shares.values()))))
    if kind == "strips" and not styles:
        kind = "groom"
    strand = noise.cut(rng, "strand")
    balding = kind in ("bald", "buzz") or (kind in ("cap", "groom") and rng.random() < 0.12)
    fringe = kind in ("cap", "mane", "groom") and not balding and rng.random() < 0.3
    style = pick_style(rng, styles)
    groom = sample_groom(rng, fringe, "crop" if balding else None) if kind == "groom" else None
    if kind == "buzz" and strips:
        groom = sample_buzz(rng)
    if kind == "strips":
        groom = sample_wisps(rng, "long" if style in LONG else "crop")
    mane = sample_mane(rng, noise) if kind == "mane" else None
    if kind == "groom" and groom is not None and groom.style == "long" and hat is None and rng.random() < _FULL:
        mane = sample_mass(rng, noise, groom.length, groom.volume)
    scalp = _hairline(rng, balding and rng.random() < 0.7, fringe and kind != "groom", strand)
    if kind == "bald":
        scalp = scalp * (rng.uniform(0.0, 0.4) if rng.random() < 0.7 else 0.0)
    if kind == "buzz":
        scalp = scalp * rng.uniform(0.35, 0.85)
    return HairPlan(
        kind=kind,
        style=style,
        scalp=scalp.astype(np.float32),
        volume=float(rng.uniform(0.003, 0.03)) if kind in ("cap", "mane") else 0.0015,
        strand=strand,
        hat=hat,
        mane=mane,
        groom=groom,
        seed=int(rng.integers(2**31)),
    )


def _hairline(rng: np.random.Generator, balding: bool, fringe: bool, strand: np.ndarray) -> np.ndarray:
    """(HEIGHT, WIDTH) float32 cover of the scalp, with a ragged edge."""
    front = rng.uniform(0.056, 0.076)
    recede = rng.uniform(0.0, 0.014)
    if balding:
        front, recede = rng.uniform(0.075, 0.13), rng.uniform(0.01, 0.03)
    if fringe:
        front, recede = rng.uniform(0.018, 0.045), 0.0
    sideburn = rng.uniform(-0.035, 0.008)
    temple = min(0.045 if not fringe else 0.02, front)
    heights = [front, front + recede * 0.6, front - 0.004 + recede, temple, 0.018, sideburn, sideburn, 0.012, 0.012]
    heights += [-0.02, -0.062, rng.uniform(-0.1, -0.07)]
    angle = (np.arange(WIDTH) / WIDTH - 0.5) * 360.0
    skew = rng.normal(0, 0.004) * np.sin(np.radians(angle)) * (np.abs(angle) < 60)
    line = (np.interp(np.abs(angle), _ANGLES, heights) + skew).astype(np.float32)
    rows = int((TOP + 0.12) / METRES_PER_PIXEL)  # no hair of the head is rooted below
    height = (TOP - (np.arange(rows, dtype=np.float32) + 0.5) * METRES_PER_PIXEL).astype(np.float32)
    soft = rng.uniform(0.004, 0.012) if not fringe else 0.008
    cover = np.zeros((HEIGHT, WIDTH), np.float32)
    distance = height[:, None] - line[None, :] + 0.35 * soft * strand[:rows]
    np.clip(distance / soft + 0.5, 0.0, 1.0, out=cover[:rows])
    return cover


def hair_meshes(plan: HairPlan, head: Head, posed: Posed, neutral: np.ndarray, color: np.ndarray) -> list[Mesh]:
    """The shells of one person's hair, and the hat. `neutral` is (V, 3), the identity at rest; `color` (3,) linear."""
    meshes = []
    if plan.mane is not None:
        meshes.append(mane_mesh(plan.mane, head, neutral, color, gloss=0.2 + 0.5 * (plan.seed % 7) / 7))
    if plan.kind in ("cap", "mane") and plan.hat is None:
        meshes.append(_cap(plan, head, posed, color))
    if plan.hat is not None:
        meshes += hat_meshes(plan.hat, head, posed)
    return meshes


def hair_cards(plan: HairPlan, styles: dict[str, BoundHair], neutral: np.ndarray, color: np.ndarray) -> list[Cards]:
    """The strips of one person's hair on the (V, 3) identity at rest; `color` (3,) linear."""
    if plan.kind != "strips" or plan.style not in styles:
        return []
    return [strip_cards(styles[plan.style], neutral, plan.strand, plan.seed, color, plan.style in LONG)]


def hair_strands(plan: HairPlan, head: Head, posed: Posed, neutral: np.ndarray, color: np.ndarray) -> list[Strands]:
    """The strands of one person's hair; `color` (3,) linear.

    They grow once, on the (V, 3) identity at rest, and follow the scalp of the posed head.
    """
    if plan.groom is None:
        return []
    known = _HAIRDOS.get(plan)
    if known is None or known[0] is not neutral or known[1:3] != (posed.camera.width, tuple(color)):
        free = None if plan.hat is None else ~plan.hat.hides(roots_of(head).places)
        at_rest = Posed.of(posed.camera, neutral, head)
        hairdo = groom_strands(plan.groom, plan.scalp, head, at_rest, color, free)
        known = _HAIRDOS[plan] = (neutral, posed.camera.width, tuple(color), hairdo)
    return known[3].carried(roots_of(head), posed.vertices - neutral)


def _cap(plan: HairPlan, head: Head, posed: Posed, color: np.ndarray) -> Mesh:
    """A shell that stands off the scalp where hair grows, thicker on top."""
    places = locate(head.rest)
    cover = sample(plan.scalp, places)[:, 0] * head.skin_vertices
    cover[np.isin(head.label, (Label.EAR_LEFT, Label.EAR_RIGHT, Label.MOUTH))] = 0.0
    bump = sample(plan.strand, places)[:, 0]
    rise = np.clip((head.rest[:, 1] + 0.02) / 0.1, 0.25, 1.0)
    thickness = cover * (0.0015 + plan.volume * rise * (0.8 + 0.12 * bump))
    vertices = posed.vertices + posed.normals * thickness[:, None]
    used = (cover[head.triangles] > 0.02).all(axis=1)

    def paint(attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = locate(attributes)
        strand, here = sample(plan.strand, at)[:, 0], sample(plan.scalp, at)[:, 0]
        albedo = color * np.exp(0.35 * strand)[:, None]
        return albedo, np.clip((here - 0.45 + 0.15 * strand) * 4.0, 0.0, 1.0)

    return compact_mesh(vertices, head.triangles[used], head.rest, paint, Label.HAIR, gloss=0.6, sharpness=12.0)


def lay_hair(
    canvas: Canvas, cards: list[Cards], strands: list[Strands], posed: Posed, light: Light, shadow: ShadowMap | None
) -> None:
    """Draw strips and strands into the canvas, with the soft shadow on what is just beside them."""
    for bundle in (*cards, *strands):
        solid = np.isfinite(canvas.depth)
        if isinstance(bundle, Cards):
            cover = draw_cards(canvas, bundle, posed, light, shadow)
        else:
            cover = draw_strands(canvas, bundle, posed, light, shadow)
        darken_beside(canvas, solid, cover, posed)
