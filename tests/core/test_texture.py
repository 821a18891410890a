"""The texture on a synthetic head whose true colours are known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from core.geometry import lighting
from core.geometry.camera import project
from core.geometry.eye_colors import eye_texels, iris_albedo
from core.geometry.eyes import IRIS_RADIUS
from core.geometry.face_model import FaceModel
from core.geometry.uv_sampling import Atlas, build_atlas, sample
from core.stages.texture import Texture
from core.types import FaceTexture

from .texture_scene import PHOTO, SIZE, Scene, in_regions, linear, make_scene, posed, render, unwrap


@pytest.fixture(scope="module")
def texture(stage: Texture, scene: Scene) -> FaceTexture:
    return unwrap(stage, scene)


def test_shapes_and_sources(texture: FaceTexture, atlas: Atlas) -> None:
    assert texture.color.shape == (SIZE, SIZE, 3) and texture.color.dtype == np.uint8
    assert texture.source.dtype == np.uint8 and set(np.unique(texture.source)) <= {0, 1, 2, 4}
    covered = np.zeros(SIZE * SIZE, bool)
    for texels in (atlas.skin, *atlas.parts.values()):
        covered[texels.index] = True
    np.testing.assert_array_equal(texture.source.ravel() > 0, covered)


def test_painted_pixels_are_told_from_seen_ones(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene, texture: FaceTexture
) -> None:
    right_half = np.zeros(scene.photo.shape[:2], np.uint8)
    middle = round(float(scene.landmarks.points[30, 0]))
    right_half[:, :middle] = 255  # the subject's right is on the left
    marked = stage(scene.photo, scene.params, scene.camera, scene.landmarks, right_half)
    assert np.array_equal(marked.color, texture.color)
    changed = marked.source != texture.source
    assert set(np.unique(marked.source[changed])) == {3}
    assert (marked.source[in_regions(face_model, atlas, "cheek_right") & (texture.source == 4)] == 3).all()
    assert not changed[in_regions(face_model, atlas, "cheek_left") & (texture.source == 4)].any()
    plain = stage(scene.photo, scene.params, scene.camera, scene.landmarks, np.zeros_like(right_half))
    assert np.array_equal(plain.source, texture.source)


def test_the_mirror_image_of_painted_pixels_is_painted_too(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene
) -> None:
    visibility = scene.landmarks.visibility.copy()
    visibility[:] = np.where(np.arange(len(visibility)) < 68, visibility, 1.0)
    left = np.concatenate([scene.landmarks.points, scene.landmarks.dense])[:, 0] > scene.landmarks.points[30, 0]
    hidden = replace(scene.landmarks, visibility=np.where(left, 0.0, visibility).astype(np.float32))
    everything = np.full(scene.photo.shape[:2], 255, np.uint8)
    before = stage(scene.photo, scene.params, scene.camera, hidden).source
    after = stage(scene.photo, scene.params, scene.camera, hidden, everything).source
    assert (before == 2).mean() > 0.01
    assert not np.isin(after, (2, 4)).any()
    assert ((after == 3) == np.isin(before, (2, 4))).all()


def test_seen_skin_comes_back(face_model: FaceModel, atlas: Atlas, scene: Scene, texture: FaceTexture) -> None:
    seen = texture.source == 4
    face = in_regions(face_model, atlas, "forehead", "cheek_left", "cheek_right", "nose", "chin")
    assert (seen & face).sum() > 0.6 * face.sum()
    ratio = np.log(linear(texture)[seen & face] + 1e-3) - np.log(scene.truth[seen & face] + 1e-3)
    assert np.median(np.abs(ratio)) < 0.08
    assert np.quantile(np.abs(ratio), 0.9) < 0.25


def test_light_is_taken_out(face_model: FaceModel, atlas: Atlas, scene: Scene, texture: FaceTexture) -> None:
    """The lamp stands on the left: the photo's cheeks differ, the texture's hardly do."""
    found, seen = linear(texture), texture.source == 4
    sides = [in_regions(face_model, atlas, name) & seen for name in ("cheek_left", "cheek_right")]
    left, right = (np.log(found[side] / scene.truth[side]).mean() for side in sides)
    assert abs(left - right) < 0.06


def test_detail_survives(face_model: FaceModel, atlas: Atlas, scene: Scene, texture: FaceTexture) -> None:
    area = (texture.source == 4) & in_regions(face_model, atlas, "forehead", "cheek_left", "cheek_right")
    ours, truth = (np.log(picture.mean(axis=2) + 1e-3) for picture in (linear(texture), scene.truth))
    ours, truth = (picture - cv2.GaussianBlur(picture, (0, 0), 8) for picture in (ours, truth))
    core = cv2.erode(area.astype(np.uint8), np.ones((25, 25))) > 0
    assert np.corrcoef(ours[core], truth[core])[0, 1] > 0.8


def test_colorful_occluder_is_not_smeared_on(face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene) -> None:
    nose = scene.landmarks.points[30]
    photo = scene.photo.copy()
    cv2.circle(photo, (int(nose[0]) + 40, int(nose[1]) + 15), 26, (20, 60, 230), -1)
    found = linear(unwrap(stage, replace(scene, photo=photo)))
    skin = in_regions(face_model, atlas, "cheek_left", "cheek_right", "nose", "upper_lip", "chin", "jaw")
    bluish = found[..., 2] > found[..., 0]
    assert bluish[skin].mean() < 0.002


def test_rims_of_glasses_are_not_painted_on(face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene) -> None:
    photo, eyes = scene.photo.copy(), scene.landmarks.points
    for part in (slice(36, 42), slice(42, 48)):
        middle = eyes[part].mean(axis=0)
        cv2.circle(photo, (int(middle[0]), int(middle[1]) + 4), 24, (15, 15, 15), 4, cv2.LINE_AA)
    found = unwrap(stage, replace(scene, photo=photo))
    skin = in_regions(face_model, atlas, "cheek_left", "cheek_right", "nose")
    dark = linear(found).mean(axis=2) < 0.4 * scene.truth.mean(axis=2)
    naive = (texture_of(stage, scene) == 4) & skin
    assert dark[skin].sum() < 0.01 * naive.sum()


def texture_of(stage: Texture, scene: Scene) -> np.ndarray:
    return unwrap(stage, scene).source


def test_hidden_landmarks_keep_the_photo_out(face_model: FaceModel, stage: Texture, scene: Scene) -> None:
    """A hand has the colour of skin; only the landmarks tell that the face is hidden."""
    chin = np.zeros(68, bool)
    chin[[5, 6, 7, 8, 9, 10, 11, *range(48, 68)]] = True
    low = scene.landmarks.points[chin].min(axis=0)[1]
    dense_hidden = scene.landmarks.dense[:, 1] > low
    visibility = 1.0 - np.concatenate([chin, dense_hidden]).astype(np.float32)
    hidden = replace(scene, landmarks=replace(scene.landmarks, visibility=visibility))
    source = unwrap(stage, hidden).source
    lips = in_regions(face_model, build_atlas(face_model, SIZE), "lower_lip", "chin")
    assert (source[lips] == 4).mean() < 0.05
    assert (texture_of(stage, scene)[lips] == 4).mean() > 0.45


def test_far_side_is_mirrored(face_model: FaceModel, atlas: Atlas, stage: Texture) -> None:
    turned = make_scene(face_model, atlas, yaw=0.75)
    found = unwrap(stage, turned)
    mirrored = (found.source == 2) & in_regions(face_model, atlas, "cheek_left", "cheek_right", "forehead")
    assert mirrored.sum() > 0.05 * (found.source == 4).sum()
    ratio = np.log(linear(found)[mirrored]) - np.log(turned.truth[mirrored])
    assert np.median(np.abs(ratio)) < 0.15


def test_mouth_and_scalp_are_the_models(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene, texture: FaceTexture
) -> None:
    """Whatever the open mouth or the background shows, inner mouth, teeth and scalp stay as they are."""
    painted = scene.truth.copy().reshape(-1, 3)
    for name in ("teeth_upper", "teeth_lower", "gums", "tongue"):
        painted[atlas.parts[name].index] = [0.9, 0.0, 0.9]
    bag = in_regions(face_model, atlas, "mouth_bag")
    painted = painted.reshape(SIZE, SIZE, 3)
    painted[bag] = [0.9, 0.0, 0.9]
    photo = render(face_model, scene.params, scene.camera, painted)
    found = unwrap(stage, replace(scene, photo=photo))
    assert set(np.unique(found.source[bag])) == {1}
    inner = in_regions(face_model, atlas, "mouth_bag", "socket_left", "socket_right")
    change = np.abs(found.color[inner].astype(int) - texture.color[inner].astype(int))
    assert np.quantile(change, 0.99) < 12
    scalp = in_regions(face_model, atlas, "scalp")
    assert (texture.source[scalp] == 1).all()
    wall = linear(texture)[..., 1] > 1.5 * linear(texture)[..., 0]
    assert not wall[atlas.skin.image(np.ones(len(atlas.skin.index))) > 0].any()


def test_hair_and_iris_colors_come_from_the_photo(texture: FaceTexture) -> None:
    hair = lighting.srgb_to_linear(texture.hair_color)
    assert hair.mean() < 0.1
    red, _, blue = texture.iris_color
    assert blue > red + 0.1


@pytest.mark.parametrize("side", ["left", "right"])
def test_iris_is_painted_on_the_iris(face_model: FaceModel, atlas: Atlas, side: str) -> None:
    """The ring of vertices round the sunken iris lies at its rim: the optic axis is not the model's z."""
    texels = eye_texels(face_model, atlas)[f"eyeball_{side}"]
    place = texels.texels.interpolate(face_model.vertices)
    x = face_model.eye_centers[0 if side == "right" else 1, 0]
    iris = (texels.radius > 0) & (texels.radius < IRIS_RADIUS)
    outwards = (place[iris].mean(axis=0)[0] - x) * (1 if side == "left" else -1)
    assert 0.0005 < outwards < 0.0014  # metres: 5 degrees on a ball of 12 mm
    depth = place[iris, 2].max() - place[iris, 2].min()
    assert depth < 0.0035  # sunken and nearly flat; white on one side would fall off further


