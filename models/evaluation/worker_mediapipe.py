"""Runs MediaPipe's FaceMesh over a job's photos. Needs `mediapipe` 0.10.21, in an environment of its own.

`python worker_mediapipe.py JOB.json OUT.npz`. Started by path; of the project it imports the file beside it
alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mediapipe as mp  # pyright: ignore[reportMissingImports]
import numpy as np
from worker_facewright import FOUND, overlap, read, timed, use_cores  # pyright: ignore[reportImplicitRelativeImport]

# The 68 iBUG points among MediaPipe's 468, the list in common use.
MESH_68 = [
    *(127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),  # jaw
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),  # nose
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),  # lips
]
MARGIN = 0.5  # of the true box's sides, added all round to the picture that the given-box variant looks at
MOST_FACES = 10
MIN_SCORE = 0.5  # MediaPipe's own default


class MediaPipe:
    """FaceMesh with its attention refinement, on single photos."""

    def __init__(self) -> None:
        self._mesh = mp.solutions.face_mesh.FaceMesh(
            static_image_mode=True,
            max_num_faces=MOST_FACES,
            refine_landmarks=True,
            min_detection_confidence=MIN_SCORE,
        )

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(F, 68, 2) float64 pixels of all faces of a (H, W, 3) RGB photo, as MediaPipe's own drawing places them.

        That counts from the corner of the first pixel, half a pixel off this project's origin and in its favour on
        `landmarks68`, whose labels count from one.
        """
        height, width = image.shape[:2]
        meshes = self._mesh.process(np.ascontiguousarray(image)).multi_face_landmarks or []
        faces = [[(mesh.landmark[i].x, mesh.landmark[i].y) for i in MESH_68] for mesh in meshes]
        return np.array(faces, float).reshape(-1, 68, 2) * (width, height)

    def in_box(self, image: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """(F, 68, 2) pixels, seeing only what lies about the (4,) box."""
        reach = MARGIN * (corners[2:] - corners[:2])
        low = np.floor(np.maximum(corners[:2] - reach, 0)).astype(int)
        high = np.ceil(corners[2:] + reach).astype(int)
        return self(image[low[1] : high[1], low[0] : high[0]]) + low


def best(faces: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The (68, 2) face whose box overlaps the labelled one most, NaN if none does."""
    shares = overlap(np.concatenate([faces.min(axis=1), faces.max(axis=1)], axis=1), truth)
    return faces[int(shares.argmax())] if len(shares) and shares.max() >= FOUND else np.full((68, 2), np.nan)


def run(system: MediaPipe, job: dict) -> dict[str, np.ndarray]:
    """Boxes and landmarks of every photo. Detection and landmarks are one call: its time is the detector's."""
    count = len(job["photos"])
    out: dict[str, np.ndarray] = {name: np.full((count, 68, 2), np.nan, np.float32) for name in ("points", "given")}
    out["detect_ms"], out["landmark_ms"] = np.full(count, np.nan), np.zeros(count)
    boxes, owners = [np.empty((0, 4))], []
    for index, (path, truth) in enumerate(zip(job["photos"], np.array(job["truth"], float), strict=True)):
        image = read(path, job["size"])
        faces, out["detect_ms"][index] = timed(system, image)
        boxes.append(np.concatenate([faces.min(axis=1), faces.max(axis=1)], axis=1))
        owners += [index] * len(faces)
        if job["landmarks"] and not np.isnan(truth).any():
            out["points"][index] = best(faces, truth).astype(np.float32)
            if job["given"]:
                out["given"][index] = best(system.in_box(image, truth), truth).astype(np.float32)
    return {**out, "boxes": np.concatenate(boxes), "owner": np.array(owners, int)}


def main(job_path: str, out_path: str) -> None:
    """Read the job, run it, write the answers."""
    job = json.loads(Path(job_path).read_text())
    use_cores(job["cores"], job["threads"])
    np.savez(out_path, **run(MediaPipe(), job))


if __name__ == "__main__":
    main(*sys.argv[1:])
