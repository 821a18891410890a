"""Hair stage: the hair's outer surface, from its outline in the photo, with a picture of its own."""

from __future__ import annotations

import cv2
import numpy as np

from ..geometry.delighting import LUMINANCE
from ..geometry.face_model import FaceModel
from ..geometry.hair_grid import COLUMNS, HairGrid, HairGrids, nearest_round, round_blur
from ..geometry.hair_picture import paint, picture_rows
from ..geometry.hair_view import WORN, HairView
from ..geometry.hair_volume import REACH, hanging, laid_down, lengths, outline, thickness, thinned_at_nape, tucked_in
from ..geometry.head_view import FACE
from ..geometry.lighting import LINEAR, srgb_to_linear
from ..types import PARTS, SEEN, Camera, FaceTexture, HairMesh

_LEAST = 0.16  # area of the hair in the photo over that of the face
_FACE = [PARTS.index(name) for name in FACE]
_SKIN = PARTS.index("skin")
_FEW, _MOST = 200, 5000  # pixels
_LIT = (0.2, 3.0)  # of light, that is believed
_CLEAR = 0.006  # metres by which hair stands off an ear that it covers
_ASIDE = 0.3  # cosine between ray and view up to which a photo does not tell whether an ear is covered
_BARE = 8  # of 255: cover below which a face of the mesh is left out


class Hair:
    """(photo, parts, head at rest, camera, texture) -> a mesh of its hair, None for who shows hardly any."""

    def __init__(self, model: FaceModel, size: int = 1024) -> None:
        """`size` texels round the head."""
        self._grids, self._size = HairGrids(model), size

    def __call__(
        self, photo: np.ndarray, parts: np.ndarray, neutral: np.ndarray, camera: Camera, texture: FaceTexture
    ) -> HairMesh | None:
        """Of a (H, W, 3) uint8 RGB photo with (H, W) uint8 indices of `PARTS`, and (V, 3) vertices at rest.

        Hats are shown as hair is. How much light falls on them is told by the photo's skin beside its `texture`.
        """
        if hair_share(parts) < _LEAST:
            return None
        grid = self._grids.round_head(neutral)
        view = HairView.of(photo, parts, camera, grid.points(grid.skin + REACH).reshape(-1, 3), self._size)
        surface, ends = shape(grid, view)
        light, albedo = lit(photo, parts, texture), srgb_to_linear(texture.hair_color)
        picture = paint(grid, view, surface, ends, light, albedo, self._size)
        return mesh(grid.points(surface), picture, picture_rows(grid, ends), hats(grid, view, surface))


def hair_share(parts: np.ndarray) -> float:
    """Area of hair and hats over that of the face in (H, W) indices of `PARTS`."""
    return float(np.isin(parts, WORN).sum()) / max(float(np.isin(parts, _FACE).sum()), 1.0)


