"""Cloth over a face: a grid on the head's chart, stretched over the hollows and kept off the skin."""

from __future__ import annotations

import cv2
import numpy as np

from .head import Head
from .layers import Posed

SKIN_GAP = 0.0015  # metres between cloth and skin


def wrap(
    head: Head, posed: Posed, places: np.ndarray, stiff: float, loose: np.ndarray, held: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(R, C, 3) float32 cloth over (R, C, 2) chart pixels, and its (R, C, 3) smooth outward normals.

    `stiff` says over how many grid cells the cloth spans hollows, `loose` (R, C) how far it stands off, metres, and
    `held` (R, C) is 0 where it lies on the skin and 1 where it may span.
    """
    rows, columns = places.shape[:2]
    flat = places.reshape(-1, 2)
    points = head.on_surface(posed.vertices, flat).reshape(rows, columns, 3).astype(np.float32)
    outward = head.on_surface(posed.normals, flat).reshape(rows, columns, 3).astype(np.float32)
    outward = cv2.GaussianBlur(outward, (0, 0), 2.0, borderType=cv2.BORDER_REPLICATE)
    outward /= np.maximum(np.linalg.norm(outward, axis=2, keepdims=True), 1e-6)
    smooth = cv2.GaussianBlur(points, (0, 0), stiff, borderType=cv2.BORDER_REPLICATE)
    smooth = points + (smooth - points) * held[:, :, None]
    sunk = np.maximum(np.einsum("rck,rck->rc", points - smooth, outward), 0.0)
    spread = cv2.GaussianBlur(cv2.dilate(sunk, np.ones((5, 5))), (0, 0), 2.2)
    off = np.maximum(sunk, spread) + SKIN_GAP + loose
    return (smooth + outward * off[:, :, None]).astype(np.float32), outward


def unit_grid(rows: int, columns: int) -> np.ndarray:
    """(R, C, 2) float32 texture places (u to the right, v down), both 0 to 1."""
    v, u = np.mgrid[0:rows, 0:columns].astype(np.float32)
    return np.stack([u / (columns - 1), v / (rows - 1)], axis=2)


def edge_distance(rows: int, columns: int) -> np.ndarray:
    """(R, C) float32: 0 on the grid's rim, 1 well inside."""
    v, u = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, columns)[None, :]
    return np.clip((1.0 - np.maximum(np.abs(u), np.abs(v))) * 3.5, 0.0, 1.0).astype(np.float32)
