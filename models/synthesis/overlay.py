"""Puts one of the factory's occluders on any photo with known landmarks, lit and blurred like the photo itself."""

from __future__ import annotations

import cv2
import numpy as np

from core.checks import check_shape
from core.geometry.lighting import linear_to_srgb, srgb_to_linear

from .labels import HIDING, Occluder
from .layers import Canvas
from .laying import Stage
from .occluders import OccluderPlan, Wardrobe, lay_plan, plan_of
from .photo_stage import Closet, closet, fit_head, set_stage

KINDS = ("glasses", "sunglasses", "mask", "hand", "object")
_MARGIN = 0.75  # of the face's size round its box that an occluder may reach
_MOST = 420  # pixels: larger windows are drawn smaller and enlarged
_GREY = 0.012  # mean difference between channels (encoded) below which a photo has no colour
_TRIES = 12
LEAST = 0.06  # share of the landmarks that an occluder must cover


def paste_occluder(
    image: np.ndarray, landmarks: np.ndarray, kind: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A copy of a (H, W, 3) uint8 RGB photo with one of `KINDS` on its face, and the (H, W) uint8 `Occluder` map.

    `landmarks` are the face's (68, 2) pixels. Depends on nothing but the arguments.
    """
    check_shape("landmarks", landmarks, (68, 2))
    if kind not in KINDS:
        raise ValueError(f"There is no occluder {kind!r}; choose from {', '.join(KINDS)}.")
    window, scale = _window(landmarks, image.shape)
    part = image[window]
    size = (max(round(part.shape[1] * scale), 8), max(round(part.shape[0] * scale), 8))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else part
    points = (landmarks - [window[1].start, window[0].start] + 0.5) * scale - 0.5
    drawn, kinds = _drawn(small, points, kind, rng)
    result, mask = image.copy(), np.zeros(image.shape[:2], np.uint8)
    if scale < 1.0:
        full = part.shape[1::-1]
        changed = cv2.resize((kinds > 0).astype(np.float32), full, interpolation=cv2.INTER_LINEAR)[:, :, None]
        larger = cv2.resize(drawn, full, interpolation=cv2.INTER_CUBIC).astype(np.float32)
        drawn = np.rint(part + (larger - part) * np.clip(changed, 0, 1)).astype(np.uint8)
        kinds = cv2.resize(kinds, full, interpolation=cv2.INTER_NEAREST)
    result[window], mask[window] = drawn, kinds
    return result, mask


def _window(landmarks: np.ndarray, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], float]:
    """The part of the photo that is drawn on, and by how much it is shrunk for it."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    reach = _MARGIN * float((high - low).max())
    x0, y0 = np.maximum(np.floor(low - reach), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(high + reach), [shape[1], shape[0]]).astype(int)
    if x1 - x0 < 8 or y1 - y0 < 8:
        raise ValueError("The landmarks lie outside the photo.")
    return (slice(int(y0), int(y1)), slice(int(x0), int(x1))), min(1.0, _MOST / max(x1 - x0, y1 - y0))


def _drawn(image: np.ndarray, points: np.ndarray, kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The occluder on a (h, w, 3) uint8 picture, and its (h, w) map."""
    clothes = closet()
    posed = fit_head(points, (image.shape[0], image.shape[1]), clothes)
    encoded = image.astype(np.float32) / 255.0
    clean, stage, face = set_stage(srgb_to_linear(encoded), posed, clothes, rng)
    canvas, kinds = _covered(clean, stage, clothes, kind, points, rng)
    laid = linear_to_srgb(canvas.color)
    if float(np.abs(encoded - encoded.mean(axis=2, keepdims=True)).mean()) < _GREY:
        gray = laid @ np.array([0.299, 0.587, 0.114], np.float32)
        laid = np.where((kinds > 0)[:, :, None], gray[:, :, None], laid)
    laid = _like_the_photo(laid, encoded, kinds, face, rng)
    out = np.where((kinds > 0)[:, :, None] | (np.abs(laid - encoded) > 1e-3), laid, encoded)
    return np.clip(np.rint(out * 255.0), 0, 255).astype(np.uint8), kinds


def _covered(
    clean: Canvas, stage: Stage, clothes: Closet, kind: str, points: np.ndarray, rng: np.random.Generator
) -> tuple[Canvas, np.ndarray]:
    """The canvas with an occluder that covers some landmarks, and its map; the last draw when none does."""
    for _ in range(_TRIES):
        laid = lay_plan(clean, covering_plan(kind, rng, clothes), clothes, stage)
        if hidden_share(laid[1], points) >= LEAST:
            break
    return laid


def covering_plan(kind: str, rng: np.random.Generator, clothes: Wardrobe) -> OccluderPlan:
    """One of `KINDS` that covers the face: glasses before the eyes, masks over nose and mouth, things that are held."""
    for _ in range(_TRIES):
        plan = plan_of({kind}, rng, clothes)
        raised = plan.frame is not None and plan.frame.wear == "up"
        lowered = plan.mask is not None and plan.mask.wear != "on"
        if not raised and not lowered and not plan.stickers:
            return plan
    raise RuntimeError(f"No plan for {kind!r} in {_TRIES} draws.")


def _like_the_photo(
    laid: np.ndarray, photo: np.ndarray, kinds: np.ndarray, face: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(h, w, 3) encoded picture whose occluder is as sharp and as grainy as the photo."""
    sigma, grain = _sharpness(photo, face), _grain(photo, face)
    solid = np.isin(kinds, HIDING).astype(np.float32)
    soft = cv2.GaussianBlur(cv2.dilate(solid, np.ones((3, 3))), (0, 0), max(sigma, 0.3))[:, :, None]
    laid = laid + (cv2.GaussianBlur(laid, (0, 0), max(sigma, 0.3)) - laid) * np.minimum(soft, 1.0)
    noise = cv2.GaussianBlur(rng.standard_normal(kinds.shape, dtype=np.float32), (0, 0), 0.5) * 1.7
    return laid + (grain * noise * solid)[:, :, None]


def _sharpness(photo: np.ndarray, face: np.ndarray) -> float:
    """Standard deviation (pixels) of the blur of the face's sharpest edges, beyond what the pixels themselves blur.

    On an edge blurred by sigma the mean slope over the mean curvature is 1.25 sigma.
    """
    gray = np.ascontiguousarray(photo.mean(axis=2))
    dx = cv2.filter2D(gray, -1, np.array([[-0.5, 0.0, 0.5]], np.float32))
    dy = cv2.filter2D(gray, -1, np.array([[-0.5], [0.0], [0.5]], np.float32))
    bend = cv2.filter2D(gray, -1, np.array([[1.0, -2.0, 1.0]], np.float32))
    slope = np.hypot(dx, dy)
    if face.sum() < 50:
        return 0.6
    steep = cv2.dilate((slope > np.quantile(slope[face], 0.96)).astype(np.uint8), np.ones((3, 7), np.uint8)) > 0
    steep &= face & (np.abs(dx) > np.abs(dy))
    if steep.sum() < 10:
        return 0.8
    ratio = float(np.abs(dx[steep]).mean() / max(float(np.abs(bend[steep]).mean()), 1e-5))
    return float(np.clip(0.8 * ratio - 0.55, 0.3, 3.0))


def _grain(photo: np.ndarray, face: np.ndarray) -> float:
    """Standard deviation (encoded) of the noise on the face's even parts."""
    gray = np.ascontiguousarray(photo.mean(axis=2))
    rough = np.abs(gray - cv2.GaussianBlur(gray, (0, 0), 1.0))
    return float(np.clip(1.2 * np.median(rough[face]), 0.0, 0.03)) if face.any() else 0.0


def hidden_share(kinds: np.ndarray, points: np.ndarray) -> float:
    """Share of (N, 2) pixel points that something opaque covers in a (H, W) `Occluder` map."""
    column = np.clip(np.rint(points[:, 0]), 0, kinds.shape[1] - 1).astype(int)
    row = np.clip(np.rint(points[:, 1]), 0, kinds.shape[0] - 1).astype(int)
    return float(np.isin(kinds[row, column], [*HIDING, Occluder.CLEAR_LENS]).mean())
