"""The rendering layer: a batched z-buffer in torch, differentiable in shape, albedo, light and pose.

A hard z-buffer decides which triangle each pixel sees (no gradient). Where on the triangle, and with which normal and
colour, is then computed from the vertices, so that gradients reach everything inside the silhouette. Frames, light and
colours as in docs/conventions.md; agrees with core.geometry.rasterizer. Same code on CPU and GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.geometry.face_model import FaceModel
from core.types import LAYOUT

BACKGROUND = -1
_FRAGMENTS = 1 << 22  # candidates examined at once; bounds the memory
_TINY = 1e-12


class Visible(NamedTuple):
    """What each pixel sees."""

    triangle: Tensor  # (N, H, W) int64, BACKGROUND where nothing is
    barycentric: Tensor  # (N, H, W, 3) perspective-correct, 0 where nothing is; differentiable
    depth: Tensor  # (N, H, W), unit of the input, 0 where nothing is; differentiable

    @property
    def mask(self) -> Tensor:
        """(N, H, W) bool."""
        return self.triangle >= 0


def rasterize(points: Tensor, triangles: Tensor, height: int, width: int) -> Visible:
    """Rasterise (T, 3) triangles over (N, V, 3) points: x, y in pixels and depth > 0, greater is farther."""
    with torch.no_grad():
        nearest = _nearest(points.detach()[:, triangles], height, width)
    count = len(points)
    nearest = nearest.view(count, height * width)
    corners = _gather_corners(points, triangles[nearest.clamp_min(0)])  # (N, HW, 3, 3)
    y, x = _pixel_grid(height, width, points)
    flat = _edge_weights(corners[..., :2], x, y)
    inverse = flat / corners[..., 2]  # screen-linear weights over depth
    total = inverse.sum(-1, keepdim=True)
    seen = (nearest >= 0).unsqueeze(-1)
    weights = torch.where(seen, inverse / torch.where(seen, total, 1.0), 0.0)
    depth = torch.where(seen, 1.0 / torch.where(seen, total, 1.0), 0.0)
    shape = (count, height, width)
    return Visible(nearest.view(shape), weights.view(*shape, 3), depth.view(shape))


def interpolate(values: Tensor, triangles: Tensor, visible: Visible) -> Tensor:
    """(N, H, W, C) of (N, V, C) vertex values; 0 where nothing is seen."""
    count, height, width = visible.triangle.shape
    index = triangles[visible.triangle.view(count, -1).clamp_min(0)]
    corners = _gather_corners(values, index)
    return (visible.barycentric.view(count, -1, 3, 1) * corners).sum(2).view(count, height, width, -1)


def vertex_normals(vertices: Tensor, triangles: Tensor) -> Tensor:
    """(N, V, 3) unit normals, area-weighted, of (N, V, 3) vertices with counter-clockwise (T, 3) triangles."""
    a, b, c = (vertices[:, triangles[:, k]] for k in range(3))
    normal = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices)
    for k in range(3):
        total = total.index_add(1, triangles[:, k], normal)
    return total / total.norm(dim=-1, keepdim=True).clamp_min(_TINY)


def light_basis(normals: Tensor) -> Tensor:
    """(..., 9) `[1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2]` of (..., 3) unit normals in the light frame."""
    x, y, z = normals.unbind(-1)
    return torch.stack([torch.ones_like(x), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], dim=-1)


def rotation_matrices(angles: Tensor) -> Tensor:
    """(N, 3, 3) model -> camera rotations of (N, 3) pitch, yaw, roll, as core.geometry.camera."""
    (sp, sy, sr), (cp, cy, cr) = angles.sin().unbind(-1), angles.cos().unbind(-1)
    rows = [
        torch.stack([cr * cy - sr * sp * sy, -sr * cp, cr * sy + sr * sp * cy], -1),
        -torch.stack([sr * cy + cr * sp * sy, cr * cp, sr * sy - cr * sp * cy], -1),
        -torch.stack([-cp * sy, sp, cp * cy], -1),
    ]
    return torch.stack(rows, dim=1)


def linear_to_srgb(linear: Tensor) -> Tensor:
    """sRGB-encoded values of linear ones in [0, 1]; the toe keeps the gradient finite at black."""
    safe = linear.clamp(0.0031308, 1.0)
    return torch.where(linear <= 0.0031308, linear.clamp_min(0.0) * 12.92, 1.055 * safe ** (1 / 2.4) - 0.055)


@dataclass(frozen=True)
class Picture:
    """A rendered batch."""

    color: Tensor  # (N, H, W, 3) sRGB-encoded, 0 outside the head
    visible: Visible
    points: Tensor  # (N, V, 3) projected vertices: x, y in pixels, depth in metres


class RenderingLayer(nn.Module):
    """Coefficients of docs/conventions.md to pictures of the face crop."""

    vertices: Tensor
    identity: Tensor
    expression: Tensor
    albedo_mean: Tensor
    albedo: Tensor
    triangles: Tensor

    def __init__(self, model: FaceModel, size: int, focal_sides: float = 5.0) -> None:
        """`size` is the crop's side in pixels; `focal_sides` the focal length in crop sides (perspective)."""
        super().__init__()
        self.size, self.focal = size, focal_sides * size
        arrays = {
            "vertices": model.vertices,
            "identity": model.identity_basis,
            "expression": model.expression_basis,
            "albedo_mean": model.albedo_mean,
            "albedo": model.albedo_basis,
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(array.astype("float32")), persistent=False)
        self.register_buffer("triangles", torch.from_numpy(model.triangles.astype("int64")), persistent=False)

    def shape(self, coefficients: Tensor) -> Tensor:
        """(N, V, 3) vertices, model frame, metres."""
        moved = coefficients[:, LAYOUT["identity"]] @ self.identity.flatten(1)
        moved = moved + coefficients[:, LAYOUT["expression"]] @ self.expression.flatten(1)
        return self.vertices + moved.view(len(coefficients), -1, 3)

    def colors(self, coefficients: Tensor) -> Tensor:
        """(N, V, 3) linear albedo in [0, 1]."""
        moved = coefficients[:, LAYOUT["albedo"]] @ self.albedo.flatten(1)
        return (self.albedo_mean + moved.view(len(coefficients), -1, 3)).clamp(0.0, 1.0)

    def project(self, rotated: Tensor, pose: Tensor) -> Tensor:
        """(N, V, 3) pixels and depth of vertices already turned into the crop camera's axes, by (N, 6) poses."""
        depth = self.focal / (pose[:, 3:4] * self.size)  # metres from the camera to the model origin
        origin = (pose[:, 4:6] * self.size - 0.5).unsqueeze(1)
        z = depth.unsqueeze(1) + rotated[..., 2:]
        center = (self.size - 1) / 2
        away = (origin - center) * depth.unsqueeze(1)  # keeps the origin's projection where the pose says
        xy = (self.focal * rotated[..., :2] + away) / z + center
        return torch.cat([xy, z], dim=-1)

    def forward(self, coefficients: Tensor) -> Picture:
        """Render (N, 239) coefficients."""
        rotation = rotation_matrices(coefficients[:, LAYOUT["pose"]][:, :3]).transpose(1, 2)
        rotated = self.shape(coefficients) @ rotation
        points = self.project(rotated, coefficients[:, LAYOUT["pose"]])
        visible = rasterize(points, self.triangles, self.size, self.size)
        normals = vertex_normals(rotated, self.triangles) * rotated.new_tensor([1.0, -1.0, -1.0])
        seen = interpolate(torch.cat([normals, self.colors(coefficients)], dim=-1), self.triangles, visible)
        normal = seen[..., :3] / seen[..., :3].norm(dim=-1, keepdim=True).clamp_min(_TINY)
        light = coefficients[:, None, None, LAYOUT["light"]]
        irradiance = (light_basis(normal) * light).sum(-1, keepdim=True).clamp_min(0.0)
        color = linear_to_srgb(seen[..., 3:] * irradiance) * visible.mask.unsqueeze(-1)
        return Picture(color, visible, points)


