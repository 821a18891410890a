"""Runs MediaPipe's FaceMesh (Apache-2.0) over photos: `python mediapipe_mesh.py FOLDER OUT.npz`.

Needs `mediapipe` 0.10.21 in an environment of its own and imports nothing of the project.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import mediapipe as mp  # pyright: ignore[reportMissingImports]
import numpy as np

SCALES = (1.5, 2.2, 3.0)  # enlargements; each is looked at plain, then mirrored
POINTS = 478


def look(mesh: mp.solutions.face_mesh.FaceMesh, photo: np.ndarray) -> np.ndarray:
    """(2 * scales, 478, 2) pixels of a (H, W, 3) RGB photo, NaN where no face was seen; mirrored views unmirrored.

    The order of the points in mirrored views stays that of the mirrored face.
    """
    views = np.full((2 * len(SCALES), POINTS, 2), np.nan, np.float32)
    for row in range(len(views)):
        scale, mirrored = SCALES[row // 2], row % 2 == 1
        large = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        seen = np.ascontiguousarray(large[:, ::-1]) if mirrored else large
        found = mesh.process(seen).multi_face_landmarks
        if not found:
            continue
        points = np.array([(point.x, point.y) for point in found[0].landmark]) * seen.shape[1::-1]
        if mirrored:
            points[:, 0] = seen.shape[1] - 1 - points[:, 0]
        # x * width counts from the first pixel's centre: estimates at all scales agree under this rule alone
        views[row] = (points + 0.5) / scale - 0.5
    return views


def main(folder: str, out: str) -> None:
    """Label all photos of a folder."""
    cv2.setNumThreads(1)
    paths = sorted(Path(folder).glob("*.jpg"))
    if not paths:
        raise SystemExit(f"{folder} holds no .jpg photo.")
    mesh = mp.solutions.face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.2
    )
    np.savez(out, names=[path.name for path in paths], views=np.stack([look(mesh, read(path)) for path in paths]))


def read(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise SystemExit(f"Cannot read {path}.")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


if __name__ == "__main__":
    main(*sys.argv[1:])
