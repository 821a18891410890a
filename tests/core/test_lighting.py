"""Harmonic light against direct integration, and the colour encoding's round trip."""

from __future__ import annotations

import numpy as np

from core.geometry import lighting


def test_uniform_surroundings_light_every_normal_alike() -> None:
    light = lighting.light_from_environment(np.ones((32, 64, 3)))
    normals = np.random.default_rng(0).normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    assert np.allclose(lighting.irradiance(normals, light), 1.0, atol=5e-3)


def test_environment_light_matches_direct_integration() -> None:
    rng = np.random.default_rng(1)
    radiance = rng.uniform(0.2, 1.0, (64, 128, 3))
    radiance[10:20, 80:100] = 8.0  # a window
    directions = lighting.environment_directions(64, 128)
    angle = np.sin((np.arange(64) + 0.5) / 64 * np.pi)[:, None] * (np.pi / 64) * (2 * np.pi / 128)
    light = lighting.light_from_environment(radiance)
    for normal in [*np.eye(3).tolist(), [0.6, 0.64, 0.48]]:
        cosine = np.maximum(directions @ np.array(normal), 0.0) * angle
        exact = np.einsum("hw,hwc->c", cosine, radiance) / np.pi
        assert np.allclose(lighting.irradiance(np.array(normal), light), exact, rtol=0.06, atol=0.03)


def test_environment_axes() -> None:
    directions = lighting.environment_directions(64, 128)
    assert directions[0, 0, 1] > 0.99  # up
    assert directions[32, 64, 2] < -0.99  # behind the subject, as the camera sees it
    assert directions[32, 96, 0] > 0.99  # right in the picture


def test_directional_light_is_brightest_facing_it() -> None:
    light = lighting.directional_light(np.array([0.0, 0.0, 2.0]), np.array([1.0, 0.5, 0.0]))
    facing, away = lighting.irradiance(np.array([[0, 0, 1.0], [0, 0, -1.0]]), light)
    assert np.allclose(facing, [17 / 16, 17 / 32, 0], atol=1e-3)
    assert away.max() < 0.07


def test_shade_multiplies_albedo_for_grey_and_coloured_light() -> None:
    albedo, normals = np.full((4, 3), 0.5, np.float32), np.tile([0, 0, 1.0], (4, 1))
    grey = lighting.shade(albedo, normals, np.eye(9)[0])
    coloured = lighting.shade(albedo, normals, np.outer(np.eye(9)[0], [1, 2, 0]))
    assert np.allclose(grey, 0.5) and np.allclose(coloured, [0.5, 1.0, 0.0])


def test_srgb_round_trip() -> None:
    values = np.linspace(0, 1, 256)
    assert np.allclose(lighting.linear_to_srgb(lighting.srgb_to_linear(values)), values, atol=1e-5)
    assert np.isclose(lighting.srgb_to_linear(0.5), 0.21404, atol=1e-4)


def test_srgb_levels_are_the_rounded_curve() -> None:
    values = np.concatenate([np.linspace(-0.1, 1.1, 40_000), np.linspace(0.0, 0.01, 10_000)]).astype(np.float32)
    expected = lighting.linear_to_srgb(values) * 255.0
    levels = lighting.srgb_levels(values.reshape(100, -1)).ravel()
    assert levels.dtype == np.uint8 and np.abs(levels - expected).max() < 0.501
