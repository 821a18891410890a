"""Posed geometry, meshes that carry their own paint, shading, and depth-tested compositing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from core.geometry.lighting import LIGHT_FLIP
from core.geometry.rasterizer import Raster
from core.types import Camera

from .head import Head, orthographic, orthographic_view
from .hit_kernels import NO_SHADOW, composite, hit_frames, spread_layer
from .kernels import interpolate_hits, project, rasterize, vertex_normals
from .light import Light
from .shading import directions_to_eye, shade, shadow_share

SHADOW_SIZE = 160  # pixels of the shadow map
SHADOW_BIAS = 0.006  # metres
Painter = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
Window = tuple[slice, slice]  # rows and columns of a picture


@dataclass(frozen=True, eq=False)
class Posed:
    """The head as it stands before the camera."""

    camera: Camera
    vertices: np.ndarray  # (V, 3) float32 model frame, expression included
    normals: np.ndarray  # (V, 3) float32 unit, model frame
    points: np.ndarray  # (V, 3) float32 pixels and depth

    @staticmethod
    def of(camera: Camera, vertices: np.ndarray, head: Head) -> Posed:
        """Project (V, 3) vertices and compute their normals."""
        normals = vertex_normals(vertices, head.model.triangles)
        return Posed(camera, vertices, normals, project(camera, vertices))

    def to_light(self, vectors: np.ndarray) -> np.ndarray:
        """(N, 3) model-frame vectors in the light frame."""
        return (vectors @ self.camera.rotation.T.astype(np.float32)) * LIGHT_FLIP

    def from_light(self, vector: np.ndarray) -> np.ndarray:
        """(3,) light-frame vector in the model frame."""
        return (vector * LIGHT_FLIP) @ self.camera.rotation


@dataclass(frozen=True, eq=False)
class Mesh:
    """Something besides the head: hair, clothes, glasses, masks, hands."""

    vertices: np.ndarray  # (N, 3) float32 model frame, metres, posed
    triangles: np.ndarray  # (M, 3) int32
    attributes: np.ndarray  # (N, A) float32 handed to the painter at each pixel
    painter: Painter  # (n, A) attributes -> (n, 3) linear albedo, (n,) cover
    kind: int  # `Label` or `Occluder` class
    gloss: float = 0.3
    sharpness: float = 20.0  # Blinn-Phong exponent
    occlusion: float = 1.0
    normals: np.ndarray | None = None  # (N, 3) float32 unit; from the triangles when None


def compact_mesh(
    vertices: np.ndarray,
    triangles: np.ndarray,
    attributes: np.ndarray,
    paint: Painter,
    kind: int,
    gloss: float,
    sharpness: float,
) -> Mesh:
    """A mesh of the used vertices only."""
    rows, inverse = np.unique(triangles, return_inverse=True)
    return Mesh(
        vertices[rows].astype(np.float32),
        inverse.reshape(-1, 3).astype(np.int32),
        attributes[rows],
        paint,
        int(kind),
        gloss,
        sharpness,
        occlusion=0.8,
    )


@dataclass(frozen=True, eq=False)
class Layer:
    """A drawn mesh."""

    color: np.ndarray  # (H, W, 3) float32 linear
    cover: np.ndarray  # (H, W) float32 in [0, 1]
    depth: np.ndarray  # (H, W) float32 metres, infinity where nothing is
    kind: int


@dataclass(frozen=True, eq=False)
class ShadowMap:
    """Depth of the scene as the key lamp sees it."""

    depth: np.ndarray  # (S, S) float32, blurred over empty pixels
    direction: np.ndarray  # (3,) float64 towards the lamp, model frame

    @cached_property
    def view(self) -> tuple[np.ndarray, np.ndarray]:
        """(3, 3) and (3,) float32: pixels and depth of a model-frame point are `point @ turn + shift`."""
        return orthographic_view(self.direction, SHADOW_SIZE)

    def lit(self, points: np.ndarray, softness: int = 1) -> np.ndarray:
        """(N,) float32 in [0, 1]: share of the lamp that (N, 3) model-frame points see."""
        turn, shift = self.view
        local = points.astype(np.float32, copy=False) @ turn + shift
        return shadow_share(local, self.depth, SHADOW_BIAS, float(softness))


def cast_shadow(posed: Posed, head: Head, light: Light, meshes: list[Mesh]) -> ShadowMap | None:
    """The key lamp's view of head and meshes; None when it casts no shadow."""
    if not light.casts_shadow:
        return None
    direction = posed.from_light(light.key_direction.astype(np.float64))
    vertices, triangles, start = [posed.vertices], [head.casters], len(posed.vertices)
    for mesh in meshes:
        vertices.append(mesh.vertices)
        triangles.append(mesh.triangles + start)
        start += len(mesh.vertices)
    points = orthographic(np.concatenate(vertices), direction, SHADOW_SIZE)
    raster = rasterize(points, np.concatenate(triangles), SHADOW_SIZE, SHADOW_SIZE)
    return ShadowMap(raster.depth, direction)


