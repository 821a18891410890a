"""Where a photo shows hair, and how it lies to the rays of a grid round the head."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..types import PARTS, Camera
from .camera import project
from .delighting import smoothstep
from .head_view import FACE, PhotoCut
from .lighting import LINEAR, srgb_levels
from .planes import disk

WORN = [PARTS.index(name) for name in ("hair", "hat")]  # what a mesh beside the head shows
_HAT = [PARTS.index("hat")]
_SOFT = 0.0012  # metres by which the edge of the hair is softened: parts are told no finer
WITHIN = 0.003  # metres from the edge of hair, nearer to which something else shows through
_FACE = [PARTS.index(name) for name in FACE]
_STRANDS = 0.004  # metres round the border of hair and face, within which strands are told from skin
_OWN = (0.5, 0.9)  # cover by strands: colours are skin's that shines through, which would stick out; are the hair's
_NEAR = 0.02  # of the product of both blurred, from which a pixel counts as near it
_FEW = 50  # pixels of either, with fewer of which nothing is told
_EVEN = 0.05  # variance of the guide below which it tells nothing
_RIM = (0.004, 0.014)  # metres from the border, up to and from which what shines through is the rule, and is none
_MOST = 0.85  # quantile of the brightness farther inside: none nearer to the border is brighter
_STRAY = 0.1  # of the largest piece of hair; smaller ones are somebody else's, or earrings
_HOLE = 1e-4  # square metres; smaller gaps in hair are none
_FINEST = 0.8  # pixels of the photo that are kept per texel


@dataclass(frozen=True, eq=False)
class HairView:
    """The part of a photo round the hair, and a camera that sees it."""

    photo: np.ndarray  # (h, w, 3) uint8 RGB
    hair: np.ndarray  # (h, w) float32 in [0, 1]: it shows hair, or a hat
    strands: np.ndarray  # (h, w) float32 in [0, 1], the same, before the face strand by strand
    inner: np.ndarray  # (h, w) float32 in [0, 1]: its colours are the hair's own
    hat: np.ndarray  # (h, w) float32 0 or 1: it shows a hat
    metre: float  # pixels of `photo` per metre at the head
    eye: np.ndarray  # (3,) where the camera stands, model frame, metres
    _camera: Camera
    _cut: PhotoCut

    @staticmethod
    def of(photo: np.ndarray, parts: np.ndarray, camera: Camera, reached: np.ndarray, size: int) -> HairView:
        """Of a (H, W, 3) photo with (H, W) indices of `PARTS`, round (N, 3) points; for a texture of `size` texels."""
        points = project(camera, reached)[:, :2]
        cut = PhotoCut.round_points(points, photo.shape, round(_FINEST * size))
        metre = float(cut.scale[0]) * camera.focal / float(camera.translation[2])
        part, hair, hat, face = (
            cut.of(photo),
            *(cut.of(np.isin(parts, kinds).astype(np.uint8), cv2.INTER_NEAREST) for kinds in (WORN, _HAT, _FACE)),
        )
        hair = _pieces(hair, metre)
        soft = cv2.GaussianBlur(hair.astype(np.float32), (0, 0), max(_SOFT * metre, 0.5))
        strands = _before_face(part, soft, face & ~hair & 1, metre)
        beyond = cv2.dilate(1 - (hair | face), disk(WITHIN * metre)) == 0
        eye = -camera.rotation.T @ camera.translation
        inner = smoothstep(strands, *_OWN) * beyond
        part = _without_shine_through(part, hair, metre)
        return HairView(part, soft, strands, inner, hat.astype(np.float32), metre, eye, camera, cut)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) float32 pixels of `photo` at (..., 3) points, model frame."""
        projected = project(self._camera, points.reshape(-1, 3)).astype(np.float32)
        return self._cut.moved(projected)[:, :2].reshape(*points.shape[:-1], 2)

    def inside(self, pixels: np.ndarray) -> np.ndarray:
        """(...) bool: (..., 2) pixels lie in the photo, away from its borders, where parts are seldom told."""
        height, width = self.hair.shape
        margin = 2.0 * _SOFT * self.metre
        return ((pixels >= margin) & (pixels <= [width - 1 - margin, height - 1 - margin])).all(axis=-1)

    def hair_at(self, pixels: np.ndarray) -> np.ndarray:
        """(N, M) float32 in [0, 1]: how much the photo shows hair at (N, M, 2) pixels; its edge goes on outside."""
        return _at(self.hair, pixels)

    def hat_at(self, pixels: np.ndarray) -> np.ndarray:
        """(N, M) float32 in [0, 1]: how much of a hat it shows at (N, M, 2) pixels."""
        return _at(self.hat, pixels)

    def facing(self, points: np.ndarray, outward: np.ndarray) -> np.ndarray:
        """(...) cosine between (..., 3) unit vectors at (..., 3) points and the way to the camera."""
        rays = self.eye - points
        return (outward * rays).sum(axis=-1) / np.linalg.norm(rays, axis=-1)


