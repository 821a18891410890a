"""Brings a painted face crop back into its photo: colour, seam and grain are the photo's; only the hole changes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..parallel import each
from . import alignment
from .delighting import weighted_median
from .grain import Grain, measured, noise
from .masks import grown
from .membrane import membrane, summed

# Crop sides of the border over which differences are compared, and levels of 255 by which a strip of it then differs
# and is half believed: first all of the border, loosely.
_LOOKS = ((0.5, 40.0), (0.2, 24.0), (0.1, 14.0), (0.06, 14.0))
_ELSEWHERE = 0.1  # weight of the border beyond the face beside that of the face's own
_NEAR = 0.012  # crop sides over which a seam that the membrane leaves fades away
_FINE = 4.0  # cells of deviation that make a Gaussian smooth
_MOST_SEAM = 60.0  # levels of 255
_FEATHER = 0.006  # crop sides over which the fill sets in, inside the hole, where that shows no occluder
_LIKE = 12.0  # levels of 255 by which a pixel there may differ from the fill
_SKIN_BEYOND = 0.06  # crop sides of skin beyond the landmarks' hull
_GREY = 3  # levels of 255 by which the channels of a black-and-white photo may differ
_DATA = 4.0  # stiffness of the membrane's hold on the border


@dataclass(frozen=True, eq=False)
class PaintedCrop:
    """A face crop with its hole painted, in pixels of the crop."""

    matrix: np.ndarray  # (2, 3) float64, photo pixels -> crop pixels
    seen: np.ndarray  # (S, S, 3) uint8 RGB, the photo
    painted: np.ndarray  # (S, S, 3) float32 RGB in [0, 255], painted where `overlap` is 1
    hole: np.ndarray  # (S, S) uint8, 1 where the photo is replaced
    face: np.ndarray  # (S, S) uint8, 1 on the face, whose colours count more than its surroundings
    overlap: np.ndarray  # (S, S) uint8, 1 where it was painted: the hole and a strip of seen pixels round it


def fill_hole(photo: np.ndarray, mask: np.ndarray, crop: PaintedCrop, skin: np.ndarray, grain: bool) -> np.ndarray:
    """(H, W, 3) uint8 photo with the pixels of `mask` (H, W) uint8 replaced and every other one as it was.

    `skin` (H, W) uint8 is set on seen skin, whose grain the fill is given if `grain`.
    """
    rows, columns = _bounds(mask)
    part = (rows, columns)
    hole = (mask[part] > 0).astype(np.uint8)
    height, width = hole.shape
    scale = float(np.sqrt(abs(np.linalg.det(crop.matrix[:, :2]))))  # crop pixels per photo pixel
    corner = (columns.start, rows.start)
    fill = _at_photo_size(matched(crop), crop.matrix, corner, (height, width), scale)
    if grain:
        missing = noise(_missing_grain(photo, skin, fill, hole, scale), (height, width))
        fill += missing * _at_photo_size(_skinned(crop.face), crop.matrix, corner, (height, width), scale)[..., None]
    old = photo[part]
    fill += _kept(old, fill, hole, max(_FEATHER * len(crop.hole) / scale, 1.0)) * (old - fill)
    new = np.rint(np.clip(fill, 0.0, 255.0)).astype(np.uint8)
    out = photo.copy()
    out[part] = np.where(hole[..., None] > 0, new, old)
    return out


def _kept(old: np.ndarray, fill: np.ndarray, hole: np.ndarray, feather: float) -> np.ndarray:
    """(h, w, 1) share of the photo in the first pixels of the hole, if what they show is no occluder."""
    depth = cv2.distanceTransform(hole, cv2.DIST_L2, 5)
    out = np.zeros((*hole.shape, 1), np.float32)
    rim = (hole > 0) & (depth < feather)
    departure = np.abs(old[rim] - fill[rim]).max(axis=1)
    out[rim, 0] = (1.0 - depth[rim] / feather) * np.exp(-((departure / _LIKE) ** 2))
    return out


def matched(crop: PaintedCrop) -> np.ndarray:
    """(S, S, 3) float32 painted crop in the photo's own colours, and meeting the photo along the border."""
    overlap, hole = crop.overlap > 0, crop.hole > 0
    border = (overlap & ~hole).astype(np.float32)
    difference = (crop.seen.astype(np.float32) - crop.painted) * border[..., None]
    near = border * np.where(crop.face > 0, 1.0, _ELSEWHERE).astype(np.float32)
    weight = near * _believed(difference, near)
    surface = membrane(difference, _DATA * weight, overlap)
    left = difference - surface * border[..., None]
    surface += _fading(left, border, hole)
    out = np.where(overlap[..., None], crop.painted + surface, crop.painted)
    return _colourless(out) if _is_grey(crop.seen[~hole]) else out