def test_nothing_to_see_falls_back_to_the_model(stage: Texture, scene: Scene) -> None:
    blind = replace(scene.landmarks, visibility=np.zeros_like(scene.landmarks.visibility))
    found = unwrap(stage, replace(scene, landmarks=blind))
    assert (found.source == 4).mean() < 0.05
    assert found.color.std() > 5


def test_gray_photo_and_face_cut_by_the_border(stage: Texture, scene: Scene) -> None:
    gray = np.repeat(scene.photo.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    cut = gray[:, : PHOTO // 2]
    found = unwrap(stage, replace(scene, photo=np.ascontiguousarray(cut)))
    assert (found.source == 4).any() and (found.source == 2).any()
    assert np.isfinite(found.iris_color).all() and np.isfinite(found.hair_color).all()


LID, BROWN_IRIS, GLINT = (0.35, 0.22, 0.16), (0.08, 0.045, 0.03), (0.9, 0.9, 0.9)


def test_iris_is_told_from_lids_and_glints() -> None:
    """Half of the pixels that should be iris are lid: the fit is not exact."""
    pixels = np.array([LID] * 50 + [BROWN_IRIS] * 45 + [GLINT] * 5, np.float32)
    found = iris_albedo(pixels, skin=0.25)
    assert found is not None
    np.testing.assert_allclose(found, BROWN_IRIS, rtol=0.05)


def test_a_covered_eye_has_no_iris_color() -> None:
    assert iris_albedo(np.array([LID] * 90 + [BROWN_IRIS] * 10, np.float32), skin=0.25) is None
    assert iris_albedo(np.empty((0, 3), np.float32), skin=0.25) is None


def test_no_brown_iris_is_bright() -> None:
    found = iris_albedo(np.full((60, 3), (0.4, 0.2, 0.1), np.float32), skin=0.9)
    assert found is not None and found @ (0.2126, 0.7152, 0.0722) < 0.06


@pytest.mark.parametrize("brightness", [0.6, 1.5])
def test_skin_is_nearer_to_the_photo_than_the_model_says(stage: Texture, scene: Scene, brightness: float) -> None:
    """The whole photo brighter or darker: part of it is the skin's."""
    linear = lighting.srgb_to_linear(scene.photo.astype(np.float32) / 255.0) * brightness
    photo = (lighting.linear_to_srgb(np.clip(linear, 0, 1)) * 255.0 + 0.5).astype(np.uint8)
    usual, other = unwrap(stage, scene), unwrap(stage, replace(scene, photo=photo))
    both = (usual.source == 4) & (other.source == 4)
    assert both.any()
    ratio = np.median(
        lighting.srgb_to_linear(other.color[both] / np.float32(255))
        / np.maximum(lighting.srgb_to_linear(usual.color[both] / np.float32(255)), 1e-3)
    )
    assert 0.3 < np.log(ratio) / np.log(brightness) < 0.9


def test_the_fill_has_the_grain_of_the_smoothest_skin(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene
) -> None:
    """Most of the face is as rough as wrinkles and stubble: what the photo does not show stays fine."""
    noise, neck = np.random.default_rng(2).normal(size=scene.photo.shape[:2]), in_regions(face_model, atlas, "neck")
    left = np.arange(PHOTO) > scene.landmarks.points[39, 0]

    def grain(amount: np.ndarray) -> float:
        photo = np.clip(scene.photo * np.exp(noise * amount)[..., None], 0, 255).astype(np.uint8)
        picture = np.log(linear(unwrap(stage, replace(scene, photo=photo))).mean(axis=2) + 1e-3)
        return float((picture - cv2.GaussianBlur(picture, (0, 0), 2))[neck].std())

    none, fine, most = (grain(np.where(left, wild, usual)) for usual, wild in ((0, 0), (0.012, 0.012), (0.012, 0.05)))
    assert fine > 1.3 * none
    assert most < 1.15 * fine


def test_the_more_a_face_varies_the_less_of_it_is_skin(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene, texture: FaceTexture
) -> None:
    """Faint patches are complexion; deep ones all over the face are the shadows of a hard light."""
    patches = np.cos(np.arange(PHOTO) * (2 * np.pi / 70))[:, None]  # each two or three centimetres wide
    area = (texture.source == 4) & in_regions(face_model, atlas, "forehead", "cheek_left", "cheek_right")

    def kept(depth: float) -> float:
        photo = lighting.srgb_to_linear(scene.photo / np.float32(255)) * np.exp(depth * patches)[..., None]
        photo = (lighting.linear_to_srgb(np.clip(photo, 0, 1).astype(np.float32)) * 255 + 0.5).astype(np.uint8)
        found = linear(unwrap(stage, replace(scene, photo=photo)))
        change = np.log(found.mean(axis=2) + 1e-3) - np.log(linear(texture).mean(axis=2) + 1e-3)
        return float(change[area].std()) / depth

    faint, deep = kept(0.05), kept(0.3)
    assert deep < 0.75 * faint


@pytest.mark.parametrize(("radius", "sides", "kept"), [(14, 1, False), (14, 2, True), (3, 1, True)])
def test_what_one_side_lacks_is_shadow_unless_it_is_small(
    face_model: FaceModel,
    atlas: Atlas,
    stage: Texture,
    scene: Scene,
    texture: FaceTexture,
    radius: int,
    sides: int,
    kept: bool,
) -> None:
    """A shadow on one cheek goes; what both cheeks have, and a mole, stay."""
    points, light = project(scene.camera, posed(face_model, scene.params)), np.ones(scene.photo.shape[:2], np.float32)
    cheeks = [face_model.in_regions(f"cheek_{side}") for side in ("left", "right")]
    middle = np.array(
        [points[cheek & (face_model.vertex_part == face_model.part("skin"))].mean(axis=0) for cheek in cheeks]
    )
    for x, y in middle[:sides, :2]:
        cv2.circle(light, (round(x), round(y)), radius, 0.65, -1)
    dark = lighting.srgb_to_linear(scene.photo / np.float32(255)) * cv2.GaussianBlur(light, (0, 0), 1.0)[..., None]
    photo = (lighting.linear_to_srgb(dark.astype(np.float32)) * 255 + 0.5).astype(np.uint8)
    found = linear(unwrap(stage, replace(scene, photo=photo)))
    reach = sample(1.0 - light, atlas.skin.interpolate(points[:, :2].astype(np.float32)))
    spot = (atlas.skin.image(reach) > 0.3) & in_regions(face_model, atlas, "cheek_left") & (texture.source == 4)
    assert spot.any()
    change = np.log(found[spot].mean(axis=1)).mean() - np.log(linear(texture)[spot].mean(axis=1)).mean()
    share = change / np.log(0.65)
    assert share > 0.7 if kept else share < 0.6
