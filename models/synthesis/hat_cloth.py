"""What headgear is made of: plain, knitted, woven and printed cloth, panels, cuffs and visors, letters and badges."""

from __future__ import annotations

import string
from dataclasses import dataclass

import cv2
import numpy as np

from core.geometry.lighting import srgb_to_linear

from .chance import pick
from .chart import METRES_PER_PIXEL, WIDTH, sample
from .noise import NoisePool
from .prints import HEIGHT as PRINT_HEIGHT
from .prints import PRINTS, creases, printed
from .prints import WIDTH as PRINT_WIDTH

ROUND = 0.55  # metres round a head
_PATTERNS = ("plain", "knit", "stripes", "checks", "print")
_KNITTED = [0.15, 0.6, 0.15, 0.0, 0.1]
_SHARES = {"beanie": _KNITTED, "beret": _KNITTED, "helmet": [0.6, 0.0, 0.15, 0.0, 0.25]}
_MARKED = {"cap": 0.6, "beanie": 0.35, "helmet": 0.45}  # shares that carry letters or a badge in front
_MARK_HEIGHT, _MARK_WIDTH = 48, 96  # pixels
_LETTERS = string.ascii_uppercase + string.digits + "&"
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX)
_FOLDED = 0.14  # metres of a print or a field of creases


@dataclass(frozen=True, eq=False)
class Cloth:
    """The cloth of one thing worn on the head."""

    colors: np.ndarray  # (3, 3) float32 linear: of the crown, of what is printed on it, of visor, cuff and panels
    pattern: str  # one of `_PATTERNS`
    grain: np.ndarray  # (HEIGHT, WIDTH) float32 noise of the pool
    folds: np.ndarray  # (PRINT_HEIGHT, PRINT_WIDTH) float32 shading about 1
    picture: np.ndarray | None  # (PRINT_HEIGHT, PRINT_WIDTH, 3) float32 linear, of prints
    mark: np.ndarray | None  # (_MARK_HEIGHT, _MARK_WIDTH) float32 cover of letters or a badge
    mark_place: tuple[float, float, float]  # its middle's height over the edge, its width and height, metres
    panels: bool  # the front of the crown in the third colour
    trimmed: bool  # visor, cuff or band in it
    count: int  # of ribs round the head
    pitch: float  # of stripes, per metre
    share: float  # of the second stripe, -1 to 1
    knit: float  # depth of the stitches


def sample_cloth(rng: np.random.Generator, noise: NoisePool, kind: str) -> Cloth:
    """Cloth for a kind of headgear."""
    dark = rng.random() < 0.45
    colors = rng.beta(0.7, 2.2 if dark else 1.0, (3, 1)) * (1 - rng.beta(1, 1.6, (3, 1)) * rng.random((3, 3)))
    if rng.random() < 0.6:  # what is printed is meant to be seen
        colors[1] = rng.uniform(0.75, 1.0, 3) if colors[0].mean() < 0.5 else rng.uniform(0.0, 0.25, 3)
    pattern = str(pick(rng, _PATTERNS, _SHARES.get(kind, [0.52, 0.02, 0.13, 0.07, 0.26])))
    motif = str(pick(rng, PRINTS[1:], [0.15, 0.1, 0.3, 0.3, 0.15]))
    return Cloth(
        colors=np.maximum(srgb_to_linear(colors), 0.006).astype(np.float32),
        pattern=pattern,
        grain=noise.cut(rng, str(rng.choice(["grain", "blotch"]))),
        folds=creases(rng, float(rng.uniform(0.0, 0.05) if kind == "helmet" else rng.uniform(0.02, 0.22))),
        picture=printed(rng, motif, colors[0].astype(np.float32)) if pattern == "print" else None,
        mark=_mark(rng) if rng.random() < _MARKED.get(kind, 0.0) else None,
        mark_place=(float(rng.uniform(0.03, 0.055)), float(rng.uniform(0.03, 0.1)), float(rng.uniform(0.018, 0.045))),
        panels=bool(kind == "cap" and rng.random() < 0.25),
        trimmed=bool(rng.random() < 0.35),
        count=int(rng.integers(24, 70)),
        pitch=float(rng.uniform(150, 500)),
        share=float(rng.uniform(-0.6, 0.6)),
        knit=float(rng.uniform(0.1, 0.4)),
    )


def _mark(rng: np.random.Generator) -> np.ndarray:
    """(_MARK_HEIGHT, _MARK_WIDTH) float32 cover: a badge, one large letter, or lines of letters."""
    canvas = np.zeros((_MARK_HEIGHT, _MARK_WIDTH), np.uint8)
    kind = pick(rng, ["badge", "letter", "word", "lines"], [0.25, 0.3, 0.3, 0.15])
    if kind == "badge":
        corners = rng.integers(3, 11)
        turn = np.sort(rng.uniform(0, 2 * np.pi, corners)) if rng.random() < 0.5 else np.linspace(0, 2 * np.pi, corners)
        reach = rng.uniform(0.55, 1.0, corners)[:, None]
        shape = reach * np.stack([np.cos(turn) * 0.46 * _MARK_WIDTH, np.sin(turn) * 0.46 * _MARK_HEIGHT], axis=1)
        cv2.fillPoly(canvas, [np.rint(shape + [_MARK_WIDTH / 2, _MARK_HEIGHT / 2]).astype(np.int32)], 255)
    else:
        rows = int(rng.integers(2, 4)) if kind == "lines" else 1
        letters = {"letter": (1, 3), "word": (3, 8), "lines": (4, 11)}[kind]
        for strip in np.array_split(canvas, rows):
            _write(rng, strip, int(rng.integers(*letters)))
    return canvas.astype(np.float32) / 255.0


