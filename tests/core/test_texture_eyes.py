"""Round the eyes: make-up, thin brows, lids that close, lash lines, whites; and the light that goes with a texture."""

from dataclasses import replace

import numpy as np
import pytest

from core.geometry.camera import project
from core.geometry.delighting import LUMINANCE, light_of_shading
from core.geometry.eye_colors import WHITE, white_albedo
from core.geometry.eyes import eye_of
from core.geometry.face_model import FaceModel
from core.geometry.head_view import view_head
from core.geometry.lash_lines import LashLines, depth
from core.geometry.lighting import directional_light, irradiance, srgb_to_linear
from core.geometry.rasterizer import vertex_normals
from core.geometry.skin_regions import skin_regions
from core.geometry.texel_blending import SEEN
from core.geometry.uv_sampling import Atlas
from core.stages.texture import Texture
from core.types import PARTS, FaceTexture

from . import texture_scene
from .test_texture_parts import parts_of, told
from .texture_scene import LIGHT, PHOTO, SIZE, Scene, linear, make_scene, posed, render, unwrap


def above_the_eyes(model: FaceModel, atlas: Atlas) -> np.ndarray:
    """(SIZE, SIZE) bool: a band of skin half way between brows and eyes, as wide as a fold of the lid in shade."""
    points = atlas.skin.interpolate(model.vertices)
    middle = model.landmarks(model.vertices)
    height = (middle[17:27, 1].mean() + middle[[37, 38, 43, 44], 1].mean()) / 2
    near = np.abs(np.abs(points[:, 0]) - abs(middle[36:42, 0].mean())) < 0.011
    band = near & (np.abs(points[:, 1] - height) < 0.0018) & (points[:, 2] > 0.0)
    return atlas.skin.image(band.astype(np.float32)) > 0


@pytest.fixture(scope="module")
def shaded(face_model: FaceModel, atlas: Atlas) -> tuple[Scene, np.ndarray]:
    """A face with a dark fold above each eye, and the texels of these."""
    scene, band = make_scene(face_model, atlas, yaw=0.0, mouth=0.0), above_the_eyes(face_model, atlas)
    assert band.sum() > 150
    truth = np.where(band[..., None], 0.15, 1.0) * scene.truth
    return replace(scene, photo=render(face_model, scene.params, scene.camera, truth)), band


def test_a_dark_fold_above_the_eye_is_the_eyes_own(
    face_model: FaceModel, stage: Texture, shaded: tuple[Scene, np.ndarray]
) -> None:
    scene, band = shaded
    texture = told(stage, scene, parts_of(face_model, scene))
    assert (texture.source[band] == SEEN).mean() > 0.8
    assert linear(texture)[band].mean() < 0.65 * scene.truth[band].mean()


def test_coloured_make_up_stays(face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene) -> None:
    band = above_the_eyes(face_model, atlas)
    blue = np.where(band[..., None], np.array([0.35, 0.6, 1.3], np.float32), np.float32(1.0)) * scene.truth
    made_up = replace(scene, photo=render(face_model, scene.params, scene.camera, blue))
    texture = told(stage, made_up, parts_of(face_model, scene))
    assert (texture.source[band] == SEEN).mean() > 0.8
    red, _, azure = linear(texture)[band].mean(axis=0) / scene.truth[band].mean(axis=0)
    assert azure > 1.5 * red


def test_by_colour_alone_it_may_be_a_rim(stage: Texture, shaded: tuple[Scene, np.ndarray]) -> None:
    scene, band = shaded
    assert (unwrap(stage, scene).source[band] == SEEN).mean() < 0.5


def test_where_glasses_were_painted_over_what_is_dark_is_left_of_them(
    face_model: FaceModel, stage: Texture, shaded: tuple[Scene, np.ndarray]
) -> None:
    scene, band = shaded
    parts, painted = parts_of(face_model, scene), np.zeros((PHOTO, PHOTO), np.uint8)
    eyes = scene.landmarks.points[36:48]
    low, high = eyes.min(axis=0).astype(int), eyes.max(axis=0).astype(int)
    painted[high[1] + 2 : high[1] + 8, low[0] : high[0]] = 255  # the lower rims
    given = (scene.photo, scene.params, scene.camera, scene.landmarks)
    texture = stage(*given, completed=painted, parts=parts)
    assert (texture.source[band] == SEEN).mean() < 0.5


def test_plucked_brows_leave_no_shade_of_the_models(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene
) -> None:
    brows = atlas.skin.image(
        atlas.skin.interpolate(face_model.in_regions("brow_left", "brow_right").astype(np.float32))
    ) > 0.9  # fmt: skip
    skin = np.median(
        scene.truth[atlas.skin.image(atlas.skin.interpolate(skin_regions(face_model).plain)) > 0.9], axis=0
    )
    bare = scene.truth.copy()
    bare[brows] = skin
    plucked = replace(scene, photo=render(face_model, scene.params, scene.camera, bare))
    parts = parts_of(face_model, plucked)
    seen = brows & (told(stage, plucked, parts).source == SEEN)
    assert seen.mean() > 0.8 * brows.mean()
    ratio = linear(told(stage, plucked, parts))[seen].mean() / linear(told(stage, scene, parts))[seen].mean()
    assert ratio > 0.85 * skin.mean() / scene.truth[seen].mean()


