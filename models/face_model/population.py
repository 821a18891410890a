"""MakeHuman's shape targets as fields on the ICT connectivity, and random people made of both sources."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .registration import Registration, makehuman_mean
from .sources import ICT_COUNT, IctModel, MakeHuman, ict_range, sphere_center
from .surface import HarmonicExtension, averaging

AGES = ("baby", "child", "young", "old")
_AGE_KNOTS = np.array([0.0, 0.1875, 0.5, 1.0])  # MakeHuman's age slider at those targets
ANCESTRIES = ("african", "asian", "caucasian")
_SMOOTHING = 12  # rounds of averaging that hide MakeHuman's coarser mesh in the transferred deltas
_SKIPPED = ("expression/", "asym/asymm-", "head/head-trans", "neck/neck-trans", "neck/measure", "target")
_OPPOSITES = {
    "incr": "decr", "up": "down", "out": "in", "forward": "backward", "convex": "concave", "uncompress": "compress",
}  # fmt: skip


@dataclass(frozen=True)
class Fields:
    """Named shape deltas on the ICT connectivity."""

    names: tuple[str, ...]
    deltas: np.ndarray  # (M, 26719, 3) float32, metres


def makehuman_fields(registration: Registration, ict: IctModel, mean: np.ndarray, makehuman: MakeHuman) -> Fields:
    """All head-shape targets of MakeHuman carried to the ICT connectivity (eyes, teeth and linings included)."""
    names = [name for name in makehuman.names if not name.startswith(_SKIPPED)]
    transfer = _Transfer(registration, ict, mean, makehuman)
    kept, deltas = [], []
    for name in names:
        delta = makehuman.target(name)
        if np.abs(delta[registration.triangles]).max() > 1e-4:
            kept.append(name)
            deltas.append(transfer.carry(delta))
    stacked = np.stack(deltas, axis=1)  # (26719, M, 3)
    return Fields(tuple(kept), transfer.fill(stacked).transpose(1, 0, 2).astype(np.float32))


class _Transfer:
    """Carries MakeHuman deltas to every ICT vertex; linear in the delta."""

    def __init__(self, registration: Registration, ict: IctModel, mean: np.ndarray, makehuman: MakeHuman):
        self.registration, self.mean, self.faces = registration, mean, ict.mesh.faces
        mesh = makehuman.mesh
        self._groups = {
            name: np.unique(mesh.faces[mesh.groups == f"helper-{name}"])
            for name in ("l-eye", "r-eye", "upper-teeth", "lower-teeth")
        }
        inverse = np.linalg.inv(registration.rotation)
        self._base = makehuman_mean(makehuman)
        self._in_makehuman = (mean - registration.shift) @ inverse.T

    def carry(self, delta: np.ndarray) -> np.ndarray:
        """(26719, 3): skin, eyeballs, teeth and gums; linings, shells and lashes stay zero until `fill`."""
        result = np.zeros((ICT_COUNT, 3))
        result[self.registration.vertices] = self.registration.delta(delta)
        for side, name in (("left", "l-eye"), ("right", "r-eye")):
            result[ict_range(f"eyeball_{side}")] = self._eyeball(delta, self._groups[name], side)
        teeth = {name: self._affine(delta, self._groups[f"{name}-teeth"]) for name in ("upper", "lower")}
        rows = ict_range("gums_tongue", "teeth")
        share = self._upper_share(rows)[:, None]
        result[rows] = share * teeth["upper"][rows] + (1 - share) * teeth["lower"][rows]
        return result

    def _eyeball(self, delta: np.ndarray, helper: np.ndarray, side: str) -> np.ndarray:
        """Shift and size change of the helper eye, applied to ICT's eyeball: it stays as round as it was."""
        before, radius = sphere_center(self._base[helper])
        after, grown = sphere_center(self._base[helper] + delta[helper])
        ball = self.mean[ict_range(f"eyeball_{side}")]
        center = sphere_center(ball)[0]
        return (ball - center) * (grown / radius - 1) + (after - before) @ self.registration.rotation.T

    def _affine(self, delta: np.ndarray, helper: np.ndarray) -> np.ndarray:
        """(26719, 3) the helper's delta as an affine field, evaluated everywhere."""
        middle = self._base[helper].mean(axis=0)
        design = np.concatenate([np.ones((len(helper), 1)), self._base[helper] - middle], axis=1)
        ridge = design.T @ design + np.diag([0, 1e-3, 1e-3, 1e-3])
        affine = np.linalg.solve(ridge, design.T @ delta[helper])
        where = np.concatenate([np.ones((ICT_COUNT, 1)), self._in_makehuman - middle], axis=1)
        return where @ affine @ self.registration.rotation.T

    def _upper_share(self, rows: np.ndarray) -> np.ndarray:
        """(N,) how much gums and teeth belong to the upper jaw, from the distance to both rows of teeth."""
        teeth = ict_range("teeth")
        upper, lower = teeth[teeth < 19247], teeth[teeth >= 19247]
        to_upper = cKDTree(self.mean[upper]).query(self.mean[rows])[0]
        to_lower = cKDTree(self.mean[lower]).query(self.mean[rows])[0]
        share = np.clip((to_lower - to_upper) / 0.008 + 0.5, 0, 1)
        share[np.isin(rows, upper)], share[np.isin(rows, lower)] = 1.0, 0.0
        return share

    def fill(self, fields: np.ndarray) -> np.ndarray:
        """(26719, M, 3) fields smoothed on the skin and extended to linings, eye shells and lashes."""
        shape = fields.shape
        flat = fields.reshape(ICT_COUNT, -1)
        surface = ict_range("face", "head", "mouth_socket", "eye_sockets")
        quads = self.faces[np.isin(self.faces, surface).all(axis=1)]
        extend = HarmonicExtension(quads, len(surface), self.registration.vertices)
        skin = extend(flat[: len(surface)])
        ring = averaging(quads, len(surface))
        for _ in range(_SMOOTHING):
            skin = 0.5 * skin + 0.5 * (ring @ skin)
        flat[: len(surface)] = skin
        follow = ict_range("eye_shells", "lashes")
        distance, near = cKDTree(self.mean[:9409]).query(self.mean[follow], k=6)
        weight = 1 / np.maximum(distance, 1e-4) ** 2
        weight /= weight.sum(axis=1, keepdims=True)
        flat[follow] = np.einsum("nk,nkm->nm", weight, flat[:9409][near])
        return flat.reshape(shape)


