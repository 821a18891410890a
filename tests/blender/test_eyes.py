"""Rendered eyes: black pupils, irises of their own colour, whites as white as the photo's."""

from dataclasses import replace

import numpy as np
import pytest

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
SIDE, AWAY = 160, 0.6  # pixels; metres


@pytest.fixture
def eye_picture(bpy, addon, model, result):
    """(iris sRGB, white sRGB) -> linear (3,) colours of pupil, iris and white of the left eye, wide open, rendered."""

    def make(iris: np.ndarray, white: np.ndarray) -> dict[str, np.ndarray]:
        for item in list(bpy.data.objects):
            bpy.data.objects.remove(item)
        showcase, camera_math = addon("blender_addon.showcase"), addon("core.geometry.camera")
        eye = addon("core.geometry.eyes").eye_of(model, result.neutral, "left")
        light = np.array([0.8, 0.1, 0.3, 0.05, 0, 0, 0, 0, 0], np.float32)
        texture = replace(
            result.texture, iris_color=iris.astype(np.float32), white_color=white.astype(np.float32), light=light
        )
        camera = replace(result.camera, rotation=camera_math.rotation_from_angles(0.0, 0.0, 0.0))
        person = replace(result, texture=texture, camera=camera)
        built = addon("blender_addon.face_builder").build_face(bpy.context.scene, "Ada", person, model)
        showcase.set_values(built.head, {"eyeWideLeft": 1.0})
        front = eye.center + eye.axis * eye.radius
        middle = camera.rotation @ front
        lens = replace(
            camera, focal=AWAY * SIDE / 0.05, center=((SIDE - 1) / 2,) * 2, width=SIDE, height=SIDE,
            translation=np.array([0.0, 0.0, AWAY]) - middle,
        )  # fmt: skip
        linear = addon("core.geometry.lighting").srgb_to_linear(showcase.render(lens)[..., :3] / 255.0)
        right = np.array([1.0, 0.0, 0.0])
        places = {"pupil": 0.0, "iris": 0.0038, "white": 0.0085}
        points = np.array([front + reach * right for reach in places.values()])
        pixels = camera_math.project(lens, points)[:, :2].round().astype(int)
        return {
            name: np.median(linear[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3), axis=0)
            for name, (x, y) in zip(places, pixels, strict=True)
        }

    return make


def test_pupils_are_black_and_dark_eyes_dark(eye_picture) -> None:
    """No veil of the sky lies on them."""
    seen = eye_picture(np.array([0.2, 0.13, 0.1]), np.array([0.78, 0.75, 0.73]))
    pupil, iris, white = (float(seen[name] @ LUMINANCE) for name in ("pupil", "iris", "white"))
    assert pupil < 0.015
    assert iris < 0.06
    assert white > 8.0 * iris
    assert seen["iris"][0] > 1.15 * seen["iris"][2]  # brown


def test_whites_have_the_photos_brightness(eye_picture) -> None:
    dim, bright = (
        float(eye_picture(np.array([0.3, 0.4, 0.5]), np.full(3, level))["white"] @ LUMINANCE) for level in (0.55, 0.8)
    )
    assert dim < 0.6 * bright
