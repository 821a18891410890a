"""The identity basis: principal components of a population of ICT and MakeHuman people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.types import IDENTITY

from .population import Fields, sample_makehuman
from .sources import ICT_COUNT, IctModel, ict_range, sphere_center
from .surface import MIRROR, vertex_areas

_TRAIN, _HELD_OUT = 4000, 300
_ICT_SHARE = 0.70  # the rest are MakeHuman people with part of an ICT person's deviation on top
_MIXED_ICT = 0.6


@dataclass(frozen=True)
class IdentityBasis:
    """Ordered, unit-variance identity modes and how well they do."""

    modes: np.ndarray  # (80, 26719, 3) float32, metres per standard deviation
    parity: np.ndarray  # (80,) int8: 1 mirror-symmetric, -1 antisymmetric
    explained: np.ndarray  # (80,) share of the population's weighted variance
    held_out_mm: dict[str, dict[str, float]]  # source -> mean, median, p95 error over the face, millimetres


def learn_identity(
    ict: IctModel, mean: np.ndarray, mirror: np.ndarray, makehuman: Fields, face: np.ndarray, seed: int = 7
) -> IdentityBasis:
    """Learn 80 modes over the symmetric `mean` (26719, 3).

    `face` is a (26719,) mask of the facial skin, where errors are told. Every population is taken together with its
    mirror image, so each mode is either symmetric or antisymmetric.
    """
    rng = np.random.default_rng(seed)
    weights = vertex_weights(mean, ict.mesh.faces, face)
    fields = np.concatenate([_rounded_eyes(ict.identity, mean), makehuman.deltas])
    _remove_pose(fields, mean, weights)
    people = _population(len(ict.identity), makehuman.names, _TRAIN, rng)
    center = people.mean(axis=0)
    second = np.cov(people - center, rowvar=False, bias=True)
    modes, parity, values, total = _components(fields, mirror, weights, second)
    held = {
        "ict": _held_out(modes, weights, fields, _ict_people(len(ict.identity), fields, rng), face),
        "makehuman": _held_out(modes, weights, fields, _makehuman_people(ict, makehuman, center, rng), face),
    }
    return IdentityBasis(modes, parity, values / total, held)


def vertex_weights(mean: np.ndarray, faces: np.ndarray, face: np.ndarray) -> np.ndarray:
    """(26719,) importance of each vertex for the components: its area, much more on the face than on the shoulders."""
    area = vertex_areas(mean, faces)
    importance = np.zeros(ICT_COUNT)
    importance[ict_range("head")] = 0.04
    importance[ict_range("face")] = 0.08
    importance[face] = 1.0
    importance[mean[:, 1] < -0.14] = 0.004
    importance[ict_range("eyeball_left", "eyeball_right", "teeth")] = 0.05
    importance[ict_range("mouth_socket", "eye_sockets", "gums_tongue")] = 0.01
    return area * importance


def _rounded_eyes(identity: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The ICT modes with each eyeball's change reduced to a shift and a size: eyes stay round and turn cleanly."""
    result = identity.astype(np.float32).copy()
    for side in ("left", "right"):
        ball = ict_range(f"eyeball_{side}")
        offset = mean[ball] - sphere_center(mean[ball])[0]
        shift = result[:, ball].mean(axis=1)
        growth = np.einsum("mnd,nd->m", result[:, ball] - shift[:, None], offset) / (offset**2).sum()
        result[:, ball] = shift[:, None] + growth[:, None, None] * offset
    return result


def _remove_pose(fields: np.ndarray, mean: np.ndarray, weights: np.ndarray) -> None:
    """Take rigid motion out of each (M, V, 3) field, in place (head size stays)."""
    w = weights / weights.sum()
    arm = mean - w @ mean
    second = np.einsum("v,vi,vj->ij", w, arm, arm)
    inertia = np.trace(second) * np.eye(3) - second
    for field in fields:
        field -= w @ field
        turn = np.linalg.solve(inertia, (w[:, None] * np.cross(arm, field)).sum(axis=0))
        field -= np.cross(turn, arm)