def sample_makehuman(names: tuple[str, ...], count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, M) float32 target weights of random people: age, sex, ancestry, build, features, asymmetry."""
    weights = np.zeros((count, len(names)), np.float32)
    column = {name: k for k, name in enumerate(names)}
    age, sex = _age_weights(count, rng), _sex_weights(count, rng)
    ancestry = rng.dirichlet(np.full(3, 0.45), count)
    build = {kind: _build_weights(count, rng) for kind in ("muscle", "weight")}
    for name, k in column.items():
        if name.startswith("macrodetails/"):
            weights[:, k] = _macro(name, age, sex, ancestry, build)
    _features(weights, column, rng)
    return weights


def _age_weights(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    kind = rng.choice(4, count, p=[0.03, 0.12, 0.55, 0.30])
    low, high = np.array([0.06, 0.19, 0.40, 0.65]), np.array([0.19, 0.40, 0.65, 1.0])
    age = low[kind] + rng.random(count) * (high - low)[kind]
    hats = np.stack([np.interp(age, _AGE_KNOTS, np.eye(4)[k]) for k in range(4)])
    return dict(zip(AGES, hats, strict=True))


def _sex_weights(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    male = np.where(rng.random(count) < 0.5, rng.beta(6, 1.2, count), rng.beta(1.2, 6, count))
    return {"male": male, "female": 1 - male}


def _build_weights(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    value = np.clip(0.5 + 0.22 * rng.standard_normal(count), 0, 1)
    hats = [np.interp(value, [0, 0.5, 1], np.eye(3)[k]) for k in range(3)]
    return dict(zip(("min", "average", "max"), hats, strict=True))


def _macro(name: str, age: dict, sex: dict, ancestry: np.ndarray, build: dict) -> np.ndarray:
    """MakeHuman's product rule: a macro target counts as much as all its attributes together."""
    parts = name.removeprefix("macrodetails/").split("-")
    value = sex[parts[1]] * age[parts[2]]
    if parts[0] in ANCESTRIES:
        return value * ancestry[:, ANCESTRIES.index(parts[0])]
    muscle, weight = (re.sub("muscle|weight", "", part) for part in parts[3:5])
    return value * build["muscle"][muscle] * build["weight"][weight]


def _features(weights: np.ndarray, column: dict[str, int], rng: np.random.Generator) -> None:
    """Fill in local features: opposite targets share one signed value, left and right nearly so."""
    count = len(weights)
    for name in column:
        folder, _, leaf = name.partition("/")
        if folder == "macrodetails" or leaf.startswith("r-"):
            continue
        stem, _, ending = leaf.rpartition("-")
        opposite = f"{folder}/{stem}-{_OPPOSITES[ending]}" if ending in _OPPOSITES else None
        if ending in _OPPOSITES.values():
            continue  # filled in with its opposite
        spread = _spread(folder, leaf)
        value = spread * rng.standard_normal(count)
        value = value if opposite in column else np.abs(value)
        sides = [(name, opposite, value)]
        if leaf.startswith("l-"):
            right = [f"{folder}/r-{n.partition('/')[2][2:]}" if n else None for n in (name, opposite)]
            sides.append((right[0], right[1], value + 0.2 * spread * rng.standard_normal(count)))
        for positive, negative, amount in sides:
            amount = np.clip(amount, -1, 1)
            if positive in column:
                weights[:, column[positive]] = np.maximum(amount, 0)
            if negative in column:
                weights[:, column[negative]] = np.maximum(-amount, 0)


def _spread(folder: str, leaf: str) -> float:
    """Standard deviation of a feature's slider."""
    if folder == "asym":
        return 0.08
    if "shape" in leaf or folder == "head":
        return 0.13
    if folder in ("ears", "neck"):
        return 0.16
    return 0.19
