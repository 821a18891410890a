"""Writes card.json and card.md beside face_model.npz: where it comes from, what it holds, how well it does."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np

from core.geometry.face_model import FaceModel, load_face_model

from .skin_fields import facial
from .sources import load_ict
from .statistics import Statistics
from .surface import rigid_transform
from .topology import Topology

_PEOPLE = 100
PROVENANCE = [
    {
        "source": "ICT-FaceKit Light (ICT-VGL/ICT-FaceKit da5f95a)",
        "used_for": "mean head, 100 identity modes, 56 expressions, teeth, gums, tongue; no source mesh table is kept",
        "licence": "MIT, USC Institute for Creative Technologies 2020",
    },
    {
        "source": "MakeHuman base mesh, targets, skins and eyebrows (makehuman-assets, mpfb2 80919fa)",
        "used_for": "ages, sexes, ancestries, builds, features and asymmetries; painted skin detail; brow shapes",
        "licence": "CC0 1.0",
    },
]


def write_card(path: Path, statistics: Statistics, topology: Topology) -> dict:
    """Measure the file at `path` and write its card; returns the card."""
    model = load_face_model(path)
    card = {
        "name": "face_model",
        "licence": "MIT; made from MIT and CC0 sources, see NOTICE.md",
        "provenance": PROVENANCE,
        "built_by": "python -m models.face_model.build",
        "code_commit": _commit(),
        "file": {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "contents": _contents(model),
        "identity": {
            "population": "4000 people and their mirror images: 70 % ICT, 30 % MakeHuman plus 0.6 of an ICT deviation",
            "explained_variance": _cumulative(statistics.identity.explained),
            "held_out_error_mm": _rounded(statistics.identity.held_out_mm),
            "held_out_ict_on_this_file_mm": _rounded(held_out_on_file(model, topology, statistics)),
            "note": "mean distance over the facial skin of 300 unseen people; mean_face is the error of the mean head",
        },
        "albedo": {
            "population": "2400 skins: melanin, blood, carotene, 20 painted skins, brows, stubble, freckles, age spots",
            "explained_variance": _cumulative(statistics.albedo.explained),
            "held_out_error_linear_rgb": round(statistics.albedo.held_out, 5),
        },
        "limits": [
            "Skin tone is a straight line in linear RGB; very dark random skins can look blotchy.",
            "Lids close exactly on the mean head; wide-eyed people keep a gap of about 1 mm at eyeBlink 1.",
            "Ears, scalp and shoulders carry little weight in the components.",
        ],
    }
    path.with_name("card.json").write_text(json.dumps(card, indent=2) + "\n")
    path.with_name("card.md").write_text(_markdown(card))
    return card


def held_out_on_file(model: FaceModel, topology: Topology, statistics: Statistics) -> dict[str, float]:
    """Face error (mm) of unseen ICT people rebuilt from the quantised modes on our topology, pose left free."""
    ict = load_ict()
    share = topology.transfer @ facial(statistics.label).astype(float)
    rows = np.flatnonzero((share > 0.5) & (topology.vertex_part == 0) & (model.vertices[:, 1] < 0.08))
    skin = topology.transfer[rows]
    basis = np.concatenate([model.identity_basis[:, rows], _pose_fields(model.vertices[rows])])
    basis = basis.reshape(len(basis), -1).T.astype(float)
    solve = np.linalg.pinv(basis)
    rng = np.random.default_rng(99)
    errors, apart = [], []
    for _ in range(_PEOPLE):
        delta = skin @ np.tensordot(rng.standard_normal(len(ict.identity)).astype(np.float32), ict.identity, axes=1)
        rest = delta - (basis @ (solve @ delta.ravel())).reshape(-1, 3)
        errors.append(1000 * np.linalg.norm(rest, axis=1).mean())
        mean = model.vertices[rows].astype(float)
        rotation, shift = rigid_transform(mean + delta, mean, np.ones(len(rows)))
        apart.append(1000 * np.linalg.norm((mean + delta) @ rotation.T + shift - mean, axis=1).mean())
    return {"mean": float(np.mean(errors)), "p95": float(np.percentile(errors, 95)), "mean_face": float(np.mean(apart))}


def _pose_fields(points: np.ndarray) -> np.ndarray:
    """(6, N, 3) small shifts along and turns about the axes."""
    axes = np.eye(3)
    shifts = np.tile(axes[:, None], (1, len(points), 1))
    return np.concatenate([shifts, np.stack([np.cross(axis, points) for axis in axes])])


def _contents(model: FaceModel) -> dict:
    parts = {name: int((model.vertex_part == k).sum()) for k, name in enumerate(model.part_names)}
    skin = model.faces[model.face_part == model.part("skin")]
    return {
        "vertices": parts,
        "faces": len(model.faces),
        "skin_faces": len(skin),
        "skin_quads_share": round(float((skin[:, 2] != skin[:, 3]).mean()), 4),
        "identity_modes": len(model.identity_basis),
        "expressions": list(model.expression_names),
        "albedo_modes": len(model.albedo_basis),
        "landmarks": 68,
        "dense_landmarks": len(model.dense_triangles),
        "regions": list(model.region_names),
    }


def _cumulative(explained: np.ndarray) -> dict[str, float]:
    total = np.cumsum(explained)
    return {str(k): round(float(total[k - 1]), 4) for k in (1, 5, 10, 20, 40, 80)}


def _rounded(figures: dict) -> dict:
    return {k: _rounded(v) if isinstance(v, dict) else round(v, 3) for k, v in figures.items()}


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def _markdown(card: dict) -> str:
    identity, albedo, contents = card["identity"], card["albedo"], card["contents"]
    held = identity["held_out_error_mm"]
    lines = [
        "# Face model",
        "",
        f"`face_model.npz`, {card['file']['bytes'] / 1e6:.2f} MB, built by `{card['built_by']}` "
        f"at {card['code_commit'][:12]}. Layout: docs/conventions.md. Licence: {card['licence']}.",
        "",
        *[f"- {p['source']}: {p['used_for']}. {p['licence']}." for p in card["provenance"]],
        "",
        f"Vertices: {', '.join(f'{k} {v}' for k, v in contents['vertices'].items())}. "
        f"Skin: {contents['skin_faces']} faces, {100 * contents['skin_quads_share']:.1f} % quads.",
        "",
        "| identity, held-out people (300 each) | mean mm | 95th percentile mm | mean head's error mm |",
        "|---|---|---|---|",
        *[f"| {k} | {v['mean']:.2f} | {v['p95']:.2f} | {v['mean_face']:.2f} |" for k, v in held.items()],
        "| ict, on this file's topology and quantisation | {mean:.2f} | {p95:.2f} | {mean_face:.2f} |".format(
            **identity["held_out_ict_on_this_file_mm"]
        ),
        "",
        f"Explained variance by modes: identity {identity['explained_variance']}, "
        f"albedo {albedo['explained_variance']}. "
        f"Held-out albedo error {albedo['held_out_error_linear_rgb']} (linear RGB).",
        "",
        "Limits:",
        *[f"- {limit}" for limit in card["limits"]],
        "",
    ]
    return "\n".join(lines)
