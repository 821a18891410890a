"""Draws docs/images/face_model.jpg: the mean head, its first modes at two sigma, and all 64 expressions."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import cv2
import numpy as np

from core.geometry.camera import project, rotation_from_angles
from core.geometry.face_model import DEFAULT_PATH, FaceModel, load_face_model
from core.geometry.lighting import linear_to_srgb
from core.geometry.rasterizer import interpolate, rasterize, vertex_normals
from core.types import ALBEDO, EXPRESSION, IDENTITY, Camera

LOG = logging.getLogger(__name__)
OUTPUT = Path(__file__).resolve().parents[2] / "docs" / "images" / "face_model.jpg"
KEY, FILL = np.array([-0.45, 0.55, 0.70]), np.array([0.75, 0.10, 0.65])  # directions to the lamps, model axes
_SUPERSAMPLING = 2
_INK, _PAPER = (60, 60, 60), 250


def camera(size: int, yaw: float, pitch: float, center: np.ndarray, span: float) -> Camera:
    """A camera 0.8 m away that sees `span` metres round `center` (3,) of the model in `size` pixels."""
    rotation = rotation_from_angles(pitch, yaw, 0.0)
    away = np.array([0.0, 0.0, 0.8]) - rotation @ center
    return Camera(size * 0.8 / span, ((size - 1) / 2, (size - 1) / 2), size, size, rotation, away)


def render(
    model: FaceModel,
    vertices: np.ndarray,
    albedo: np.ndarray,
    size: int,
    yaw: float = 0.0,
    pitch: float = 0.0,
    center: tuple[float, float, float] = (0.0, -0.018, 0.0),
    span: float = 0.27,
) -> np.ndarray:
    """(size, size, 3) uint8 RGB picture of (V, 3) vertices with (V, 3) linear albedo; the clear cornea is left out."""
    large = size * _SUPERSAMPLING
    view = camera(large, yaw, pitch, np.array(center), span)
    clear = [model.part("cornea_left"), model.part("cornea_right")]
    triangles = model.triangles[~np.isin(model.triangle_part, clear)]
    raster = rasterize(project(view, vertices), triangles, large, large)
    light = _light(vertex_normals(vertices, triangles))
    color = interpolate(raster, triangles, (albedo * light).astype(np.float32))
    picture = np.full((large, large, 3), _PAPER / 255.0, np.float32)
    picture[raster.mask] = linear_to_srgb(np.clip(color[raster.mask], 0, 1))
    return (cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA) * 255 + 0.5).astype(np.uint8)


def _light(normals: np.ndarray) -> np.ndarray:
    """(V, 1) irradiance of a key, a fill and a sky."""
    key, fill = (np.clip(normals @ (d / np.linalg.norm(d)), 0, 1) for d in (KEY, FILL))
    return (1.15 * key + 0.40 * fill + 0.22 * (1 + normals[:, 1]))[:, None]


def labelled(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture with a caption in its top left corner."""
    scale = picture.shape[0] / 520
    place = (int(10 * scale) + 2, int(26 * scale) + 2)
    return cv2.putText(picture.copy(), text, place, cv2.FONT_HERSHEY_SIMPLEX, max(scale, 0.33), _INK, 1, cv2.LINE_AA)


def _grid(pictures: list[np.ndarray], columns: int) -> np.ndarray:
    blank = np.full_like(pictures[0], _PAPER)
    pictures = pictures + [blank] * (-len(pictures) % columns)
    return np.vstack([np.hstack(pictures[k : k + columns]) for k in range(0, len(pictures), columns)])


def figure(model: FaceModel, width: int = 1920) -> np.ndarray:
    """(H, width, 3) uint8 RGB sheet."""
    neutral, plain = np.zeros(IDENTITY), model.albedo(np.zeros(ALBEDO))
    head = model.shape(neutral)
    large, medium, small = width // 4, width // 8, width // 10
    views = [labelled(render(model, head, plain, large, yaw, center=_HEAD), name) for yaw, name in _VIEWS]
    close = render(model, head, plain, large, yaw=-0.25, center=(0.0, -0.02, 0.02), span=0.12)
    identity = [
        labelled(
            render(model, model.shape(sigma * np.eye(IDENTITY)[k]), plain, medium, -0.5, center=_HEAD),
            f"identity {k + 1}: {sigma:+d}s",
        )
        for k in range(8)
        for sigma in (-2, 2)
    ]
    albedo = [
        labelled(
            render(model, head, model.albedo(sigma * np.eye(ALBEDO)[k]), medium, span=0.22, center=(0, -0.02, 0)),
            f"albedo {k + 1}: {sigma:+d}s",
        )
        for k in range(8)
        for sigma in (-2, 2)
    ]
    faces = [_expression(model, name, plain, small) for name in model.expression_names]
    parts = [_grid([*views, labelled(close, "close")], 4), _grid(identity, 8), _grid(albedo, 8), _grid(faces, 10)]
    parts = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=_PAPER) for p in parts]
    return np.vstack(parts)


def _expression(model: FaceModel, name: str, albedo: np.ndarray, size: int) -> np.ndarray:
    """One expression at 1; mouthClose is shown where it belongs, on top of jawOpen."""
    sliders = np.eye(EXPRESSION)[model.expression_names.index(name)]
    if name == "mouthClose":
        sliders[model.expression_names.index("jawOpen")] = 1.0
        name = "jawOpen + mouthClose"
    vertices = model.shape(np.zeros(IDENTITY), sliders)
    return labelled(render(model, vertices, albedo, size, -0.2, span=0.20, center=_FACE), name)


_VIEWS = ((0.0, "mean"), (-0.7, "three-quarter"), (-1.5, "profile"))
_HEAD, _FACE = (0.0, -0.018, -0.045), (0.0, -0.025, 0.0)


def main() -> None:
    """Write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=DEFAULT_PATH)
    parser.add_argument("--out", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sheet = figure(load_face_model(arguments.model))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(arguments.out), sheet[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    LOG.info("%s: %d x %d, %.1f MB", arguments.out, *sheet.shape[1::-1], arguments.out.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
