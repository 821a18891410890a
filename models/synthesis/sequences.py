"""Short clips: one person under one light, head, face, gaze, lids and camera in smooth motion, every frame labelled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from core.geometry.face_model import FaceModel

from .assets import Assets
from .camera import View, place_camera, sample_view
from .expressions import ExpressionSampler, seal
from .renderer import Picture, render
from .scene import Scene, sample_person, sample_scene

_CLIP_STREAM = 1_234_567
_FRAMES_PER_POSE = 9  # an expression is held and left in about a third of a second
_BLINK = np.array([0.35, 0.9, 1.0, 0.8, 0.45, 0.15])  # how shut the lids are, frame by frame
_BLINKS_PER_FRAME = 0.012  # eighteen a minute at 25 frames a second


@dataclass(frozen=True, eq=False)
class Clip:
    """What is fixed in a clip, and how the rest moves."""

    scene: Scene  # of the first frame
    views: tuple[View, ...]  # of each frame
    expressions: np.ndarray  # (T, 64) float32 sliders


@lru_cache(maxsize=2)
def sample_clip(assets: Assets, seed: int, number: int, frames: int, size: int) -> Clip:
    """Clip `number` of a set; depends on nothing but the arguments."""
    rng = np.random.default_rng([seed, number, _CLIP_STREAM])
    scene = sample_scene(assets, seed, number, size)
    start = sample_view(rng)
    views = _move(rng, start, frames)
    neutral = sample_person(assets, seed, number).neutral
    sliders = _act(rng, assets.expressions, assets.head.model, neutral, start, frames)
    _blink(rng, assets.expressions, sliders)
    return Clip(scene, views, sliders)


def _wander(rng: np.random.Generator, frames: int, reach: float) -> np.ndarray:
    """(T,) a smooth path from 0 with about `reach` of deviation: three slow waves."""
    time = np.arange(frames) / 25.0
    path = np.zeros(frames)
    for hertz in rng.uniform(0.1, 1.2, 3):
        phase = rng.uniform(0.0, 2 * np.pi)
        path += rng.normal(0.0, reach / (1.0 + hertz)) * (np.sin(2 * np.pi * hertz * time + phase) - np.sin(phase))
    return path


def _move(rng: np.random.Generator, start: View, frames: int) -> tuple[View, ...]:
    """Views of a head that turns and nods before a camera that is held by hand."""
    restless = rng.uniform(0.3, 1.6)
    yaw, pitch, roll = (_wander(rng, frames, np.radians(degrees) * restless) for degrees in (14.0, 7.0, 4.0))
    nearer = np.exp(_wander(rng, frames, 0.05 * restless))
    right, down = (_wander(rng, frames, 0.012) for _ in range(2))
    return tuple(
        replace(
            start,
            yaw=start.yaw + yaw[t],
            pitch=start.pitch + pitch[t],
            roll=start.roll + roll[t],
            distance=start.distance * nearer[t],
            shift=(start.shift[0] + right[t], start.shift[1] + down[t]),
        )
        for t in range(frames)
    )


def _act(
    rng: np.random.Generator, sampler: ExpressionSampler, model: FaceModel, neutral: np.ndarray, view: View, frames: int
) -> np.ndarray:
    """(T, 64) float32 sliders that ease from one expression to the next."""
    keys = []
    for _ in range(frames // _FRAMES_PER_POSE + 2):
        sliders, sealed = sampler.sample(rng, view.yaw, view.pitch)
        if sealed:
            vertices = neutral + np.tensordot(sliders, model.expression_basis, axes=1)
            sliders = seal(model, sliders, vertices)[0]
        keys.append(sliders)
    place = np.arange(frames) / _FRAMES_PER_POSE
    row = place.astype(int)
    share = place - row
    ease = (share * share * (3.0 - 2.0 * share))[:, None]
    stacked = np.stack(keys)
    return (stacked[row] * (1.0 - ease) + stacked[row + 1] * ease).astype(np.float32)


def _blink(rng: np.random.Generator, sampler: ExpressionSampler, sliders: np.ndarray) -> None:
    """Lids that close for a moment now and then, in place."""
    lids = [sampler.row("eyeBlinkLeft"), sampler.row("eyeBlinkRight")]
    for start in np.flatnonzero(rng.random(len(sliders)) < _BLINKS_PER_FRAME):
        part = sliders[start : start + len(_BLINK)]
        shut = _BLINK[: len(part), None].astype(np.float32)
        part[:, lids] = np.maximum(part[:, lids], shut)


def frame_scene(assets: Assets, clip: Clip, frame: int) -> Scene:
    """The scene of one frame; the noise is new in each."""
    model, base = assets.head.model, clip.scene
    expression = clip.expressions[frame]
    vertices = base.neutral + np.tensordot(expression, model.expression_basis, axes=1)
    return replace(
        base,
        expression=expression,
        vertices=vertices,
        camera=place_camera(clip.views[frame], model, vertices, base.camera.width),
        sensor=replace(base.sensor, seed=base.sensor.seed + frame),
    )


def make_frame(assets: Assets, seed: int, index: int, frames: int, size: int = 192) -> Picture:
    """Picture `index` of a set of clips of `frames` frames each, one clip after the other."""
    clip = sample_clip(assets, seed, index // frames, frames, size)
    return render(frame_scene(assets, clip, index % frames), assets)


def make_sequence(assets: Assets, seed: int, index: int, frames: int, size: int = 192) -> Iterator[Picture]:
    """The frames of clip `index` of the set `seed`."""
    return (make_frame(assets, seed, index * frames + frame, frames, size) for frame in range(frames))
