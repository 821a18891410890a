"""The systems that are compared: each runs in a process of its own over the same photos and answers with one file."""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from .data import BUILD, PEERS, ROOT, Photo

log = logging.getLogger(__name__)
HERE = Path(__file__).parent
FACEWRIGHT_WORKER, MEDIAPIPE_WORKER = HERE / "worker_facewright.py", HERE / "worker_mediapipe.py"
GENERATION_1 = "028d0a2"  # the commit whose networks the second generation is measured against
VGA = (640, 480)  # width, height


class SystemFailure(RuntimeError):
    """A compared system could not be run; the text says why."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """One system's answers on a list of N photos."""

    boxes: tuple[np.ndarray, ...]  # per photo (B, 4) float64 x0 y0 x1 y1, pixels: every face it reports
    points: np.ndarray  # (N, 68, 2) float32, pixels: landmarks of the labelled face, NaN where it was not found
    given: np.ndarray  # (N, 68, 2) float32, pixels: the same when told the true box
    detect_ms: np.ndarray  # (N,) milliseconds of its detector (for MediaPipe: of everything)
    landmark_ms: np.ndarray  # (N,) milliseconds of its landmarker on the labelled face, NaN where not found

    @staticmethod
    def read(path: Path, count: int) -> Predictions:
        """From a worker's file."""
        with np.load(path) as file:
            boxes = tuple(file["boxes"][file["owner"] == index] for index in range(count))
            return Predictions(boxes, *(file[name] for name in ("points", "given", "detect_ms", "landmark_ms")))


@dataclass(frozen=True)
class System:
    """A named program that reads a job and writes `Predictions`."""

    name: str
    command: tuple[str, ...]  # JOB and OUT are appended
    sources: tuple[Path, ...]  # files that its answers depend on

    def predict(self, photos: list[Photo], landmarks: bool = True, given: bool = False) -> Predictions:
        """Answers on the photos; those of an earlier run if nothing that they depend on has changed since."""
        job = _job(photos, landmarks, given)
        name = hashlib.sha256(repr((self.command, digest(self.sources), content(photos), job)).encode()).hexdigest()
        path = BUILD / "predictions" / f"{name[:24]}.npz"
        if not path.exists():
            log.info("%s on %d photos", self.name, len(photos))
            self._run(job, path)
        return Predictions.read(path, len(photos))

    def time(self, photos: list[Photo], cores: int) -> Predictions:
        """Answers with fresh times, on the photos stretched to 640x480, on so many processor cores."""
        scaled = [_stretched_box(photo) for photo in photos]
        job = {**_job(photos, True, False), "truth": scaled, "size": VGA, "cores": cores, "threads": cores}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "out.npz"
            self._run(job, path)
            return Predictions.read(path, len(photos))

    def _run(self, job: dict, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            order, answer = Path(folder) / "job.json", Path(folder) / "out.npz"
            order.write_text(json.dumps(job))
            done = subprocess.run([*self.command, order, answer], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
                raise SystemFailure(f"{self.name} could not be run: {reason}")
            path.write_bytes(answer.read_bytes())


def _job(photos: list[Photo], landmarks: bool, given: bool) -> dict:
    boxes = [[float("nan")] * 4 if photo.box is None else photo.box.tolist() for photo in photos]
    paths = [str(photo.path) for photo in photos]
    return {
        "photos": paths,
        "truth": boxes,
        "landmarks": landmarks,
        "given": given,
        "size": None,
        "cores": 0,  # all, but each system keeps to one thread: several run at a time
        "threads": 1,
    }


def _stretched_box(photo: Photo) -> list[float]:
    height, width = photo.image().shape[:2]
    if photo.box is None:
        raise ValueError(f"{photo.path} has no labelled face to time the landmarks on")
    return (photo.box * np.tile([VGA[0] / width, VGA[1] / height], 2)).tolist()


@lru_cache(maxsize=64)
def digest(paths: tuple[Path, ...]) -> str:
    """One SHA-256 of the contents of files, in their order."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def content(photos: Iterable[Photo]) -> str:
    """One SHA-256 of the photos' files."""
    return digest(tuple(photo.path for photo in photos))


def facewright(checkout: Path = ROOT, name: str = "Facewright") -> System:
    """The networks and the code round them of one checkout."""
    weights = ("detector.onnx", "landmarker.onnx")
    sources = [
        *sorted((checkout / "core").rglob("*.py")),
        *(checkout / "models" / "weights" / file for file in weights),
    ]
    sources += [checkout / "models" / "face_model" / "face_model.npz", FACEWRIGHT_WORKER]
    return System(name, (sys.executable, str(FACEWRIGHT_WORKER), str(checkout)), tuple(sources))


def previous(revision: str = GENERATION_1) -> System:
    """Facewright as it was at a git revision, unpacked under build/previous."""
    folder = ROOT / "build" / "previous" / revision
    if not (folder / "complete").exists():
        parts = ["core", "models/weights", "models/face_model/face_model.npz"]
        done = subprocess.run(["git", "archive", revision, *parts], cwd=ROOT, capture_output=True, check=False)
        if done.returncode != 0:
            raise SystemFailure(
                f"git cannot unpack {revision}: {done.stderr.decode().strip()}. Fetch the whole history."
            )
        with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        (folder / "complete").touch()
    return facewright(folder, f"Facewright {revision}")


def mediapipe(python: Path) -> System:
    """MediaPipe's FaceMesh, run by the Python of an environment that has it."""
    return System("MediaPipe 0.10.21", (str(python), str(MEDIAPIPE_WORKER)), (FACEWRIGHT_WORKER, MEDIAPIPE_WORKER))


class YuNet:
    """OpenCV's face detector, the peer and the arbiter of additional faces."""

    def __init__(self, threshold: float) -> None:
        self._net = cv2.FaceDetectorYN.create(str(PEERS / "yunet.onnx"), "", (320, 320), threshold)

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """(4,) boxes x0, y0, x1, y1 of a (H, W, 3) RGB image."""
        self._net.setInputSize((image.shape[1], image.shape[0]))
        _, faces = self._net.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return [] if faces is None else [np.r_[f[:2], f[:2] + f[2:4]] for f in faces]