def _pixel_grid(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    y = torch.arange(height, device=like.device, dtype=like.dtype).repeat_interleave(width)
    x = torch.arange(width, device=like.device, dtype=like.dtype).repeat(height)
    return y, x


def _gather_corners(values: Tensor, index: Tensor) -> Tensor:
    """(N, P, 3, C) of (N, V, C) values at (N, P, 3) vertex indices."""
    count, pixels, _ = index.shape
    flat = index.reshape(count, -1, 1).expand(-1, -1, values.shape[-1])
    return values.gather(1, flat).view(count, pixels, 3, -1)


def _edge_weights(corners: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(..., 3) screen-linear weights at x, y of (..., 3, 2) corners; degenerate triangles give weights of zero."""
    a, b, c = corners.unbind(-2)
    px, py = x - a[..., 0], y - a[..., 1]
    bx, by, cx, cy = b[..., 0] - a[..., 0], b[..., 1] - a[..., 1], c[..., 0] - a[..., 0], c[..., 1] - a[..., 1]
    area = bx * cy - by * cx
    safe = torch.where(area.abs() < _TINY, torch.full_like(area, torch.inf), area)
    second, third = (px * cy - py * cx) / safe, (bx * py - by * px) / safe
    return torch.stack([torch.where(area.abs() < _TINY, 0.0, 1.0 - second - third), second, third], dim=-1)


def _nearest(corners: Tensor, height: int, width: int) -> Tensor:
    """(N * H * W,) index of the nearest of (N, T, 3, 3) triangles at each pixel, BACKGROUND for none.

    Triangles are grouped by the size of their bounding boxes; all pixels of a group's boxes are tested at once and
    the nearest kept by an atomic minimum over depth and index packed into one integer.
    """
    count, triangles = corners.shape[:2]
    empty = torch.iinfo(torch.int64).max
    buffer = torch.full((count * height * width,), empty, dtype=torch.int64, device=corners.device)
    flat = corners.flatten(0, 1)
    low = flat[..., :2].amin(1).ceil().clamp_min(0.0)
    limit = flat.new_tensor([width - 1, height - 1])
    high = torch.minimum(flat[..., :2].amax(1).floor(), limit)
    extent = (high - low + 1).amax(1)
    inside = ((high >= low).all(1)) & (flat[..., 2].amin(1) > 0)
    side = 1
    while side < 2 * max(height, width):
        chosen = (inside & (extent <= side) & (extent > side // 2)).nonzero().squeeze(1)
        for part in chosen.split(max(_FRAGMENTS // side**2, 1)):
            _splat(buffer, flat[part], part, low[part], side, triangles, (height, width))
        side *= 2
    return torch.where(buffer == empty, BACKGROUND, buffer & 0xFFFFFFFF)


def _splat(
    buffer: Tensor, corners: Tensor, rows: Tensor, low: Tensor, side: int, triangles: int, size: tuple[int, int]
) -> None:
    """Test a side x side block of pixels from `low` for each of (K, 3, 3) corners and keep the nearest."""
    height, width = size
    step = torch.arange(side, device=corners.device, dtype=corners.dtype)
    x = (low[:, :1] + step.repeat(side)).round()
    y = (low[:, 1:] + step.repeat_interleave(side)).round()
    weights = _edge_weights(corners[:, None, :, :2], x, y)
    covered = (weights >= 0).all(-1) & (weights.sum(-1) > 0) & (x < width) & (y < height)
    k, p = covered.nonzero(as_tuple=True)
    depth = 1.0 / (weights[k, p] / corners[k, :, 2]).sum(-1)
    bits = depth.float().contiguous().view(torch.int32).to(torch.int64)  # positive floats sort like their bits
    pixel = (rows[k] // triangles) * (height * width) + y[k, p].long() * width + x[k, p].long()
    buffer.scatter_reduce_(0, pixel, (bits << 32) | (rows[k] % triangles), reduce="amin")
