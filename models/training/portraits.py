"""Public-domain portraits with pseudo-labels: `python -m models.training.portraits --python PYTHON --out FOLDER`.

MediaPipe's FaceMesh (Apache-2.0) and our own networks look at every photo in several sizes and mirrored. Its mesh gives
the places, moved along the mesh to where the 68-point markup has them; ours agree or veto, point by point.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from core.geometry.mirroring import MIRRORED_68
from core.pipeline import Pipeline
from core.types import LANDMARKS
from models.synthesis.labels import HIDING, Occluder
from models.synthesis.overlay import KINDS, paste_occluder

LOG = logging.getLogger(__name__)
HERE = Path(__file__).resolve().parent
PORTRAITS = HERE.parents[1] / ".." / "shared" / "data" / "public_domain_portraits"
FILE = "portraits.npz"
SCALES = (1.5, 2.2, 3.0)  # enlargements that our networks look at
_MOST_DOUBT = 8.0  # mean distance of the inner points, per cent of the eye distance, beyond which a photo is dropped
_POINT_DOUBT = 9.0  # the same of one point
VARIANTS = 3  # of each photo, the first without anything pasted on
_WORN = (0.14, 0.12, 0.5, 0.12, 0.12)  # shares of `KINDS`
_SEED = 4_100_000
_OURS = 0.15  # weight of our own estimate where both agree
# The outline of MediaPipe's mesh from the right temple over the chin to the left one.
_OUTLINE = (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152)
_OUTLINE_LEFT = (377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356)
# Vertices of the mesh, and weights, that make the points of the subject's right half (but the jaw). They lie where the
# mean shape of the 300-W markup has them: bridge evenly spaced to the tip's lower end, wings above the nostrils' ends.
_MIX: dict[int, tuple[tuple[int, float], ...]] = {
    17: ((70, 1.0),),
    18: ((63, 1.0),),
    19: ((105, 0.65), (66, 0.35)),
    20: ((66, 0.63), (107, 0.37)),
    21: ((107, 1.1), (66, -0.1)),
    27: ((168, 0.75), (6, 0.25)),
    28: ((197, 1.0),),
    29: ((5, 0.7), (195, 0.3)),
    30: ((4, 0.8), (1, 0.2)),
    31: ((98, 0.5), (97, 0.5)),
    32: ((97, 0.75), (2, 0.25)),
    33: ((2, 1.0),),
    36: ((33, 1.0),),
    37: ((160, 0.85), (158, 0.15)),
    38: ((158, 1.0),),
    39: ((133, 1.0),),
    40: ((153, 1.0),),
    41: ((144, 1.0),),
    48: ((61, 1.0),),
    49: ((39, 1.0),),
    50: ((37, 1.0),),
    51: ((0, 1.0),),
    57: ((17, 1.0),),
    58: ((84, 1.0),),
    59: ((181, 1.0),),
    60: ((78, 1.0),),
    61: ((82, 1.0),),
    62: ((13, 1.0),),
    66: ((14, 1.0),),
    67: ((87, 1.0),),
}
# The mesh's vertices on the subject's left that mirror those above.
_OTHER_SIDE = {
    70: 300, 63: 293, 105: 334, 66: 296, 107: 336, 98: 327, 97: 326, 33: 263, 160: 387, 158: 385, 133: 362, 153: 380,
    144: 373, 61: 291, 39: 269, 37: 267, 84: 314, 181: 405, 78: 308, 82: 312, 87: 317,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Portraits:
    """N grey photos of one size with labelled points; variants of a photo may wear things."""

    names: np.ndarray  # (N,) str, file names
    images: np.ndarray  # (N, K, H, W) uint8 grey; variant 0 is the photo as it is
    points: np.ndarray  # (N, 68, 2) float32 pixels
    trusted: np.ndarray  # (N, 68) bool, False where the labels are not sure
    visibility: np.ndarray  # (N, K, 68) bool, False under a pasted thing
    person: np.ndarray  # (N, K, H, W) bool, the person and what is pasted on

    def __len__(self) -> int:
        return len(self.points)

    def save(self, path: Path) -> None:
        """Write as .npz."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})


