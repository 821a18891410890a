"""The shapes and paints of things that people hold: each in its own frame, metres, y up and z towards the viewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick
from .chart import sample
from .prints import HEIGHT, WIDTH, printed
from .solids import Solid, ball, joined, slab, tube, turned

Paint = Callable[[np.ndarray], np.ndarray]  # (N, 3) own places, metres -> (N, 3) linear albedo


@dataclass(frozen=True)
class Look:
    """What a thing is painted with."""

    color: np.ndarray  # (3,) float32 encoded
    print: str  # of `prints.PRINTS`


def _plain(color: np.ndarray) -> Paint:
    linear = srgb_to_linear(color)
    return lambda at: np.tile(linear, (len(at), 1))


def _covered(look: Look, rng: np.random.Generator, half: tuple[float, float]) -> Paint:
    """A printed picture over the front, `half` sizes in metres."""
    texture = printed(rng, look.print, look.color)

    def paint(at: np.ndarray) -> np.ndarray:
        place = (np.clip(at[:, :2] / half, -1, 1) * 0.5 + 0.5) * np.array([WIDTH - 1, HEIGHT - 1])
        return sample(texture, place.astype(np.float32))

    return paint


def _phone(look: Look, rng: np.random.Generator) -> tuple[Solid, Paint, float]:
    """Its back, with the camera in a corner, or its glass face."""
    half = (0.036, 0.075, 0.0042)
    dark = rng.random() < 0.5
    color = srgb_to_linear(np.full(3, rng.uniform(0.04, 0.15)) if dark else look.color)
    lenses = np.array([(-0.022, 0.058), (-0.022, 0.04), (-0.006, 0.049)])[: rng.integers(1, 4)]
    glass = srgb_to_linear(np.full(3, 0.05))

    def paint(at: np.ndarray) -> np.ndarray:
        out = np.tile(color, (len(at), 1))
        far = np.linalg.norm(at[:, None, :2] - lenses[None], axis=2).min(axis=1)
        out[(far < 0.0105) & (far >= 0.0078)] = color * 0.5 + 0.15
        out[far < 0.0078] = glass
        out[np.abs(at[:, 0]) > half[0] * 0.97] = color * 0.6 + 0.1
        return out

    return slab(half), paint, 3.0


def _microphone(look: Look, rng: np.random.Generator) -> tuple[Solid, Paint, float]:
    """Foam or a wire basket on a handle, now and then with a station's cube."""
    radius = rng.uniform(0.017, 0.034)
    round_head = ball((radius, radius * rng.uniform(1.0, 1.5), radius), 10, 16)
    body = turned(np.array([[0.011, -radius * 0.9], [0.014, -radius - 0.01], [0.012, -0.1], [0.01, -0.24]]), 12)
    parts = [round_head, body]
    cube = rng.random() < 0.3
    if cube:
        points, faces = slab((0.026, 0.026, 0.026), 0.1)
        parts.append((points + [0.0, -radius - 0.035, 0.0], faces))
    foam = srgb_to_linear(np.full(3, rng.choice([0.1, 0.13, 0.35, 0.6])) if rng.random() < 0.75 else look.color)
    flag = srgb_to_linear(look.color)

    def paint(at: np.ndarray) -> np.ndarray:
        grain = 1.0 + 0.35 * np.sin(at[:, 0] * 2600) * np.sin(at[:, 1] * 2300) * np.sin(at[:, 2] * 2100)
        out = foam * grain[:, None].clip(0.3)
        handle = at[:, 1] < -radius * 0.95
        out[handle] = 0.012
        if cube:
            out[handle & (np.hypot(at[:, 0], at[:, 2]) > 0.0155)] = flag
        return out

    return joined(parts), paint, 0.3


