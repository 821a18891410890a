"""Blurs over a surface, UV sampling and de-lighting on their own."""

from dataclasses import replace

import numpy as np
import pytest

from core.geometry import lighting
from core.geometry.delighting import Tolerance, read_skin, weighted_median, weighted_quantile
from core.geometry.face_model import FaceModel
from core.geometry.mesh_smoothing import SurfaceBlur
from core.geometry.skin_regions import skin_regions
from core.geometry.uv_sampling import build_atlas, sample


def grid(count: int, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """A flat square of count x count vertices."""
    x, y = np.meshgrid(np.arange(count) * spacing, np.arange(count) * spacing)
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(count * count)], axis=1).astype(np.float32)
    first = (np.arange(count - 1)[:, None] * count + np.arange(count - 1)).ravel()
    return vertices, np.concatenate(
        [
            np.stack([first, first + 1, first + count + 1], axis=1),
            np.stack([first, first + count + 1, first + count], axis=1),
        ]
    )


@pytest.mark.parametrize("radius", [0.004, 0.010])
def test_blur_keeps_the_sum_and_has_its_radius(radius: float) -> None:
    vertices, triangles = grid(61, 0.002)
    blur = SurfaceBlur(vertices, triangles, radius)
    np.testing.assert_allclose(blur(np.full(len(vertices), 3.0)), 3.0, rtol=1e-5)
    point = np.zeros(len(vertices))
    middle = len(vertices) // 2
    point[middle] = 1.0
    spread = blur(point)
    variance = (spread * (vertices[:, 0] - vertices[middle, 0]) ** 2).sum() / spread.sum()
    assert 0.6 * radius < np.sqrt(variance) < 1.4 * radius


def test_extension_follows_the_data_and_fades_into_the_rest() -> None:
    vertices, triangles = grid(61, 0.002)
    blur = SurfaceBlur(vertices, triangles, 0.006)
    weight = (vertices[:, 0] < 0.03).astype(np.float32)
    extended, reach = blur.extend(np.full((len(vertices), 1), 5.0), weight, np.array([1.0]))
    assert abs(extended[vertices[:, 0] < 0.02, 0].mean() - 5.0) < 0.3
    assert abs(extended[vertices[:, 0] > 0.08, 0].mean() - 1.0) < 0.1
    np.testing.assert_allclose(reach, blur(weight), atol=1e-6)