def towards_eye(posed: Posed, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(N, 3) unit vectors from the surface towards the camera at pixels, light frame."""
    center = posed.camera.center
    return directions_to_eye(rows, columns, float(center[0]), float(center[1]), float(posed.camera.focal))


def window_of(vertices: np.ndarray, posed: Posed, margin: int = 0) -> Window | None:
    """The pixels that (N, 3) model-frame vertices may cover; None when all lie outside the picture."""
    flat = project(posed.camera, vertices)
    flat = flat[flat[:, 2] > 0.02, :2]
    if not len(flat):
        return None
    low = np.maximum(np.floor(flat.min(axis=0)).astype(int) - 1 - margin, 0)
    high = np.minimum(np.ceil(flat.max(axis=0)).astype(int) + 2 + margin, [posed.camera.width, posed.camera.height])
    if (high <= low).any():
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def looking_through(posed: Posed, window: Window, factor: int) -> Posed:
    """The same view cut to a window and enlarged by a whole factor."""
    rows, columns = window
    camera = posed.camera
    sub = replace(
        camera,
        focal=camera.focal * factor,
        center=(
            (camera.center[0] - columns.start + 0.5) * factor - 0.5,
            (camera.center[1] - rows.start + 0.5) * factor - 0.5,
        ),
        width=(columns.stop - columns.start) * factor,
        height=(rows.stop - rows.start) * factor,
    )
    return replace(posed, camera=sub)


def draw(mesh: Mesh, posed: Posed, light: Light, shadow: ShadowMap | None, before: np.ndarray | None = None) -> Layer:
    """Rasterise, paint and light one mesh, where it lies before the (H, W) depths; both sides are seen."""
    height, width = posed.camera.height, posed.camera.width
    raster = rasterize(project(posed.camera, mesh.vertices), mesh.triangles, width, height, before=before)
    if not raster.mask.any():
        return Layer(np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32), raster.depth, 0)
    normals = mesh.normals if mesh.normals is not None else vertex_normals(mesh.vertices, mesh.triangles)
    normal, eye, lit = light_frames(raster, mesh.triangles, mesh.vertices, normals, posed, shadow, both_sides=True)
    albedo, amount = mesh.painter(interpolate_hits(raster, mesh.triangles, mesh.attributes))
    even = np.full(len(normal), mesh.occlusion, np.float32)
    color = shade(albedo, normal, eye, light, lit, even, even * mesh.gloss, mesh.sharpness)
    spread, cover = spread_layer(raster.triangle_id, color, np.ascontiguousarray(amount, np.float32))
    return Layer(spread, cover, raster.depth, mesh.kind)


def lay(
    canvas: Canvas, mesh: Mesh, posed: Posed, light: Light, shadow: ShadowMap | None, before: np.ndarray | None = None
) -> np.ndarray:
    """Draw one mesh over the canvas, in place, within the pixels that it may cover; its (H, W) visible cover.

    Nothing is drawn behind the canvas or, when they are given, behind the (H, W) depths `before`.
    """
    seen = np.zeros(canvas.depth.shape, np.float32)
    window = window_of(mesh.vertices, posed)
    if window is None:
        return seen
    part = Canvas(canvas.color[window], canvas.depth[window], canvas.label[window])
    limit = part.depth if before is None else np.minimum(part.depth, before[window])
    seen[window] = part.over(draw(mesh, looking_through(posed, window, 1), light, shadow, limit))
    return seen


def light_frames(
    raster: Raster, triangles: np.ndarray, vertices: np.ndarray, normals: np.ndarray, posed: Posed,
    shadow: ShadowMap | None, both_sides: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Unit normals (N, 3), directions to the eye (N, 3), light frame, and the lit share (N,) at a raster's hits.

    `vertices` and `normals` are (V, 3), model frame; `both_sides` turns normals towards the eye.
    """
    camera = posed.camera
    turn = np.ascontiguousarray(camera.rotation * LIGHT_FLIP[:, None], np.float32)
    view = shadow.view if shadow else (np.zeros((3, 3), np.float32), np.zeros(3, np.float32))
    return hit_frames(
        raster.triangle_id, raster.barycentric, np.ascontiguousarray(triangles, np.int32),
        np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(normals, np.float32), turn,
        np.array([camera.focal, *camera.center], np.float32), both_sides,
        shadow.depth if shadow else NO_SHADOW, *view, SHADOW_BIAS,
    )  # fmt: skip


@dataclass(eq=False)
class Canvas:
    """What has been composited so far; changed in place by `over`."""

    color: np.ndarray  # (H, W, 3) float32 linear
    depth: np.ndarray  # (H, W) float32 metres
    label: np.ndarray  # (H, W) uint8 `Label`

    def copy(self) -> Canvas:
        """An independent canvas."""
        return Canvas(self.color.copy(), self.depth.copy(), self.label.copy())

    def over(self, layer: Layer) -> np.ndarray:
        """Lay a layer over, where it is nearer; returns its (H, W) float32 visible cover."""
        return composite(self.color, self.depth, self.label, layer.color, layer.cover, layer.depth, int(layer.kind))


def contact_shadow(cover: np.ndarray, pixels: float, strength: float) -> np.ndarray:
    """(H, W) float32 factor in [0, 1]: a soft shadow that falls downwards from a (H, W) cover."""
    shift = np.array([[1, 0, 0], [0, 1, pixels]], np.float32)
    moved = cv2.warpAffine(cover, shift, cover.shape[::-1])
    return 1.0 - strength * cv2.GaussianBlur(moved, (0, 0), max(pixels, 0.5))