def test_lids_that_a_blink_draws_out_are_not_the_photos(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene
) -> None:
    """An open eye shows them as a line; seen closed, they are the photo's."""
    blink = [face_model.expression_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]
    shut = face_model.vertices + face_model.expression_basis[blink].sum(axis=0)
    ahead = vertex_normals(shut, face_model.triangles)[:, 2] > 0.75  # of closed lids
    moved = np.linalg.norm(shut - face_model.vertices, axis=1) > 0.005
    lids = face_model.in_regions("lids_left", "lids_right") & ahead & moved
    inside = atlas.skin.image(atlas.skin.interpolate(lids.astype(np.float32))) > 0.9
    assert inside.sum() > 60
    shares = []
    for closed in (0.0, 1.0):
        expression = scene.params.expression.copy()
        expression[blink] = closed
        params = replace(scene.params, expression=expression)
        photo = render(face_model, params, scene.camera, scene.truth)
        shown = replace(scene, params=params, photo=photo)
        shares.append((told(stage, shown, parts_of(face_model, shown)).source[inside] == SEEN).mean())
    assert shares[0] < 0.35 < 0.6 < shares[1]


def lined(model: FaceModel, atlas: Atlas, scene: Scene, share: float) -> Scene:
    """The photo with lines of so much of the skin's light along the upper lids."""
    photo = scene.photo.astype(np.float32)
    vertices = project(scene.camera, posed(model, scene.params))[:, :2]
    for roots in LashLines.of(model, atlas.skin).roots[::2]:
        for x, y in vertices[roots].round().astype(int):
            photo[y - 1 : y + 2, x - 1 : x + 2] *= share
    return replace(scene, photo=photo.astype(np.uint8))


def test_lash_lines_are_as_dark_as_the_photos(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene
) -> None:
    lines = LashLines.of(face_model, atlas.skin)
    assert [len(roots) > 30 for roots in lines.roots] == [True] * 4
    upper = np.concatenate([texels[share > 0.9] for texels, share in zip(lines.texels, lines.share, strict=True)][::2])
    assert len(upper) > 20
    faint, dark = (
        linear(told(stage, shown, parts_of(face_model, scene))).reshape(-1, 3)[upper].mean()
        for shown in (scene, lined(face_model, atlas, scene, 0.35))
    )
    assert dark < 0.6 * faint


def test_roots_lie_on_the_lids_and_upper_ones_above(face_model: FaceModel, atlas: Atlas) -> None:
    lines = LashLines.of(face_model, atlas.skin)
    for side, (upper, lower) in zip(("left", "right"), (lines.roots[:2], lines.roots[2:]), strict=True):
        center = eye_of(face_model, face_model.vertices, side).center
        assert (np.sign(face_model.vertices[upper, 0]) == np.sign(center[0])).all()
        assert face_model.vertices[upper, 1].mean() > face_model.vertices[lower, 1].mean() + 0.005
        tips = face_model.vertex_part == face_model.part(f"lashes_{side}")
        away = np.linalg.norm(face_model.vertices - center, axis=1)
        assert away[np.concatenate([upper, lower])].mean() < away[tips].mean()


def test_a_line_that_cannot_be_seen_is_a_usual_one(face_model: FaceModel, atlas: Atlas, scene: Scene) -> None:
    roots = LashLines.of(face_model, atlas.skin).roots[0]
    view = view_head(face_model, posed(face_model, scene.params), scene.photo, scene.camera, SIZE)
    hidden = replace(view, visible=np.zeros_like(view.visible))
    assert depth(hidden, roots, 0.3) == pytest.approx(0.5)
    assert depth(view, roots, 1e6) == pytest.approx(0.92)
    assert depth(view, roots, 1e-6) == pytest.approx(0.2)
    bright = float(np.median(view.colors(view.points[roots, :2]) @ LUMINANCE))
    assert depth(view, roots, bright) < 0.7  # pupils and brows are darker, but farther off


def test_whites_are_told_from_lids_and_lashes() -> None:
    rng = np.random.default_rng(0)
    white, lid, lash = np.array([0.30, 0.27, 0.25]), np.array([0.33, 0.2, 0.13]), np.array([0.02, 0.015, 0.01])
    pixels = np.concatenate([np.tile(white, (60, 1)), np.tile(lid, (30, 1)), np.tile(lash, (40, 1))])
    found = white_albedo((pixels * rng.uniform(0.97, 1.03, (130, 1))).astype(np.float32))
    assert found @ LUMINANCE == pytest.approx(white @ LUMINANCE / 0.8, rel=0.1)
    assert found[0] / found[2] == pytest.approx(white[0] / white[2], rel=0.1)
    bluish = white_albedo(np.tile(np.array([0.24, 0.27, 0.3], np.float32), (100, 1)))
    assert 0.9 < bluish[0] / bluish[2] < 1.05 < WHITE[0] / WHITE[2]