def _cup(look: Look, rng: np.random.Generator) -> tuple[Solid, Paint, float]:
    """A mug with its handle, a paper cup, or a tumbler; the rim's near edge at the origin."""
    top, bottom = rng.uniform(0.034, 0.044), rng.uniform(0.024, 0.04)
    height = rng.uniform(0.08, 0.13)
    body = turned(np.array([[top * 0.9, -0.03], [top * 0.96, 0.0], [top, 0.001], [bottom, -height], [0, -height]]), 22)
    parts = [body]
    if rng.random() < 0.5:
        arc = np.linspace(-1.3, 1.3, 9)
        loop = np.stack([top * 0.92 + 0.026 * np.cos(arc), 0.028 * np.sin(arc) - height / 2, 0 * arc], axis=1)
        parts.append(tube(loop, 0.0045, np.array([0.0, 0.0, 1.0]), 6))
    points, faces = joined(parts)
    pale = rng.random() < 0.4
    texture = printed(rng, look.print, np.full(3, 0.9) if pale else look.color)

    def paint(at: np.ndarray) -> np.ndarray:
        turn = np.abs(np.arctan2(at[:, 0], at[:, 2])) / np.pi
        place = np.stack([turn * (WIDTH - 1), (-at[:, 1] / height) * (HEIGHT - 1)], axis=1)
        return sample(texture, place.astype(np.float32))

    return (points + [0.0, 0.0, top * 0.8], faces), paint, 1.5


def _bottle(look: Look, rng: np.random.Generator) -> tuple[Solid, Paint, float]:
    """Neck at the origin, body away from the mouth; or a can."""
    if rng.random() < 0.3:
        profile = np.array([[0.0, 0.004], [0.026, 0.004], [0.033, -0.006], [0.033, -0.12], [0.0, -0.122]])
        label = (-0.1, -0.01)
    else:
        belly = rng.uniform(0.028, 0.038)
        profile = np.array([[0, 0.004], [0.012, 0.004], [0.013, -0.03], [belly, -0.08], [belly, -0.21], [0, -0.212]])
        label = (-0.17, -0.1)
    glass = srgb_to_linear(np.array([(0.1, 0.25, 0.12), (0.3, 0.15, 0.05), (0.75, 0.8, 0.85)])[rng.integers(3)])
    paper = srgb_to_linear(look.color)

    def paint(at: np.ndarray) -> np.ndarray:
        inside = (at[:, 1] > label[0]) & (at[:, 1] < label[1])
        return np.where(inside[:, None], paper, glass)

    return turned(profile, 20), paint, 4.0


def _paper(look: Look, rng: np.random.Generator) -> tuple[Solid, Paint, float]:
    """A sheet or card with lines of writing or a print."""
    half = (rng.uniform(0.03, 0.075), rng.uniform(0.025, 0.09), 0.0008)
    if rng.random() < 0.4:
        return slab(half, 0.1), _covered(look, rng, half[:2]), 0.4
    white, pitch = srgb_to_linear(np.full(3, rng.uniform(0.75, 0.97))), rng.uniform(0.004, 0.012)
    wave = rng.uniform(0, 6, 2)

    def paint(at: np.ndarray) -> np.ndarray:
        line = np.sin(at[:, 1] * (2 * np.pi / pitch)) > 0.4
        row = np.floor(at[:, 1] / pitch)
        word = np.sin(at[:, 0] * 700 + wave[0]) + np.sin(at[:, 0] * 410 + row * 7 + wave[1]) > -0.5
        text = line & word & (np.abs(at[:, 0]) < half[0] * 0.85) & (np.abs(at[:, 1]) < half[1] * 0.85)
        return np.where(text[:, None], white * 0.15, white)

    return slab(half, 0.1), paint, 0.3


def _book(look: Look, rng: np.random.Generator) -> tuple[Solid, Paint, float]:
    """An open book seen from its cover."""
    half = (rng.uniform(0.07, 0.11), rng.uniform(0.055, 0.085), 0.01)
    points, faces = slab(half, 0.1)
    points[:, 2] -= 0.35 * np.abs(points[:, 0])
    return (points, faces), _covered(look, rng, half[:2]), 0.8


def _stick(look: Look, rng: np.random.Generator) -> tuple[Solid, Paint, float]:
    """A cigarette, straw, pen, lollipop or toothbrush, from the lips outwards."""
    kind = str(pick(rng, ["cigarette", "straw", "pen", "lollipop"], [0.4, 0.15, 0.2, 0.25]))
    sizes = {"cigarette": (0.085, 0.004), "straw": (0.16, 0.003), "pen": (0.14, 0.0045), "lollipop": (0.1, 0.002)}
    length, radius = sizes[kind]
    path = np.stack([np.zeros(5), np.linspace(0.008, -length, 5), np.zeros(5)], axis=1)
    parts = [tube(path, radius, np.array([0.0, 0.0, 1.0]), 8)]
    if kind == "lollipop":
        parts.append(ball((0.016, 0.016, 0.014)))
    linear = srgb_to_linear(look.color)

    def paint(at: np.ndarray) -> np.ndarray:
        if kind == "cigarette":
            ember = at[:, 1:2] < -length + 0.003
            color = np.where(at[:, 1:2] > -0.022, srgb_to_linear(np.array([0.8, 0.55, 0.3])), 0.85)
            return np.where(ember, 0.12, color)
        return np.tile(linear, (len(at), 1))

    return joined(parts), paint, 0.6


