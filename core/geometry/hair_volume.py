"""How far a photo's hair stands off the head, from its outline; how long it is at the sides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.sparse import csr_matrix, diags, identity, kron

from .delighting import smoothstep, weighted_median
from .hair_grid import COLUMNS, CROWN, PITCH, ROWS, HairGrid, degrees_aside
from .hair_view import HairView
from .mesh_smoothing import factorised

REACH = 0.12  # metres that hair stands off the head at most
FLAT = 0.0035  # metres at the least
_USUAL = 0.015  # metres, where no outline is seen
_SAMPLES = 41  # along a ray
_RIM = (0.12, 0.35)  # cosine between ray and view up to which the outline is that of the ray
_BEGINS = 0.014  # metres from the head by which hair must have begun on a ray
_GAP = 0.006  # metres between strands that are no end of the hair
_BARE = 0.3  # weight of bare skin, on which hair lies flat, over that of an outline
_FAITH = 0.002  # the same of what is usual
_STRETCHED, _BENT = 0.02, 0.6  # weights of slopes and of curvature
_CROWDED = 0.05  # of the columns' distance, the least that counts: they meet at the crown
_AT_LEAST = 0.4  # weight of an outline that the photo's border cuts: there is more of it
_ENOUGH = 8  # rays, in all, that tell what is usual
_BELOW = 0.04  # metres below the ears in which hair must be seen
_TOLD = 0.5  # weight of a row's rays, less than which tells nothing
_COVERED = 0.027  # metres below the tops of the ears in which hair must be seen to cover them
_LONG = 0.7  # share of a row's rays, and of the rows below the ears, that must meet hair
_SHOULDERS = CROWN + 20  # row
_FADES = 0.05  # metres within which hair thins out at the nape
_TUCKS = 0.1  # the same where it ends near the ears
_EDGE, _SHOWN = 0.02, 0.3  # metres within which hair rises from its edge; cosine to the view from which that is told
_BEHIND, _EARS = (110.0, 145.0), 65.0  # degrees from straight ahead
_BOB = 2  # rows below the ears at which hair ends that does not hang past the neck


@dataclass(frozen=True, eq=False)
class Outline:
    """What rays at the rim of a head, as a photo shows it, say of its hair; arrays (ROWS, COLUMNS)."""

    rim: np.ndarray  # in [0, 1]: the ray lies on the rim
    height: np.ndarray  # metres from the ground to the end of the hair
    weight: np.ndarray  # in [0, 1]: how far to believe it
    cut: np.ndarray  # bool: the photo's border cuts the hair, or it goes on out of reach
    begins: np.ndarray  # bool: hair begins on it near the ground
    meets: np.ndarray  # bool: it meets hair at all
    inside: np.ndarray  # bool: it begins within the photo


def outline(grid: HairGrid, view: HairView, ground: np.ndarray) -> Outline:
    """The outline of the hair over a `ground` (ROWS, COLUMNS) along the rays."""
    feet = grid.points(ground)
    rim = 1.0 - smoothstep(np.abs(view.facing(feet, grid.directions)), *_RIM)
    rows = np.nonzero(rim > 0.0)
    steps = np.linspace(0.0, REACH, _SAMPLES)
    pixels = view.pixels(feet[rows][:, None] + steps[:, None] * grid.directions[rows][:, None])
    hair, inside = view.hair_at(pixels) > 0.5, view.inside(pixels)
    reached, whole, cut = _ends(hair, inside, round(_GAP / steps[1]))
    begun = hair[:, : round(_BEGINS / steps[1])].any(axis=1)

    def spread(values: np.ndarray) -> np.ndarray:
        out = np.zeros(ground.shape, values.dtype)
        out[rows] = values
        return out

    return Outline(
        rim=rim,
        height=spread(steps[reached]),
        weight=spread(rim[rows] * begun * np.where(whole, 1.0, _AT_LEAST * cut)),
        cut=spread(cut),
        begins=spread(begun),
        meets=spread((hair & inside).any(axis=1)),
        inside=spread(inside[:, 0]),
    )


def _ends(hair: np.ndarray, inside: np.ndarray, gap: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) last samples of the first stretch of hair, (N, S) bool, that no more than `gap` others interrupt.

    And whether it ends within the photo and the reach, or goes on to the photo's border or farther, (N,) bool each.
    """
    count, samples = hair.shape
    begun, ended, cut = np.zeros(count, bool), np.zeros(count, bool), np.zeros(count, bool)
    last, missing = np.zeros(count, int), np.zeros(count, int)
    for sample in range(samples):
        open_rays = ~ended
        cut |= open_rays & ~inside[:, sample]
        begun |= open_rays & hair[:, sample]
        last[open_rays & hair[:, sample]] = sample
        missing = np.where(hair[:, sample], 0, missing + begun)
        ended |= cut | (missing > gap)
    return last, begun & ended & ~cut, begun & (cut | ~ended)


