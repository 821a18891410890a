"""What the parser's parts tell the texture: strands, fringes, hairlines, bald heads, hats."""

from dataclasses import replace

import numpy as np

from core.geometry.camera import project
from core.geometry.face_model import FaceModel
from core.geometry.rasterizer import rasterize
from core.geometry.uv_sampling import Atlas
from core.stages.texture import Texture
from core.types import PARTS, FaceTexture

from .texture_scene import HAIR, PHOTO, Scene, in_regions, linear, posed, unwrap


def parts_of(model: FaceModel, scene: Scene) -> np.ndarray:
    """(PHOTO, PHOTO) uint8 parts of the photo: hair on the scalp, skin on the face, nothing about the rest."""
    vertices = posed(model, scene.params)
    raster = rasterize(project(scene.camera, vertices).astype(np.float32), model.triangles, PHOTO, PHOTO)
    scalp, bare = model.in_regions("scalp"), ~model.in_regions("scalp", "neck", "none")
    parts = np.zeros((PHOTO, PHOTO), np.uint8)
    for part, region in (("hair", scalp), ("skin", bare)):
        inside = region[model.triangles].all(axis=1)
        parts[raster.mask & inside[raster.triangle_id]] = PARTS.index(part)
    return parts


def told(stage: Texture, scene: Scene, parts: np.ndarray) -> FaceTexture:
    return stage(scene.photo, scene.params, scene.camera, scene.landmarks, parts=parts)


def cheek_strand(scene: Scene) -> tuple[slice, slice]:
    """Rows and columns of a strand that hangs down the subject's left cheek."""
    (x, y), unit = scene.landmarks.points[30], float(np.ptp(scene.landmarks.points[36:48, 0]))
    return slice(round(y - 0.5 * unit), round(y + 0.4 * unit)), slice(round(x + 0.42 * unit), round(x + 0.55 * unit))


def test_a_strand_of_the_skins_colour_is_known_by_the_parts(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene
) -> None:
    photo, parts, strand = scene.photo.copy(), parts_of(face_model, scene), cheek_strand(scene)
    photo[strand] = np.clip(1.25 * photo[strand].astype(float) + 12, 0, 255).astype(np.uint8)
    haired = parts.copy()
    haired[strand] = PARTS.index("hair")
    bare = replace(scene, photo=photo)
    under = texels_showing(face_model, atlas, scene, strand)
    assert under.sum() > 300
    assert (told(stage, bare, parts).source[under] == 4).mean() > 0.9  # nothing tells its colour from skin's
    assert (told(stage, bare, haired).source[under] == 4).mean() < 0.05


def texels_showing(model: FaceModel, atlas: Atlas, scene: Scene, place: tuple[slice, slice]) -> np.ndarray:
    """(SIZE, SIZE) bool: texels of the cheek that project into a rectangle of the photo."""
    points = atlas.skin.interpolate(project(scene.camera, posed(model, scene.params)).astype(np.float32))
    inside = np.ones(len(points), bool)
    for axis, part in ((0, place[1]), (1, place[0])):
        inside &= (points[:, axis] > part.start + 1) & (points[:, axis] < part.stop - 2)
    return (atlas.skin.image(inside.astype(np.float32)) > 0) & in_regions(model, atlas, "cheek_left")


def test_a_shadow_on_the_forehead_is_no_fringe_where_the_parts_say_skin(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene
) -> None:
    photo, parts = scene.photo.copy(), parts_of(face_model, scene)
    brow, middle = scene.landmarks.points[17:27, 1].min() - 12, scene.landmarks.points[27, 0]
    shadow = np.zeros(parts.shape, bool)
    shadow[: round(brow), round(middle) :] = True
    photo[shadow & (parts == PARTS.index("skin"))] //= 4
    dark = replace(scene, photo=photo)
    forehead = in_regions(face_model, atlas, "forehead")

    def haired(texture: FaceTexture) -> float:
        return float((linear(texture)[forehead].mean(axis=1) < 2.5 * HAIR.mean()).mean())

    assert haired(unwrap(stage, dark)) > 0.1  # by its colour alone it is taken for hair
    assert haired(told(stage, dark, parts)) < 0.01