def read_portraits(path: Path) -> Portraits:
    """Open what `save` wrote."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; make it with `python -m models.training.portraits`.")
    with np.load(path) as data:
        return Portraits(**{field.name: data[field.name] for field in fields(Portraits)})


def mixing_matrix() -> np.ndarray:
    """(68, 478) weights of MediaPipe's vertices; rows of the jaw are zero."""
    matrix = np.zeros((LANDMARKS, 478))
    for row, mix in _MIX.items():
        other = int(np.flatnonzero(row == MIRRORED_68)[0])
        for vertex, weight in mix:
            matrix[row, vertex] = weight
            if other != row:
                matrix[other, _OTHER_SIDE.get(vertex, vertex)] = weight
    return matrix


def mesh_points(views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(68, 2) points, jaw unset, and (23, 2) outline of (2 S, 478, 2) views that are plain and mirrored in turn."""
    points = np.einsum("pm,vmd->vpd", mixing_matrix(), views.astype(float))
    outline = views[:, [*_OUTLINE, *_OUTLINE_LEFT]].astype(float)
    points[1::2] = points[1::2][:, MIRRORED_68]
    outline[1::2] = outline[1::2][:, ::-1]
    return np.nanmean(points, axis=0), np.nanmean(outline, axis=0)


def onto_line(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """(N, 2) nearest places on a (M, 2) polyline."""
    start, along = line[:-1], np.diff(line, axis=0)
    share = ((points[:, None] - start) * along).sum(-1) / (along**2).sum(-1)
    feet = start + share.clip(0.0, 1.0)[..., None] * along
    nearest = np.linalg.norm(feet - points[:, None], axis=-1).argmin(axis=1)
    return feet[np.arange(len(points)), nearest]


def our_points(pipeline: Pipeline, photo: np.ndarray) -> np.ndarray:
    """(68, 2) mean of our landmarks over enlargements of a (H, W, 3) RGB photo; NaN if no face is found."""
    seen = []
    for scale in SCALES:
        large = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        faces = pipeline.detect(large)
        if faces:
            points = pipeline.landmarks(large, faces[0]).points
            seen.append((points.astype(float) + 0.5) / scale - 0.5)
    return np.mean(seen, axis=0) if seen else np.full((LANDMARKS, 2), np.nan)


def consensus(mesh: np.ndarray, outline: np.ndarray, ours: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (N, 68, 2), which of them to trust (N, 68), and which photos to keep (N,), of both estimates.

    What differs alike on all photos is a difference of the markups, not a doubt: the median is taken out first.
    The jaw is our own, moved onto the mesh's outline.
    """
    jaw = slice(17)
    mesh = mesh.copy()
    for row in range(len(mesh)):
        mesh[row, jaw] = onto_line(ours[row, jaw], outline[row])
    across = mesh[:, 45] - mesh[:, 36]
    scale = np.linalg.norm(across, axis=1)[:, None, None]
    turn = np.stack([across, across[:, ::-1] * [-1.0, 1.0]], axis=1) / scale  # rows: along and across the eye line
    apart = np.einsum("nij,npj->npi", turn, ours - mesh) / scale
    usual = np.nanmedian(apart, axis=0)
    usual[jaw] = 0.0
    doubt = 100.0 * np.linalg.norm(apart - usual, axis=2)
    keep = doubt[:, 17:].mean(axis=1) < _MOST_DOUBT  # NaN compares as False
    trusted = doubt < np.where(np.arange(LANDMARKS) < 17, 2.0, 1.0) * _POINT_DOUBT
    alike = np.einsum("nji,npj->npi", turn, apart - usual) * scale
    labels = mesh + _OURS * np.where(np.arange(LANDMARKS)[:, None] < 17, 0.0, alike)
    return labels.astype(np.float32), trusted, keep


def label_portraits(photos: Path, python: Path, work: Path, pipeline: Pipeline) -> Portraits:
    """Label all photos of a folder; `python` has MediaPipe, `work` keeps its answers and our own."""
    answers = work / "mediapipe.npz"
    if not answers.exists():
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run([str(python), str(HERE / "mediapipe_mesh.py"), str(photos), str(answers)], check=True)
    with np.load(answers) as data:
        names, views = data["names"], data["views"]
    mesh, outline = (np.stack(column) for column in zip(*(mesh_points(view) for view in views), strict=True))
    grey = [_read_grey(photos / str(name)) for name in names]
    own = work / "own.npy"
    if not own.exists():
        np.save(own, [our_points(pipeline, cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)) for image in grey])
    points, trusted, keep = consensus(mesh, outline, np.load(own))
    LOG.info("%d of %d photos kept, %.1f %% of their points trusted", keep.sum(), len(keep), 100 * trusted[keep].mean())
    kept = [(grey[row], points[row], row) for row in np.flatnonzero(keep)]
    images, seen, person = (np.stack(column) for column in zip(*(dressed(*item) for item in kept), strict=True))
    return Portraits(names[keep], images, points[keep], trusted[keep], seen, person)