def lengths(grid: HairGrid, seen: Outline) -> np.ndarray:
    """(COLUMNS,) the first row below hair that covers ears or hangs below them, `CROWN` where it is short.

    By its outline over the skin: of each side its own, of a side that the photo does not show the other's, at the back
    the shorter one. Where hair goes on to the photo's border it falls to the shoulders.
    """
    halves = slice(0, COLUMNS // 2), slice(COLUMNS // 2, COLUMNS)
    shown = [
        bool(seen.rim[CROWN:, half].sum(axis=0) @ _aside()[half] > 0.5 * seen.rim[CROWN:, half].sum())
        for half in halves
    ]
    ends = [float(_end(grid.lobes, seen, half) or CROWN) for half in halves]
    if shown[0] != shown[1]:
        ends = [ends[shown.index(True)]] * 2
    own = np.repeat(ends, COLUMNS // 2)
    return own + _behind() * (min(ends) - own)


def _end(lobes: int, seen: Outline, side: slice) -> int | None:
    """The first row below hair on one side, of which some columns of the rim tell; None where an ear is bare."""
    rim = seen.rim[:, side] * seen.inside[:, side]
    told = rim.sum(axis=1) > _TOLD
    meets, begins = (
        told & ((rim * rays[:, side]).sum(axis=1) > _LONG * rim.sum(axis=1)) for rays in (seen.meets, seen.begins)
    )
    below = slice(lobes, lobes + round(_BELOW / PITCH))
    over_ears = begins[CROWN : CROWN + round(_COVERED / PITCH)].all()
    if not told[below].any():
        return _SHOULDERS if over_ears else None
    if meets[below].mean() < _LONG:
        return int(np.flatnonzero(~meets[CROWN:])[0]) + CROWN if over_ears else None
    last = int(np.flatnonzero(meets).max()) + 1
    return last if told[last:].any() else max(last, _SHOULDERS)


def thickness(grid: HairGrid, view: HairView, ground: np.ndarray, seen: Outline) -> np.ndarray:
    """(ROWS, COLUMNS) metres by which hair stands off the `ground`: the smoothest that meets the outline.

    Hair lies flat where it borders on bare skin that the photo shows.
    """
    feet = grid.points(ground)
    pixels = view.pixels(feet)
    shown = smoothstep(view.facing(feet, grid.directions), 0.2, 0.5) * view.inside(pixels)
    bare = _BARE * shown * (1.0 - view.hair_at(pixels))
    whole = seen.weight * ~seen.cut
    enough = (whole > 0.5).sum() >= _ENOUGH
    usual = float(weighted_median(seen.height.ravel(), whole.ravel())) if enough else _USUAL
    height = np.where(seen.cut, np.maximum(seen.height, usual), seen.height)
    known = seen.weight + bare + _FAITH
    wanted = seen.weight * height + bare * FLAT + _FAITH * usual
    smooth, stiffness = _smooth_fields()
    system = factorised((smooth.T @ diags(known.ravel()) @ smooth + stiffness).tocsc())
    solved = (smooth @ system.solve(smooth.T @ wanted.ravel())).reshape(ground.shape)
    solved[0] = solved[0].mean()
    return np.maximum(solved, FLAT)


@cache
def _smooth_fields() -> tuple[csr_matrix, csr_matrix]:
    """(N, M) fields (ROWS, COLUMNS), flat, as linear between every second ray; (M, M) their energy.

    It is made of squared slopes and curvatures; a field closes round the head.
    """
    between = csr_matrix(kron(_halving(ROWS, closed=False), _halving(COLUMNS, closed=True)))
    ring = identity(COLUMNS, format="csr")
    along = csr_matrix(np.roll(np.eye(COLUMNS), 1, axis=1)) - ring
    down = csr_matrix(np.eye(ROWS - 1, ROWS, 1) - np.eye(ROWS - 1, ROWS))
    narrow = np.maximum(np.sin(np.minimum(np.arange(ROWS) / CROWN, 1.0) * np.pi / 2), _CROWDED)
    across, below = kron(diags(1.0 / narrow), along, format="csr"), kron(down, ring, format="csr")
    laplacian = csr_matrix(across.T @ across + below.T @ below)
    energy = _STRETCHED * laplacian + _BENT * (laplacian @ laplacian)
    return between, csr_matrix(between.T @ energy @ between)


def _halving(count: int, closed: bool) -> csr_matrix:
    """(count, M) weights of every second place at all places in a row; a closed one goes on at its start."""
    places = np.arange(count)
    half = (count + 1) // 2
    first, second = places // 2, (places + 1) // 2
    second = second % half if closed else np.minimum(second, half - 1)
    weights = np.full(2 * count, 0.5)
    return csr_matrix((weights, (np.tile(places, 2), np.concatenate([first, second]))), shape=(count, half))


def laid_down(grid: HairGrid, view: HairView, ground: np.ndarray, height: np.ndarray) -> np.ndarray:
    """(ROWS, COLUMNS) height over the ground, which falls off to where the photo shows bare skin beside the hair."""
    pixels = view.pixels(grid.points(ground + height))
    shown = (view.facing(grid.points(ground), grid.directions) > _SHOWN) & view.inside(pixels)
    bare = np.tile(shown & (view.hair_at(pixels) < 0.5), 3)
    apart = np.asarray(distance_transform_edt(~bare))[:, COLUMNS : 2 * COLUMNS] * PITCH
    lies = (1.0 - smoothstep(apart, 0.0, _EDGE)) * smoothstep(np.arange(ROWS), grid.lobes + 2.0, CROWN + 2.0)[:, None]
    return height + lies * (FLAT - height)


def hanging(ends: np.ndarray) -> np.ndarray:
    """(COLUMNS,) in [0, 1]: whether hair hangs there, or is short."""
    return smoothstep(ends, float(CROWN), CROWN + 2.0)


def thinned_at_nape(grid: HairGrid, field: np.ndarray) -> np.ndarray:
    """(ROWS, COLUMNS) thickness of short hair, which thins out at the back towards the lower edge of the scalp."""
    apart = np.asarray(distance_transform_edt(np.tile(grid.scalp, 3)))[:, COLUMNS : 2 * COLUMNS] * PITCH
    low = smoothstep(np.arange(ROWS), CROWN - 8.0, CROWN)[:, None] * _behind()
    return FLAT + (field - FLAT) * (1.0 - low * (1.0 - smoothstep(apart, 0.0, _FADES)))


def tucked_in(grid: HairGrid, surface: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(ROWS, COLUMNS) surface along the rays: at the back, hair that ends near the ears lies on the neck."""
    high = hanging(ends) * smoothstep(ends, grid.lobes + _BOB + 1.0, float(grid.lobes + _BOB))
    lies = smoothstep(np.arange(ROWS)[:, None] - ends, -_TUCKS / PITCH, 0.0) * high * _behind()
    return surface + lies * (grid.skin + FLAT - surface)


def _behind() -> np.ndarray:
    """(COLUMNS,) in [0, 1]: at the back, where no outline is seen from before."""
    return smoothstep(degrees_aside(np.arange(COLUMNS)), *_BEHIND)


def _aside() -> np.ndarray:
    """(COLUMNS,) 0 or 1: beside or behind the ears."""
    return (degrees_aside(np.arange(COLUMNS)) > _EARS).astype(float)