def lit(photo: np.ndarray, parts: np.ndarray, texture: FaceTexture) -> float:
    """How bright a (H, W, 3) photo shows skin, over the base colour that the texture has for it where it was seen."""
    seen = texture.color[texture.source == SEEN + 1]
    shown = photo[parts == _SKIN]
    if min(len(seen), len(shown)) < _FEW:
        return 1.0
    bright, base = (
        float(np.median(LINEAR[colors[:: len(colors) // _MOST + 1]] @ LUMINANCE)) for colors in (shown, seen)
    )
    return float(np.clip(bright / max(base, 1e-3), *_LIT))


def shape(grid: HairGrid, view: HairView) -> tuple[np.ndarray, np.ndarray]:
    """How far the hair's surface lies along the rays, (ROWS, COLUMNS) metres, and `lengths`, (COLUMNS,)."""
    ground, seen = grid.skin, outline(grid, view, grid.skin)
    ends = lengths(grid, seen)
    hangs = hanging(ends)
    if hangs.any():
        ground = ground + hangs * (grid.hung - ground)
        seen = outline(grid, view, ground)
    height = thickness(grid, view, ground, seen)
    height = height + (1.0 - hangs) * (thinned_at_nape(grid, height) - height)
    height = laid_down(grid, view, ground, height)
    surface = ground + np.maximum(height, hangs * over_ears(grid, view, ground))
    return tucked_in(grid, surface, ends), ends


def over_ears(grid: HairGrid, view: HairView, ground: np.ndarray) -> np.ndarray:
    """(ROWS, COLUMNS) metres by which hair stands off the ground so that the ears which it covers stay below it."""
    covered = view.hair_at(view.pixels(grid.points(ground + grid.ears))) > 0.5
    aside = view.facing(grid.points(ground), grid.directions) < _ASIDE
    ears = cv2.dilate(np.where(covered | aside, grid.ears, 0.0), np.ones((3, 3)))
    return round_blur(np.where(ears > 0.0, ears + _CLEAR, 0.0), 0.7)


def hats(grid: HairGrid, view: HairView, surface: np.ndarray) -> np.ndarray:
    """(ROWS, COLUMNS) in [0, 1]: how far what the photo shows on the surface is a hat; beyond, as where it ends."""
    points = grid.points(surface)
    pixels = view.pixels(points)
    told = (view.facing(points, grid.directions) > _ASIDE) & view.inside(pixels) & (view.hair_at(pixels) > 0.5)
    hat = view.hat_at(pixels)
    if not (hat * told).any():
        return np.zeros(surface.shape, np.float32)
    return hat[nearest_round(told)]


def mesh(points: np.ndarray, picture: np.ndarray, rows: int, hat: np.ndarray | None = None) -> HairMesh:
    """Quads between the first `rows` of (ROWS, COLUMNS, 3) points, where the picture shows any hair.

    `hat` is (ROWS, COLUMNS), as of `hats`; None stands for no hat.
    """
    hat = np.zeros(points.shape[:2]) if hat is None else hat
    corner = np.arange(rows * COLUMNS).reshape(rows, COLUMNS)
    corner[0] = 0  # the crown
    around = np.concatenate([corner, corner[:, :1]], axis=1)
    place = np.arange(rows * (COLUMNS + 1)).reshape(rows, COLUMNS + 1)
    faces, uv_faces = _quads(around), _quads(place)
    first = faces[:COLUMNS]  # triangles about the crown repeat their last corner
    faces[:COLUMNS] = np.stack([first[:, 1], first[:, 2], first[:, 0], first[:, 0]], axis=1)
    uv_faces[:COLUMNS] = uv_faces[:COLUMNS][:, [1, 2, 0, 0]]
    u, v = np.meshgrid(np.arange(COLUMNS + 1) / COLUMNS, 1.0 - np.arange(rows) / (rows - 1))
    uv = np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float32)
    uv[:COLUMNS, 0] += 0.5 / COLUMNS
    kept = _hairy(picture[..., 3], rows)
    values = np.concatenate([points, hat[..., None]], axis=-1)[:rows].reshape(-1, 4).astype(np.float32)
    vertices, faces = _used(values, faces[kept])
    uv, uv_faces = _used(uv, uv_faces[kept])
    return HairMesh(np.ascontiguousarray(vertices[:, :3]), faces, uv, uv_faces, picture, vertices[:, 3])


def _quads(corner: np.ndarray) -> np.ndarray:
    """(G, 4) counter-clockwise corners, seen from outside, of a (rows, columns) grid of numbers."""
    return np.stack([corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]], axis=-1).reshape(-1, 4)


def _hairy(cover: np.ndarray, rows: int) -> np.ndarray:
    """(G,) bool: faces of the grid whose texels show hair."""
    height, width = cover.shape
    grown = cv2.dilate(cover, np.ones((2 * height // rows + 1, width // COLUMNS + 1), np.uint8))
    y = ((np.arange(rows - 1) + 0.5) / (rows - 1) * height).astype(int)
    x = ((np.arange(COLUMNS) + 0.5) / COLUMNS * width).astype(int)
    return grown[y[:, None], x].ravel() > _BARE


def _used(values: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `values` that `faces` ask for, and the faces numbered anew, int32."""
    rows, renumbered = np.unique(faces, return_inverse=True)
    return values[rows], renumbered.reshape(faces.shape).astype(np.int32)