def dressed(grey: np.ndarray, points: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(K, H, W) variants of a photo, the first bare; (K, 68) which points are seen; (K, H, W) the person."""
    photo, person = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), cut_out(grey, points)
    images, hidden = [grey], [np.zeros(grey.shape, bool)]
    people = [person]
    for variant in range(1, VARIANTS):
        rng = np.random.default_rng((_SEED, seed, variant))
        worn, kinds = paste_occluder(photo, points.astype(float), str(rng.choice(KINDS, p=_WORN)), rng)
        images.append(cv2.cvtColor(worn, cv2.COLOR_RGB2GRAY))
        hidden.append(np.isin(kinds, HIDING))
        people.append(person | (kinds > Occluder.TOUCHED))
    column, row = (np.rint(points.T).astype(int).T.clip(0, np.array(grey.shape)[::-1] - 1)).T
    return np.stack(images), ~np.stack(hidden)[:, row, column], np.stack(people)


def cut_out(grey: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(H, W) bool: the person before the plain wall of an official portrait."""
    height, width = grey.shape
    low, high = points.min(axis=0), points.max(axis=0)
    across, down = high - low
    middle = (low + high) / 2
    mask = np.full(grey.shape, cv2.GC_PR_BGD, np.uint8)
    head = (round(0.85 * across), round(0.95 * down))
    cv2.ellipse(mask, (round(middle[0]), round(middle[1] - 0.2 * down)), head, 0, 0, 360, cv2.GC_PR_FGD, -1)
    neck = [[low[0], high[1] - 0.1 * down], [high[0], high[1] - 0.1 * down], [width, height], [0, height]]
    cv2.fillConvexPoly(mask, np.rint(neck).astype(np.int32), cv2.GC_PR_FGD)
    mask[:4], mask[: height // 2, :4], mask[: height // 2, -4:] = (cv2.GC_BGD,) * 3
    mask[-height // 12 :, width // 4 : -width // 4] = cv2.GC_FGD
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), cv2.GC_FGD)
    models = (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.setRNGSeed(0)
    cv2.grabCut(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), mask, (0, 0, width, height), *models, 3, cv2.GC_INIT_WITH_MASK)
    return (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)


def _read_grey(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise FileNotFoundError(f"Cannot read {path}; restore the portraits.")
    return image


def main() -> None:
    """Command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description="Label the public-domain portraits.")
    parser.add_argument("--photos", type=Path, default=PORTRAITS)
    parser.add_argument("--python", type=Path, required=True, help="Python of an environment with mediapipe 0.10.21")
    parser.add_argument("--out", type=Path, default=Path("build/portraits"))
    arguments = parser.parse_args()
    portraits = label_portraits(arguments.photos, arguments.python, arguments.out, Pipeline())
    portraits.save(arguments.out / FILE)


if __name__ == "__main__":
    main()