def test_a_fringe_is_hair_where_the_parts_say_so(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene
) -> None:
    parts = parts_of(face_model, scene)
    brow = round(scene.landmarks.points[17:27, 1].min() - 12)
    fringe = parts.copy()
    fringe[:brow][fringe[:brow] == PARTS.index("skin")] = PARTS.index("hair")
    forehead = in_regions(face_model, atlas, "forehead")
    with_fringe, without = (linear(told(stage, scene, each))[forehead].mean(axis=1) for each in (fringe, parts))
    assert with_fringe.mean() < 0.7 * without.mean()


def test_a_scalp_that_the_parts_call_skin_is_bald(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene
) -> None:
    parts = parts_of(face_model, scene)
    bald = np.where(parts == PARTS.index("hair"), np.uint8(PARTS.index("skin")), parts)
    scalp = in_regions(face_model, atlas, "scalp")
    haired, bare = (linear(told(stage, scene, each))[scalp].mean() for each in (parts, bald))
    assert haired < 0.1 < 0.2 < bare


def test_long_hair_under_a_bare_crown_goes_on_behind(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene
) -> None:
    """What hangs beside the face shows that the head is not bald, though all of the scalp that is seen is."""
    parts = parts_of(face_model, scene)
    bald = np.where(parts == PARTS.index("hair"), np.uint8(PARTS.index("skin")), parts)
    long = bald.copy()
    beside = np.abs(np.arange(PHOTO) - scene.landmarks.points[27, 0]) > 0.75 * np.ptp(scene.landmarks.points[:, 0])
    long[round(scene.landmarks.points[0, 1]) :, beside] = PARTS.index("hair")
    photo = np.where((long == PARTS.index("hair"))[..., None], np.uint8(40), scene.photo)
    back = in_regions(face_model, atlas, "scalp") & (
        atlas.skin.image(atlas.skin.interpolate(face_model.vertices))[..., 2] < -0.06
    )
    bare, haired = (linear(told(stage, replace(scene, photo=photo), each))[back].mean() for each in (bald, long))
    assert haired < 0.5 * bare


def test_a_photo_that_ends_at_the_forehead_makes_nobody_bald(
    face_model: FaceModel, atlas: Atlas, stage: Texture, scene: Scene
) -> None:
    top = round(scene.landmarks.points[17:27, 1].min() - 6)
    parts, (x, y) = parts_of(face_model, scene), scene.camera.center
    cut = replace(
        scene,
        photo=np.ascontiguousarray(scene.photo[top:]),
        camera=replace(scene.camera, center=(x, y - top), height=PHOTO - top),
        landmarks=replace(scene.landmarks, points=scene.landmarks.points - np.float32([0, top])),
    )
    bare = np.where(parts == PARTS.index("hair"), np.uint8(0), parts)[top:]  # nor is any seen beside the face
    scalp = in_regions(face_model, atlas, "scalp")
    assert linear(told(stage, cut, np.ascontiguousarray(bare)))[scalp].mean() < 0.1


def test_hair_has_no_colour_of_the_hat(face_model: FaceModel, stage: Texture, scene: Scene) -> None:
    parts, photo = parts_of(face_model, scene), scene.photo.copy()
    crown = parts == PARTS.index("hair")
    crown[round(scene.landmarks.points[17:27, 1].min() - 20) :] = False
    assert crown.any() and (parts[~crown] == PARTS.index("hair")).any()
    photo[crown] = (30, 60, 220)
    hatted = np.where(crown, np.uint8(PARTS.index("hat")), parts)
    red, _, blue = told(stage, replace(scene, photo=photo), hatted).hair_color
    assert red > blue
    red, _, blue = unwrap(stage, replace(scene, photo=photo)).hair_color
    assert blue > red


def test_parts_that_leave_no_face_are_not_believed(stage: Texture, scene: Scene) -> None:
    everything = np.full(scene.photo.shape[:2], PARTS.index("hair"), np.uint8)
    ours, without = told(stage, scene, everything), unwrap(stage, scene)
    assert np.array_equal(ours.color, without.color) and np.array_equal(ours.source, without.source)
