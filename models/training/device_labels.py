"""Coefficients of many crops at once: pose and light in the crop's own frame, as `core.geometry.camera` has one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from core.geometry.lighting import LIGHT_FLIP
from core.geometry.mirroring import CoefficientMirror
from core.types import LAYOUT
from models.synthesis.torch_renderer import light_basis, rotation_matrices

from .device_crops import mirrored

_T_X = LAYOUT["pose"].start + 4
_DIRECTIONS = 24  # in which light is compared; more than its nine coefficients


class CropLabels:
    """Coefficients of pictures seen through crop matrices, as `RegressorRecipe.label` has them."""

    def __init__(self, mirror: CoefficientMirror, size: int, device: str) -> None:
        self.size = size
        self._order = torch.from_numpy(mirror.order).to(device)
        self._sign = torch.from_numpy(mirror.sign).to(device)
        directions = np.random.default_rng(3).normal(size=(_DIRECTIONS, 3))
        self._directions = nn.functional.normalize(torch.from_numpy(directions).float()).to(device)
        self._solve = torch.linalg.pinv(light_basis(self._directions).double()).float()
        self._flip = torch.from_numpy(LIGHT_FLIP).to(device)

    def __call__(self, coefficients: Tensor, camera: Tensor, matrices: Tensor, flip: Tensor) -> Tensor:
        """(N, 239) of (N, 239) coefficients with light in the camera's frame, and of (N, 15) cameras.

        The (N, 2, 3) picture -> crop matrices are mirrored where (N,) bool `flip` says so.
        """
        upright = mirrored(matrices, self.size, flip)  # mirrored twice is not mirrored: a pose knows no mirror images
        label = self._of_crop(coefficients, camera, upright)
        image = label[:, self._order] * self._sign
        image[:, _T_X] += 1.0
        return torch.where(flip[:, None], image, label)

    def _of_crop(self, coefficients: Tensor, camera: Tensor, matrices: Tensor) -> Tensor:
        rotation = camera[:, 3:12].view(-1, 3, 3)
        pose = self._pose(camera, rotation, matrices)
        in_crop = rotation_matrices(pose[:, :3])
        out = coefficients.clone()
        out[:, LAYOUT["pose"]] = pose
        out[:, LAYOUT["light"]] = self._turned(coefficients[:, LAYOUT["light"]], in_crop @ rotation.transpose(1, 2))
        return out

    def _pose(self, camera: Tensor, rotation: Tensor, matrices: Tensor) -> Tensor:
        """(N, 6) pitch, yaw, roll, f and t2d."""
        focal, center, shift = camera[:, :1], camera[:, 1:3], camera[:, 12:15]
        linear = matrices[:, :, :2]
        scale = torch.linalg.det(linear).sqrt()[:, None]
        depth = shift[:, 2:]
        origin = focal * shift[:, :2] / depth + center
        place = ((linear @ origin[:, :, None])[..., 0] + matrices[:, :, 2] + 0.5) / self.size
        turned = self._to_crop(linear, matrices[:, :, 2], center, focal, scale) @ rotation
        flipped = turned * turned.new_tensor([1.0, -1.0, -1.0])[:, None]
        pitch = flipped[:, 2, 1].clamp(-1.0, 1.0).asin()
        yaw = torch.atan2(-flipped[:, 2, 0], flipped[:, 2, 2])
        roll = torch.atan2(-flipped[:, 0, 1], flipped[:, 1, 1])
        angles = torch.stack([pitch, yaw, roll], dim=1)
        return torch.cat([angles, focal * scale / (depth * self.size), place], dim=1)

    def _to_crop(self, linear: Tensor, shift: Tensor, center: Tensor, focal: Tensor, scale: Tensor) -> Tensor:
        """(N, 3, 3) rotations from the photo's camera frame to that of the crop's camera."""
        middle = torch.linalg.solve(linear, ((self.size - 1) / 2 - shift)[:, :, None])[..., 0]
        ray = torch.cat([(middle - center) / focal, torch.ones_like(focal)], dim=1)
        x, y, z = (ray / ray.norm(dim=1, keepdim=True)).unbind(1)
        none = torch.zeros_like(x)
        rows = [torch.stack([none, none, -x], 1), torch.stack([none, none, -y], 1), torch.stack([x, y, none], 1)]
        cross = torch.stack(rows, dim=1)
        identity = torch.eye(3, device=x.device)
        shortest = identity + cross + cross @ cross / (1.0 + z)[:, None, None]
        in_plane = identity.expand(len(x), 3, 3).clone()
        in_plane[:, :2, :2] = linear / scale[:, :, None]
        return in_plane @ shortest

    def _turned(self, light: Tensor, rotation: Tensor) -> Tensor:
        """(N, 9) light after (N, 3, 3) rotations of the camera frame, old axes to new."""
        turn = self._flip[:, None] * rotation * self._flip
        values = light_basis(self._directions @ turn) @ light[:, :, None]
        return (self._solve @ values)[..., 0]