def _is_grey(pixels: np.ndarray) -> bool:
    """Whether (N, 3) uint8 pixels are those of a black-and-white photo."""
    if not len(pixels):
        return False
    red, green, blue = cv2.split(pixels[None])
    return int((cv2.max(cv2.max(red, green), blue) - cv2.min(cv2.min(red, green), blue)).max()) <= _GREY


def _colourless(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) picture with its brightness alone."""
    return np.repeat(cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def _believed(difference: np.ndarray, border: np.ndarray) -> np.ndarray:
    """(S, S) in [0, 1]: less where the weighted border differs from the painting unlike the border around it.

    A rim or a shadow that the mask missed, strands of hair and the background must not tint the skin.
    """
    share = _near(difference, _middle(difference, border), _LOOKS[0][1])
    for along, tolerance in _LOOKS:
        share = _near(difference, _averaged(difference, border * share, along * len(border)), tolerance)
    return share


def _near(difference: np.ndarray, usual: np.ndarray, tolerance: float) -> np.ndarray:
    red, green, blue = cv2.split(np.abs(difference - usual))
    distance = cv2.max(cv2.max(red, green), blue)
    return 1.0 / (1.0 + (distance / tolerance) ** 2) ** 2


def _middle(difference: np.ndarray, border: np.ndarray) -> np.ndarray:
    """(C,) weighted median."""
    rows = np.flatnonzero(border.ravel())
    if not len(rows):
        return np.zeros(difference.shape[2], np.float32)
    values, weight = difference.reshape(-1, difference.shape[2])[rows], border.ravel()[rows]
    return np.array([weighted_median(values[:, k], weight) for k in range(values.shape[1])], np.float32)


def _fading(left: np.ndarray, border: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """(S, S, 3): what the membrane leaves of the differences, carried a little way into the hole."""
    size = len(border)
    sigma = _NEAR * size
    inward = np.minimum(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3), size)
    share = np.exp(-0.5 * (inward / sigma) ** 2)
    near = _averaged(np.clip(left, -_MOST_SEAM, _MOST_SEAM), border, 0.6 * sigma)
    return near * share[..., None]


def _averaged(values: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """(S, S, C) weighted mean of the surroundings; 0 where there are none."""
    weighted: list[np.ndarray] = [plane * weight for plane in cv2.split(values)]
    both = cv2.merge([*weighted, weight])
    size, step = len(weight), 1
    while sigma > 2 * _FINE * step and size % (2 * step) == 0:  # a wide mean needs few pixels
        both, step = summed(both), 2 * step
    both = cv2.GaussianBlur(both, (0, 0), sigma / step)
    *planes, total = cv2.split(cv2.resize(both, (size, size), interpolation=cv2.INTER_LINEAR))
    return cv2.merge([plane / np.maximum(total, 1e-6) for plane in planes])


def _at_photo_size(
    crop: np.ndarray, matrix: np.ndarray, corner: tuple[int, int], shape: tuple[int, int], scale: float
) -> np.ndarray:
    """(h, w, 3) float32 of the photo's rectangle at `corner` (x, y); `scale` is crop pixels per photo pixel."""
    if scale > 1.0:
        crop = cv2.GaussianBlur(crop, (0, 0), 0.5 * float(np.sqrt(scale**2 - 1.0)) + 1e-3)
    to_crop = matrix.copy()
    to_crop[:, 2] = alignment.apply(matrix, np.array([corner], float))[0]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(crop, to_crop, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _skinned(face: np.ndarray) -> np.ndarray:
    """(S, S) float32 in [0, 1]: the face and a little more; backgrounds have a grain of their own or none."""
    reach = _SKIN_BEYOND * len(face)
    return cv2.GaussianBlur(grown(face, reach).astype(np.float32), (0, 0), 0.5 * reach)


def _missing_grain(photo: np.ndarray, skin: np.ndarray, fill: np.ndarray, hole: np.ndarray, scale: float) -> Grain:
    """What the skin round the hole has and the fill has not."""
    finest = 1.0 / scale  # photo pixels per crop pixel: details below it the painter cannot know
    inner = 1 - grown(1 - hole, 2.0 * finest)
    there, painted = each(measured, (photo, fill), (skin, inner), (finest, finest))
    return there.without(painted)


def _bounds(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a non-empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