@pytest.mark.parametrize(("level", "low", "high"), [(0.001, 0.3, 0.5), (5.0, 1.1, 1.3)])
def test_whites_stay_near_the_usual_one(level: float, low: float, high: float) -> None:
    found = white_albedo(np.full((100, 3), level, np.float32))
    assert low < float(found @ LUMINANCE) / float(WHITE @ LUMINANCE) < high
    assert np.array_equal(white_albedo(np.full((5, 3), level, np.float32)), WHITE)


def brightness_over_photo(model: FaceModel, scene: Scene, texture: FaceTexture, light: np.ndarray) -> np.ndarray:
    """(N,) log of how bright seen skin is under a light, over the photo, at plain vertices."""
    vertices = posed(model, scene.params)
    view = view_head(model, vertices, scene.photo, scene.camera, SIZE)
    plain = (skin_regions(model).plain > 0.9) & view.visible & (view.facing > 0.6)
    corners = np.zeros((len(vertices), 2), np.float32)
    corners[model.triangles.ravel()] = model.uv[model.uv_triangles.ravel()]
    places = np.clip(corners * [SIZE, -SIZE] + [0, SIZE], 0, SIZE - 1).astype(int)
    base = srgb_to_linear(texture.color[places[:, 1], places[:, 0]] / 255.0) @ LUMINANCE
    shown = view.averages(0.001) @ LUMINANCE
    return np.log((base * irradiance(view.normals, light) + 1e-3) / (shown + 1e-3))[plain]


@pytest.mark.parametrize("exposure", [0.6, 1.0])
def test_texture_and_light_give_the_photo(face_model: FaceModel, stage: Texture, scene: Scene, exposure: float) -> None:
    """Whatever its exposure, of which skin and light each take some."""
    photo = np.clip(scene.photo * exposure, 0, 255).astype(np.uint8)
    texture = told(stage, replace(scene, photo=photo), parts_of(face_model, scene))
    off = brightness_over_photo(face_model, replace(scene, photo=photo), texture, texture.light)
    assert abs(np.median(off)) < 0.06
    assert np.abs(off - np.median(off)).mean() < 0.1
    regressed = brightness_over_photo(face_model, replace(scene, photo=photo), texture, 1.3 * texture.light)
    assert abs(np.median(regressed)) > 0.2


def test_light_from_aside_leaves_no_side_black(
    face_model: FaceModel, atlas: Atlas, stage: Texture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the photo does not show is dim, not black, whatever nine numbers would go on to."""
    hard = directional_light(np.array([1.0, 0.1, 0.4]), 1.1) + np.array([0.08] + [0.0] * 8, np.float32)
    monkeypatch.setattr(texture_scene, "LIGHT", hard)
    scene = make_scene(face_model, atlas, yaw=0.0, mouth=0.0)
    texture = told(stage, scene, parts_of(face_model, scene))
    aside = np.arange(0.0, 2.0 * np.pi, 0.1)
    around = np.stack([np.cos(aside), np.zeros_like(aside), np.sin(aside)], axis=1).astype(np.float32)
    found = irradiance(around, texture.light)
    assert found.min() > 0.03 * found.max()


def test_light_of_shading_is_found_again(face_model: FaceModel) -> None:
    normals = vertex_normals(face_model.vertices, face_model.triangles)
    seen = (normals[:, 2] > -0.2).astype(np.float32)
    found = light_of_shading(irradiance(normals, LIGHT), normals, seen)
    front = normals[:, 2] > 0.2
    assert irradiance(normals[front], found) == pytest.approx(irradiance(normals[front], LIGHT), rel=0.1)
    few = light_of_shading(np.full(len(normals), 0.7), normals, (np.arange(len(normals)) < 5).astype(np.float32))
    assert few[0] == pytest.approx(0.7) and not few[1:].any()


def test_parts_of_hair_above_a_mesh_are_no_fringe(face_model: FaceModel, atlas: Atlas, scene: Scene) -> None:
    """What a mesh of the hair shows is not painted on the forehead below it as well."""
    parts = parts_of(face_model, scene)
    brow = round(scene.landmarks.points[17:27, 1].min() - 12)
    fringe = parts.copy()
    fringe[:brow][fringe[:brow] == PARTS.index("skin")] = PARTS.index("hair")
    forehead = atlas.skin.image(
        atlas.skin.interpolate(face_model.in_regions("forehead").astype(np.float32))
    ) > 0.99  # fmt: skip
    painted, left = (
        linear(told(Texture(face_model, SIZE, fringe=wanted), scene, fringe))[forehead].mean()
        for wanted in (True, False)
    )
    assert painted < 0.75 * left