def _at(plane: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    x, y = (np.ascontiguousarray(pixels[..., axis], dtype=np.float32) for axis in (0, 1))
    return cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _without_shine_through(photo: np.ndarray, hair: np.ndarray, metre: float) -> np.ndarray:
    """(h, w, 3) uint8 photo whose (h, w) uint8 hair is no brighter along its border than nearly all of it is inside.

    There what lies behind shines through, and lamps behind the head do.
    """
    inside = cv2.distanceTransform(cv2.copyMakeBorder(hair, 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.DIST_L2, 5)
    inside = np.asarray(inside)[1:-1, 1:-1] / metre
    bright = cv2.LUT(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), LINEAR)
    deep = bright[inside > _RIM[1]]
    if len(deep) < _FEW:
        return photo
    most = max(float(np.quantile(deep, _MOST)), 1e-3)
    share = (1.0 - smoothstep(inside, *_RIM)) * (hair > 0)
    gain = np.maximum(bright / most, 1.0) ** -share
    at = gain < 1.0
    if not at.any():
        return photo
    out = photo.copy()
    out[at] = srgb_levels(LINEAR[photo[at]] * gain[at][:, None].astype(np.float32))
    return out


def _before_face(photo: np.ndarray, hair: np.ndarray, face: np.ndarray, metre: float) -> np.ndarray:
    """(h, w) float32 cover by hair, along whose border with the (h, w) `face` strands are told from skin by colour.

    He, Sun and Tang, "Guided image filtering" (2010), guided by the colour that tells hair from skin best (Fisher).
    """
    reach = max(_STRANDS * metre, 1.0)
    near = cv2.GaussianBlur(face.astype(np.float32), (0, 0), reach) * cv2.GaussianBlur(hair, (0, 0), reach)
    band = near > _NEAR
    pixels, own = photo[band].astype(np.float64) / 255.0, hair[band] > 0.5
    if min(own.sum(), (~own).sum()) < _FEW:
        return hair
    across = np.cov(pixels[own].T) + np.cov(pixels[~own].T) + 1e-4 * np.eye(3)
    axis = np.linalg.solve(across, pixels[own].mean(axis=0) - pixels[~own].mean(axis=0))
    guide = photo.astype(np.float32) @ (axis / 255.0 / max(float((pixels @ axis).std()), 1e-6)).astype(np.float32)
    refined = _guided(guide, hair, round(2.0 * reach) + 1)
    return hair + np.asarray(smoothstep(near, 0.0, _NEAR)) * (np.clip(refined, 0.0, 1.0) - hair)


def _guided(guide: np.ndarray, plane: np.ndarray, radius: int) -> np.ndarray:
    """(h, w) `plane`, as an affine function of the (h, w) `guide` of deviation one in each window."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (2 * radius + 1, 2 * radius + 1))

    middle, level = mean(guide), mean(plane)
    slope = (mean(guide * plane) - middle * level) / (mean(guide * guide) - middle * middle + _EVEN)
    return mean(slope) * guide + mean(level - slope * middle)


def _pieces(hair: np.ndarray, metre: float) -> np.ndarray:
    """(h, w) uint8 0 or 1: hair without stray pieces and without small holes."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(hair)
    areas = statistics[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = (areas >= _STRAY * max(areas.max(), 1)).astype(np.uint8)[labels]
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(1 - kept)
    hole = statistics[:, cv2.CC_STAT_AREA] < _HOLE * metre**2
    return kept | hole[labels]