def _food(look: Look, rng: np.random.Generator) -> tuple[Solid, Paint, float]:
    """An apple, a bun with its filling, ice cream, or a slice."""
    kind = str(rng.choice(["apple", "bun", "ice", "slice"]))
    if kind == "apple":
        color = np.array([(0.75, 0.1, 0.1), (0.55, 0.7, 0.15), (0.85, 0.6, 0.15)])[rng.integers(3)]
        return ball((0.037, 0.034, 0.037)), _plain(color), 1.5
    if kind == "slice":
        return slab((0.05, 0.035, 0.009), 0.6), _covered(look, rng, (0.05, 0.035)), 0.5
    if kind == "ice":
        cone = turned(np.array([[0.024, 0.0], [0.003, -0.11], [0.0, -0.11]]), 16)
        cream = srgb_to_linear(np.clip(0.6 + 0.4 * look.color, 0, 1))
        wafer = srgb_to_linear(np.array([0.75, 0.52, 0.28]))
        return (
            joined([ball((0.029, 0.03, 0.029)), cone]),
            lambda at: np.where((at[:, 1:2] > -0.008) & (np.ones((len(at), 1), bool)), cream, wafer),
            0.7,
        )
    layers = srgb_to_linear(
        np.array([(0.75, 0.5, 0.25), (0.35, 0.6, 0.2), (0.35, 0.2, 0.12), (0.9, 0.7, 0.2), (0.75, 0.5, 0.25)])
    )

    def paint(at: np.ndarray) -> np.ndarray:
        wobble = 0.002 * np.sin(at[:, 0] * 300)
        return layers[np.clip(((at[:, 1] + wobble) / 0.011 + 2.5).astype(int), 0, 4)]

    return ball((0.052, 0.034, 0.05)), paint, 0.5


def _round(look: Look, rng: np.random.Generator) -> tuple[Solid, Paint, float]:
    """A ball, balloon or lump of any colour."""
    radii = rng.uniform(0.025, 0.06) * np.exp(rng.normal(0, 0.2, 3))
    return ball(radii.tolist()), _covered(look, rng, (radii[0], radii[1])), float(rng.uniform(0.2, 2.0))


def _camera(look: Look, rng: np.random.Generator) -> tuple[Solid, Paint, float]:
    """A camera at the eye, its lens towards us."""
    body = slab((0.065, 0.045, 0.025), 0.2)
    barrel = turned(np.array([[0.036, 0.0], [0.036, 0.05], [0.033, 0.055], [0.03, 0.05], [0.0, 0.045]]), 24)
    points = barrel[0][:, [0, 2, 1]] * [1, -1, 1] + [0.0, 0.0, 0.02]
    hump = slab((0.022, 0.02, 0.02), 0.4)
    tone = np.float32(rng.uniform(0.008, 0.03))

    def paint(at: np.ndarray) -> np.ndarray:
        far = np.hypot(at[:, 0], at[:, 1])
        glass = (far < 0.03) & (at[:, 2] > 0.04)
        ring = (np.abs(far - 0.036) < 0.002) & (np.abs(at[:, 2] - 0.045) < 0.004)
        out = np.full((len(at), 3), tone)
        out[glass], out[ring] = (0.01, 0.008, 0.02), 0.2
        return out

    return joined([body, (points, barrel[1]), (hump[0] + [0, 0.055, 0], hump[1])]), paint, 2.0


BUILDERS: dict[str, Callable[[Look, np.random.Generator], tuple[Solid, Paint, float]]] = {
    "phone": _phone, "call": _phone, "microphone": _microphone, "cup": _cup, "bottle": _bottle, "paper": _paper,
    "book": _book, "stick": _stick, "food": _food, "round": _round, "camera": _camera,
}  # fmt: skip
