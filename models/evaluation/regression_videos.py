"""How steady head pose and expression are from frame to frame, each frame taken for itself."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from core.types import LAYOUT

from . import data
from .photo_cases import best_box
from .rebuilding import METHODS, Answers, Cases, System, left_out, rebuild_all, there
from .report import Table
from .sections import Bench
from .systems import digest

FRAMES = 100  # of each clip, from its beginning


def video_tables(bench: Bench) -> list[Table]:
    """Jitter of every system on every clip, and the mean over clips."""
    systems = there(bench.pipeline, bench.all_methods)
    clips = sorted((data.EVALUATION / "videos").glob("*.mp4"))
    count = min(bench.limit or FRAMES, FRAMES)
    found = [rebuild_all(bench.pipeline, systems, frames_of(clip, count)) for clip in clips]
    rows = [_row(system, [one[system.method, system.regressor] for one in found]) for system in systems]
    return [
        Table(
            "Regression: jitter from frame to frame (`videos`)",
            ("system", "completing", "pitch", "yaw", "roll", "expression", "identity", "frames missed"),
            tuple(rows),
            f"The first {count} frames of each of {len(clips)} clips, frame by frame. Mean absolute second difference: "
            "of the angles in degrees, of the 64 sliders; identity is the deviation of its 80 coefficients over a "
            "clip. Means over clips. People in them talk and act, so that some of it is theirs." + left_out(systems),
        )
    ]


def frames_of(clip: Path, count: int) -> Cases:
    """The first frames of a clip; the largest face of each."""
    first = data.Photo(clip)
    return Cases(
        name=f"video_{clip.stem}",
        digest=f"{digest((clip,))} {count}",
        count=len(read_frames(clip, count)),
        image=lambda index: read_frames(clip, count)[index],
        box=lambda pipeline, index, image: best_box(pipeline, first, image),
    )


@lru_cache(maxsize=1)
def read_frames(clip: Path, count: int) -> tuple[np.ndarray, ...]:
    """(H, W, 3) uint8 RGB frames; fewer than `count` where the clip is shorter."""
    reader, frames = cv2.VideoCapture(str(clip)), []
    while len(frames) < count:
        more, frame = reader.read()
        if not more:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    reader.release()
    return tuple(frames)


def jitter(values: np.ndarray) -> np.ndarray:
    """(D,) mean absolute second difference of (T, D) values; triples with a NaN are left out."""
    bends = np.abs(values[2:] - 2.0 * values[1:-1] + values[:-2])
    bends = bends[np.isfinite(bends).all(axis=1)]
    return bends.mean(axis=0) if len(bends) else np.full(values.shape[1], np.nan)


def turned_degrees(angles: np.ndarray) -> np.ndarray:
    """(T, 3) angles in degrees without jumps of full turns, NaN where they were; input in radians."""
    known = np.isfinite(angles).all(axis=1)
    out = np.full(angles.shape, np.nan)
    out[known] = np.degrees(np.unwrap(angles[known], axis=0))
    return out


def _row(system: System, clips: list[Answers]) -> tuple[str, ...]:
    step = system.step
    turns = np.mean([jitter(turned_degrees(one.angles[:, step].astype(float))) for one in clips], axis=0)
    made = [one.coefficients[:, step].astype(float) for one in clips]
    faces = float(np.mean([jitter(one[:, LAYOUT["expression"]]).mean() for one in made]))
    drift = float(np.mean([np.nanstd(one[:, LAYOUT["identity"]], axis=0).mean() for one in made]))
    missed = sum(int(np.isnan(one[:, 0]).sum()) for one in made)
    angles = (f"{value:.2f}" for value in turns)
    return (system.name, METHODS[system.method], *angles, f"{faces:.4f}", f"{drift:.3f}", str(missed))