def _population(modes: int, names: tuple[str, ...], count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, modes + targets) field weights: ICT people and mixed people."""
    people = np.zeros((count, modes + len(names)))
    people[:, :modes] = rng.standard_normal((count, modes))
    mixed = int(count * (1 - _ICT_SHARE))
    people[:mixed, :modes] *= _MIXED_ICT
    people[:mixed, modes:] = sample_makehuman(names, mixed, rng)
    people[mixed:, modes:] = people[:mixed, modes:].mean(axis=0)  # both kinds centred on the same mean head
    return people


def _components(
    fields: np.ndarray, mirror: np.ndarray, weights: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Modes (80, V, 3), their parity and variance, and the total variance of people plus mirrored people."""
    values, vectors = np.linalg.eigh(second)
    root = vectors * np.sqrt(np.maximum(values, 0))  # second = root @ root.T
    found = []
    total = 0.0
    root_weight = np.sqrt(weights)[:, None].astype(np.float32)
    for parity in (1, -1):
        half = (fields + parity * (fields[:, mirror] * MIRROR.astype(np.float32))) / 2
        flat = (half * root_weight).reshape(len(half), -1)
        gram = (flat @ flat.T).astype(float)
        variance, rotation = np.linalg.eigh(root.T @ gram @ root)
        total += variance.sum()
        for k in np.argsort(variance)[::-1][:IDENTITY]:
            found.append((variance[k], parity, root @ rotation[:, k]))
    found.sort(key=lambda item: -item[0])
    modes = []
    for _, parity, mix in found[:IDENTITY]:
        half = np.tensordot(mix, fields, axes=1)
        half = (half + parity * half[mirror] * MIRROR) / 2
        modes.append(half * _sign(half))
    variance = np.array([item[0] for item in found[:IDENTITY]])
    return np.stack(modes).astype(np.float32), np.array([i[1] for i in found[:IDENTITY]], np.int8), variance, total


def _sign(mode: np.ndarray) -> float:
    """Fix each mode's free sign so that a rebuild gives the same coefficients."""
    flat = mode[ict_range("face")].ravel()
    return float(np.sign(flat[np.abs(flat).argmax()]))


def _ict_people(modes: int, fields: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    people = np.zeros((_HELD_OUT, len(fields)))
    people[:, :modes] = rng.standard_normal((_HELD_OUT, modes))
    return people


def _makehuman_people(ict: IctModel, makehuman: Fields, center: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    modes = len(ict.identity)
    people = np.zeros((_HELD_OUT, modes + len(makehuman.names)))
    people[:, modes:] = sample_makehuman(makehuman.names, _HELD_OUT, rng) - center[modes:]
    return people


def _held_out(
    modes: np.ndarray, weights: np.ndarray, fields: np.ndarray, people: np.ndarray, face: np.ndarray
) -> dict[str, float]:
    """Distance (mm) over the face between held-out people and their best reconstruction by the modes."""
    flat = modes.reshape(len(modes), -1)
    heavy = np.repeat(weights, 3).astype(np.float32)
    solve = np.linalg.inv((flat * heavy) @ flat.T)
    errors, spread = [], []
    for person in people:
        shape = np.tensordot(person.astype(np.float32), fields, axes=1).reshape(-1)
        rest = (shape - (solve @ (flat @ (shape * heavy))) @ flat).reshape(-1, 3)
        errors.append(np.linalg.norm(rest[face], axis=1).mean() * 1000)
        spread.append(np.linalg.norm(shape.reshape(-1, 3)[face], axis=1).mean() * 1000)
    return {
        "mean": float(np.mean(errors)),
        "median": float(np.median(errors)),
        "p95": float(np.percentile(errors, 95)),
        "mean_face": float(np.mean(spread)),
    }