def test_blur_solves_the_screened_poisson_equation() -> None:
    """Each of its two passes undoes mass and stiffness, whatever the order in which the matrix is factorised."""
    vertices, triangles = grid(31, 0.002)
    values, radius = np.random.default_rng(3).normal(size=(len(vertices), 2)), 0.006
    edges = np.unique(np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    laplacian = np.zeros((len(vertices), len(vertices)))
    laplacian[edges[:, 0], edges[:, 1]] = laplacian[edges[:, 1], edges[:, 0]] = -1.0
    np.fill_diagonal(laplacian, -laplacian.sum(axis=1))
    mass = np.bincount(triangles.ravel(), minlength=len(vertices)) * 0.002**2 / 6.0 + 1e-12
    pass_once = np.linalg.solve(np.diag(mass) + radius**2 / 8.0 * laplacian, np.diag(mass))
    np.testing.assert_allclose(
        SurfaceBlur(vertices, triangles, radius)(values), pass_once @ pass_once @ values, atol=1e-5
    )


def test_pictures_of_the_layout_are_those_of_its_texels(face_model: FaceModel) -> None:
    skin = build_atlas(face_model, 256).skin
    expected = skin.image(skin.interpolate(face_model.vertices))
    whole, everywhere = skin.pictured()
    assert everywhere == (slice(0, 256), slice(0, 256))
    np.testing.assert_array_equal(np.dstack(whole.planes(face_model.vertices)), expected)
    rows = np.flatnonzero(skin.interpolate(face_model.in_regions("forehead")) > 0.5)
    forehead, window = skin.pictured(rows)
    alone = np.zeros_like(expected)
    alone.reshape(-1, 3)[skin.index[rows]] = expected.reshape(-1, 3)[skin.index[rows]]
    assert forehead.shape == alone[window].shape[:2] and max(forehead.shape) < 192
    np.testing.assert_array_equal(np.dstack(forehead.planes(face_model.vertices)), alone[window])
    alone[window] = 0.0
    assert not alone.any(), "the window holds them all"


def test_mirrored_texels_lie_on_mirrored_points(face_model: FaceModel) -> None:
    atlas = build_atlas(face_model, 256)
    position = atlas.skin.interpolate(face_model.vertices)
    picture = atlas.skin.image(np.concatenate([position, np.ones((len(position), 1))], axis=1))
    found = sample(picture, atlas.mirror.reshape(-1, 2)[atlas.skin.index])
    inside = found[:, 3] > 0.999
    assert inside.mean() > 0.9
    offset = found[inside, :3] - position[inside] * [-1, 1, 1]
    assert np.quantile(np.linalg.norm(offset, axis=1), 0.99) < 0.002


def test_every_part_has_texels_in_its_own_place(face_model: FaceModel) -> None:
    """Lashes are thinner than a texel; without texels of their own they would show their neighbours' colour."""
    atlas = build_atlas(face_model, 256)
    used = np.unique(face_model.face_part)
    for row, name in enumerate(face_model.part_names):
        texels = atlas.skin if name == "skin" else atlas.parts[name]
        assert (len(texels.index) > 0) == (row in used), name


def test_light_and_hue_are_told_from_a_large_occluder() -> None:
    """A turquoise cloth over two thirds of the skin: the rest sets the light, the cloth is not believed."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(3000, 3))
    normals[:, 2] = np.abs(normals[:, 2])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    albedo = np.tile(np.array([0.5, 0.3, 0.22], np.float32), (3000, 1))
    cloth = np.arange(3000) % 3 > 0
    base = np.where(cloth[:, None], [0.3, 0.6, 0.6], albedo).astype(np.float32)
    light = lighting.directional_light(np.array([0.3, 0.4, 1.0]), 0.7) + np.array([0.4] + [0.0] * 8, np.float32)
    colors = lighting.shade(base, normals, light.astype(np.float32))
    limits = (np.full(3000, value, np.float32) for value in (0.85, 0.75, 0.32))
    reading = read_skin(colors, albedo, normals, np.ones(3000, np.float32), Tolerance(*limits))
    assert reading.trust[cloth].max() < 0.05
    assert np.quantile(reading.trust[~cloth], 0.1) > 0.9
    assert np.abs(reading.usual).max() < 0.1


def test_skin_that_is_known_may_vary_as_hard_light_makes_it() -> None:
    """Half of a face in blown-out light of another hue: believed where somebody says that it is skin."""
    colors, albedo, normals, limits = lit_skin()
    half = np.arange(len(colors)) % 2 > 0
    colors[half] *= [1.6, 1.3, 0.7]
    whole = np.ones(len(colors), np.float32)
    guessed, known = (read_skin(colors, albedo, normals, whole, limits, told=told) for told in (False, True))
    assert guessed.trust[half].mean() < 0.3 or guessed.trust[~half].mean() < 0.3
    assert known.trust.min() > 0.9


def test_a_beard_is_no_shadow() -> None:
    """Dark hair on all that faces down leaves the light as it is, and is as dark as it was in what is read."""
    colors, albedo, normals, limits = lit_skin()
    beard = (normals[:, 1] < -0.55).astype(np.float32)
    whole = np.ones(len(colors), np.float32)
    bare = read_skin(colors, albedo, normals, whole, limits)
    grown = colors * (1.0 - 0.8 * beard[:, None])
    known = read_skin(grown, albedo, normals, whole, limits.bearing(beard), told=True, beard=beard)
    assert np.abs(np.log(known.shading / bare.shading)).max() < 0.2
    assert np.log(0.2) == pytest.approx(float(known.log_ratio[beard > 0].mean()), abs=0.15)
    assert known.trust[beard > 0].min() > 0.9
    dim = replace(known, shading=known.shading * np.where(beard > 0, 0.2, 1.0)[:, None].astype(np.float32))
    lifted = dim.unshaded(beard, 1.0 - beard)
    assert lifted.shading[beard > 0].min() > 0.5 * np.median(bare.shading)
    assert np.array_equal(lifted.shading[beard == 0], dim.shading[beard == 0])
    whole_log = np.log(lifted.shading) + lifted.log_albedo
    assert np.allclose(whole_log, np.log(dim.shading) + dim.log_albedo, atol=1e-4)  # still the same photo


def lit_skin() -> tuple[np.ndarray, np.ndarray, np.ndarray, Tolerance]:
    """Colours, albedo and normals of 3000 points of skin under a soft lamp, and what skin may be."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(3000, 3))
    normals[:, 2] = np.abs(normals[:, 2])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    albedo = np.tile(np.array([0.5, 0.3, 0.22], np.float32), (3000, 1))
    light = lighting.directional_light(np.array([0.3, 0.4, 1.0]), 0.5) + np.array([0.6] + [0.0] * 8, np.float32)
    colors = lighting.shade(albedo, normals, light.astype(np.float32))
    limits = (np.full(3000, value, np.float32) for value in (0.85, 0.75, 0.32))
    return colors, albedo, normals, Tolerance(*limits)


def test_weighted_median() -> None:
    values = np.array([5.0, 1.0, 3.0, 100.0])
    assert weighted_median(values, np.array([1.0, 1.0, 1.0, 0.0])) == 3.0
    assert weighted_median(values, np.array([0.0, 1.0, 0.0, 0.0])) == values[1]
    assert weighted_median(values, np.zeros(4)) == 0.0
    assert weighted_quantile(values, np.ones(4), 0.9) == 100.0 and weighted_quantile(values, np.ones(4), 0.2) == 1.0


def test_a_fringe_hangs_from_the_scalp(face_model: FaceModel) -> None:
    regions, forehead = skin_regions(face_model), face_model.in_regions("forehead")
    height = face_model.vertices[:, 1]
    middle = np.median(height[forehead])
    band = forehead & (np.abs(height - middle) < 0.006)
    hair = regions.hung(band.astype(np.float32))
    above = forehead & (height > middle + 0.008) & (np.abs(face_model.vertices[:, 0]) < 0.03)
    assert above.any() and hair[above].min() > 0.5
    assert hair[height < middle - 0.012].max() < 0.2
    assert np.array_equal(regions.hung(np.zeros(len(height), np.float32)), np.zeros(len(height)))
