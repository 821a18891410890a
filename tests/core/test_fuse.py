"""One texture from several: what is seen wins, tones meet, details stay sharp."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from core.geometry import lighting
from core.geometry.camera import rotation_from_angles
from core.geometry.face_model import FaceModel
from core.geometry.texel_blending import COMPLETED, MIRRORED, MODEL, SEEN
from core.geometry.uv_sampling import Atlas, build_atlas
from core.stages.fuse import Fuse
from core.types import Camera, FaceTexture

SIZE = 256
SKIN = np.array([180.0, 140.0, 120.0])
LIGHT = np.array([0.8, 0.2, 0.35, 0.2, 0.02, 0.05, 0.03, 0.05, -0.03], np.float32)
FuseTwo = Callable[[FaceTexture, FaceTexture], FaceTexture]


@pytest.fixture(scope="module")
def atlas(face_model: FaceModel) -> Atlas:
    return build_atlas(face_model, SIZE)


@pytest.fixture(scope="module")
def sides(face_model: FaceModel, atlas: Atlas) -> tuple[np.ndarray, np.ndarray]:
    """(SIZE, SIZE) bool: skin well to the subject's right, and well to the left."""
    x = atlas.skin.image(atlas.skin.interpolate(face_model.vertices[:, 0]))
    face = atlas.skin.image(atlas.skin.interpolate(face_model.in_regions("cheek_right", "cheek_left", "forehead")))
    return (x < -0.015) & (face > 0.9), (x > 0.015) & (face > 0.9)


@pytest.fixture(scope="module")
def fuse(face_model: FaceModel) -> FuseTwo:
    """Two photos, of the subject's right side and of the left."""
    stage = Fuse(face_model, SIZE)
    cameras = [
        Camera(900.0, (240.0, 240.0), 480, 480, rotation_from_angles(0.0, yaw, 0.0), np.array([0, 0, 1.0]))
        for yaw in (0.6, -0.6)
    ]
    return lambda one, other: stage([one, other], [face_model.vertices] * 2, cameras)[0]


def texture(atlas: Atlas, source: np.ndarray | int, color: np.ndarray) -> FaceTexture:
    """Colours (3,) or (SIZE, SIZE, 3) with a source on the skin."""
    inside = atlas.skin.image(np.ones(len(atlas.skin.index), np.float32)) > 0
    levels = np.where(inside, source, 0).astype(np.uint8)
    plain = np.broadcast_to(color, (SIZE, SIZE, 3)).astype(np.uint8)
    brown, white = np.array([0.3, 0.2, 0.1], np.float32), np.full(3, 0.8, np.float32)
    return FaceTexture(plain, levels, brown, np.zeros(3, np.float32), white, LIGHT)


@pytest.mark.parametrize(("better", "worse"), [(SEEN, COMPLETED), (COMPLETED, MIRRORED), (MIRRORED, MODEL)])
def test_the_better_known_texel_wins(
    fuse: FuseTwo, atlas: Atlas, sides: tuple[np.ndarray, np.ndarray], better: int, worse: int
) -> None:
    right, left = sides
    middle = np.where(right, better, worse)
    one, other = texture(atlas, middle, SKIN), texture(atlas, np.where(left, better, worse), SKIN - 60.0)
    fused = fuse(one, other)
    assert (fused.source[right | left] == better).all()
    assert np.median(fused.color[right], axis=0) == pytest.approx(SKIN, abs=6)
    assert np.median(fused.color[left], axis=0) == pytest.approx(SKIN - 60.0, abs=6)


def test_tones_meet_where_both_are_seen(fuse: FuseTwo, atlas: Atlas) -> None:
    bright, dark = texture(atlas, SEEN, SKIN * 1.1), texture(atlas, SEEN, SKIN * 0.9)
    fused = fuse(bright, dark)
    skin = fused.color[fused.source == SEEN].astype(float)
    assert skin.std(axis=0).max() < 1.5
    assert skin.mean(axis=0) == pytest.approx(SKIN, rel=0.02)


def test_each_side_comes_sharp_from_the_photo_that_shows_it(
    fuse: FuseTwo, atlas: Atlas, sides: tuple[np.ndarray, np.ndarray]
) -> None:
    """Two patterns of pores that do not fit together: mixing would flatten them."""
    rng = np.random.default_rng(0)
    patterns = [np.clip(SKIN + rng.normal(0, 12, (SIZE, SIZE, 1)), 0, 255) for _ in range(2)]
    fused = fuse(*(texture(atlas, SEEN, pattern) for pattern in patterns)).color.astype(float)
    for side, own, other in ((sides[0], *patterns), (sides[1], *patterns[::-1])):
        likeness = [np.corrcoef(fused[side][:, 0], pattern[side][:, 0])[0, 1] for pattern in (own, other)]
        assert likeness[0] > 0.9 > 0.3 > abs(likeness[1])
        assert fused[side].std() == pytest.approx(own[side].std(), rel=0.1)


@pytest.mark.parametrize(("smiles", "wanted"), [((True, False), 200), ((False, True), 120), ((False, False), 160)])
def test_teeth_are_those_of_the_photos_that_show_them(
    fuse: FuseTwo, atlas: Atlas, smiles: tuple[bool, bool], wanted: int
) -> None:
    pictures = []
    for level, shown in zip((200, 120), smiles, strict=True):
        picture = texture(atlas, SEEN, SKIN)
        color = picture.color.copy()
        for name, texels in atlas.parts.items():
            color.reshape(-1, 3)[texels.index] = level if "teeth" in name else 90
            picture.source.reshape(-1)[texels.index] = MODEL
        pictures.append(replace(picture, color=color, teeth_seen=shown))
    fused = fuse(*pictures)
    assert fused.teeth_seen == any(smiles)
    found = fused.color.reshape(-1, 3)
    for name in ("teeth_upper", "teeth_lower"):
        assert np.median(found[atlas.parts[name].index]) == pytest.approx(wanted, abs=12)
    assert np.median(found[atlas.parts["tongue"].index]) == pytest.approx(90, abs=4)


def test_one_photo_is_left_alone(face_model: FaceModel, atlas: Atlas) -> None:
    one = texture(atlas, SEEN, SKIN)
    camera = Camera(900.0, (240.0, 240.0), 480, 480, rotation_from_angles(0, 0, 0), np.array([0, 0, 1.0]))
    assert Fuse(face_model, SIZE)([one], [face_model.vertices], [camera]) == (one,)


def test_each_photo_keeps_a_light_for_the_shared_tone(face_model: FaceModel, atlas: Atlas) -> None:
    """Light times colour is what each photo showed, whatever the tone that both meet at."""
    camera = Camera(900.0, (240.0, 240.0), 480, 480, rotation_from_angles(0, 0, 0), np.array([0, 0, 1.0]))
    own = [texture(atlas, SEEN, SKIN * 1.1), texture(atlas, SEEN, SKIN * 0.9)]
    fused = Fuse(face_model, SIZE)(own, [face_model.vertices] * 2, [camera] * 2)
    for before, after in zip(own, fused, strict=True):
        shown, kept = (lighting.srgb_to_linear(one.color[one.source == SEEN] / 255.0).mean() for one in (before, after))
        assert abs(shown / kept - 1.0) > 0.1
        assert after.light * kept == pytest.approx(before.light * shown, rel=0.03)
    assert fused[0].color is fused[1].color