def _write(rng: np.random.Generator, strip: np.ndarray, letters: int) -> None:
    """A word that fills a strip of the mark, in place."""
    word = "".join(rng.choice(list(_LETTERS), letters))
    font, thickness = _FONTS[rng.integers(len(_FONTS))], int(rng.integers(2, 5))
    (width, height), _ = cv2.getTextSize(word, font, 1.0, thickness)
    scale = min(0.94 * strip.shape[1] / width, 0.86 * strip.shape[0] / height)
    (width, height), _ = cv2.getTextSize(word, font, scale, thickness)
    place = ((strip.shape[1] - width) // 2, (strip.shape[0] + height) // 2)
    line = np.zeros(strip.shape, np.uint8)
    cv2.putText(line, word, place, font, scale, 255, thickness, cv2.LINE_AA)
    np.maximum(strip, line, out=strip)


def cloth_albedo(cloth: Cloth, at: np.ndarray, crown: bool, cuff: float, panelled: bool, wound: bool) -> np.ndarray:
    """(N, 3) float32 linear albedo at (N, 3) turn in [0, 1], share of the way to the crown, metres from the edge.

    `crown` is what lies on the head, not a visor; its lowest `cuff` metres are turned up; `panelled` cloth has the
    seams of a cap, `wound` cloth the ridges of a turban.
    """
    turn, share, run = at[:, 0], at[:, 1], at[:, 2]
    place = np.stack([turn * WIDTH * 0.98, run / METRES_PER_PIXEL], axis=1).astype(np.float32)
    grain = sample(cloth.grain, place)[:, 0]
    small = np.stack([turn * (ROUND / _FOLDED) % 1.0 * PRINT_WIDTH, run / _FOLDED * PRINT_HEIGHT], axis=1)
    small = small.astype(np.float32)
    first, second, third = cloth.colors
    color = np.repeat(first[None], len(at), axis=0)
    if cloth.picture is not None:
        color = sample(cloth.picture, small, cv2.BORDER_WRAP)
    color += (second - color) * _woven(cloth, turn, run)[:, None]
    if cloth.trimmed:
        trim = np.full(len(at), not crown) if cuff <= 0 else run < cuff
        color[trim] = third
    if crown and cloth.panels:
        color[np.abs(turn - 0.5) < 1.0 / 6.0] = third
    if crown and cloth.mark is not None:
        color += (second - color) * _marked(cloth.mark, cloth.mark_place, turn, run)[:, None]
    bright = (1.0 + 0.05 * grain) * sample(cloth.folds, small, cv2.BORDER_WRAP)[:, 0]
    if cloth.pattern == "knit":  # ribs with a stitch along them
        stitch = 0.43 * np.sin(run * 1500 + turn * cloth.count * 6.283)
        bright = bright * (1.0 + cloth.knit * (np.sin(turn * cloth.count * 2 * 6.283) + stitch))
    if crown and cuff > 0:  # the shadow over the edge that is turned up
        bright = bright * (1.0 - 0.45 * np.exp(-np.abs(run - cuff - 0.002) / 0.0025))
    if wound:
        bright = bright * (0.85 + 0.3 * np.sin((share * 6 + np.abs(turn - 0.5) * 5) * 6.283))
    if crown and panelled:
        bright = bright * (1.0 - 0.25 * (np.abs((turn * 6) % 1.0 - 0.5) < 0.02))
        bright = bright * np.where(share > 0.965, 0.7, 1.0)  # the button
    return (color * np.maximum(bright, 0.1)[:, None]).astype(np.float32)


def _woven(cloth: Cloth, turn: np.ndarray, run: np.ndarray) -> np.ndarray:
    """(N,) float32 share of the second colour that stripes or checks have."""
    if cloth.pattern == "stripes":
        return (np.sin(run * cloth.pitch) > cloth.share).astype(np.float32)
    if cloth.pattern == "checks":
        return (0.5 * (np.sin(run * 260) > 0) + 0.5 * (np.sin(turn * cloth.count * 6.28) > 0)).astype(np.float32)
    return np.zeros(len(turn), np.float32)


def _marked(mark: np.ndarray, place: tuple[float, float, float], turn: np.ndarray, run: np.ndarray) -> np.ndarray:
    """(N,) float32 cover of the mark in front."""
    middle, width, height = place
    x = ((turn - 0.5) * ROUND / width + 0.5) * _MARK_WIDTH - 0.5
    y = ((middle - run) / height + 0.5) * _MARK_HEIGHT - 0.5
    return sample(mark, np.stack([x, y], axis=1).astype(np.float32), cv2.BORDER_CONSTANT)[:, 0]
