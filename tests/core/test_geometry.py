"""Camera, crop and face model: round trips, and the same crop from five points as from sixty-eight."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import FaceModelError
from core.geometry import alignment, boxes
from core.geometry.camera import (
    angles_from_rotation,
    camera_from_pose,
    default_focal,
    pose_from_camera,
    project,
    rotation_from_angles,
    rotation_without_roll,
)
from core.geometry.face_model import FaceModel, load_face_model
from core.settings import Settings
from core.types import COEFFICIENTS, LAYOUT, Camera, FaceParams


@pytest.mark.parametrize("seed", range(20))
def test_angles_round_trip(seed: int) -> None:
    angles = np.random.default_rng(seed).uniform([-1.4, -3.0, -3.0], [1.4, 3.0, 3.0])
    rotation = rotation_from_angles(*angles)
    assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert angles_from_rotation(rotation) == pytest.approx(angles)
    pitch, yaw, roll = angles_from_rotation(rotation_without_roll(rotation))
    assert (pitch, yaw, roll) == pytest.approx((angles[0], angles[1], 0.0), abs=1e-9)


def test_angles_turn_as_the_conventions_say() -> None:
    nose, top = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    assert (rotation_from_angles(0, 0.3, 0) @ nose)[0] > 0  # yaw: to the subject's left, right in the picture
    assert (rotation_from_angles(0.3, 0, 0) @ nose)[1] > 0  # pitch: down
    assert (rotation_from_angles(0, 0, 0.3) @ top)[0] < 0  # roll: the top goes left in the picture


def test_projection_has_pixel_centres_and_subject_left_on_the_right() -> None:
    camera = Camera(500.0, (99.5, 49.5), 200, 100, rotation_from_angles(0, 0, 0), np.array([0, 0, 2.0]))
    points = project(camera, np.array([[0, 0, 0], [0.1, 0.1, 0], [0, 0, 0.5]]))
    assert points[0] == pytest.approx([99.5, 49.5, 2.0])
    assert points[1] == pytest.approx([99.5 + 25, 49.5 - 25, 2.0])
    assert points[2, 2] == pytest.approx(1.5)  # the nose is nearer


def test_default_focal_is_a_normal_lens() -> None:
    assert default_focal(3600, 2400) == pytest.approx(5000, rel=1e-3)
    assert default_focal(2400, 3600) == default_focal(3600, 2400)


def test_crop_pose_round_trip(portrait_camera: Camera, landmark_points: np.ndarray) -> None:
    matrix = alignment.crop_matrix(landmark_points[:68], 128)
    pose = pose_from_camera(portrait_camera, matrix, 128)
    camera = camera_from_pose(pose, matrix, 128, (640, 640), portrait_camera.focal)
    assert camera.rotation == pytest.approx(portrait_camera.rotation, abs=1e-9)
    assert camera.translation == pytest.approx(portrait_camera.translation, abs=1e-9)


@pytest.mark.parametrize("roll", np.deg2rad([-170, -90, -40, 0, 25, 60, 90, 130]))
@pytest.mark.parametrize("yaw", np.deg2rad([-35, 0, 35]))
def test_five_points_and_landmarks_give_nearly_the_same_crop(face_model: FaceModel, roll: float, yaw: float) -> None:
    camera = Camera(900, (319.5, 319.5), 640, 640, rotation_from_angles(0, yaw, roll), np.array([0, 0, 0.8]))
    points = project(camera, face_model.visible_landmarks(face_model.vertices, camera.rotation))[:, :2]
    eyes = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    five = np.array([*eyes, points[30], points[48], points[54]])
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    exact = alignment.crop_matrix(points, 128)
    rough = alignment.crop_matrix(five, 128, box)
    assert np.linalg.det(rough[:, :2]) / np.linalg.det(exact[:, :2]) == pytest.approx(1.0, abs=0.25)
    middle = alignment.apply(rough, alignment.apply(alignment.invert(exact), np.array([[63.5, 63.5]])))
    assert np.linalg.norm(middle - 63.5) < 10.0  # pixels of 128
    turn = exact[:, :2] @ np.linalg.inv(rough[:, :2])
    assert abs(np.arctan2(turn[1, 0], turn[0, 0])) < np.deg2rad(3)


def test_crop_holds_the_landmarks_with_its_margin(landmark_points: np.ndarray) -> None:
    inside = alignment.apply(alignment.crop_matrix(landmark_points[:68], 128), landmark_points[:68])
    low, high = inside.min(axis=0), inside.max(axis=0)
    assert (high - low).max() == pytest.approx(128 / alignment.MARGIN)
    assert (low + high) / 2 == pytest.approx([63.5, 63.5])


def test_coinciding_points_still_give_a_crop() -> None:
    matrix = alignment.crop_matrix(np.full((68, 2), 50.0), 128)
    assert np.isfinite(matrix).all()
    assert alignment.extract(np.zeros((100, 100, 3), np.uint8), matrix, 128).image.shape == (128, 128, 3)


def test_five_points_need_their_box() -> None:
    with pytest.raises(ValueError, match="box"):
        alignment.crop_matrix(np.array([[0, 0], [1, 0], [0.5, 0.5], [0, 1], [1, 1.0]]), 128)


@pytest.mark.parametrize("side", [40.0, 128.0, 400.0, 1100.0])
def test_extract_samples_where_the_matrix_says(side: float) -> None:
    x = np.arange(1600)[None, :] / 1600 * 255
    y = np.arange(1200)[:, None] / 1200 * 255
    photo = np.stack(np.broadcast_arrays(x, y, 0 * x), axis=2).round().astype(np.uint8)
    five = np.array([[700 - side * 0.2, 580], [700 + side * 0.2, 600], [700, 640], [680, 700], [760, 700.0]])
    box = np.array([700 - side / 2, 600 - side / 2, 700 + side / 2, 600 + side / 2])
    matrix = alignment.crop_matrix(five, 128, box)
    crop = alignment.extract(photo, matrix, 128)
    grid = np.stack(np.meshgrid(np.arange(128), np.arange(128)), axis=2).reshape(-1, 2)
    source = alignment.apply(alignment.invert(matrix), grid)
    inside = ((source > 10) & (source < [1590, 1190])).all(axis=1)
    expected = source[inside] / [1600, 1200] * 255
    difference = crop.image.reshape(-1, 3)[inside][:, :2].astype(float) - expected
    assert np.abs(difference.mean(axis=0)).max() < 0.15
    assert np.abs(difference).max() < 1.6


def test_extract_is_black_outside_and_does_not_alias() -> None:
    matrix = np.array([[0.1, 0, 1e4], [0, 0.1, 0]])
    assert alignment.extract(np.full((600, 600, 3), 255, np.uint8), matrix, 128).image.max() == 0
    checks = np.indices((1280, 1280)).sum(axis=0) % 2 * 255
    photo = np.repeat(checks[:, :, None], 3, axis=2).astype(np.uint8)
    crop = alignment.extract(photo, np.array([[0.1, 0, 0], [0, 0.1, 0]]), 128).image[1:-1, 1:-1]
    assert np.abs(crop.astype(int) - 127).max() < 12


def test_layout_covers_the_vector_once() -> None:
    covered = np.zeros(COEFFICIENTS, int)
    for part in LAYOUT.values():
        covered[part] += 1
    assert (covered == 1).all()
    vector = np.arange(COEFFICIENTS, dtype=np.float32)
    assert np.array_equal(FaceParams.from_vector(vector).to_vector(), vector)
    with pytest.raises(ValueError, match="239"):
        FaceParams.from_vector(vector[:-1])


def test_face_model_is_linear_and_consistent(face_model: FaceModel) -> None:
    rng = np.random.default_rng(0)
    identity, expression = rng.normal(size=80).astype(np.float32), rng.uniform(size=64).astype(np.float32)
    shape = face_model.shape(identity, expression)
    parts = face_model.shape(identity) + face_model.shape(np.zeros(80), expression) - face_model.vertices
    assert shape == pytest.approx(parts, abs=1e-6)
    assert face_model.shape(np.zeros(80)) == pytest.approx(face_model.vertices, abs=1e-7)
    albedo = face_model.albedo(5 * rng.normal(size=80).astype(np.float32))
    assert albedo.min() >= 0.0
    assert albedo.max() <= 1.0
    assert len(set(face_model.expression_names)) == 64
    assert face_model.landmark_weights.sum(axis=1) == pytest.approx(np.ones(68), abs=1e-4)
    assert np.array_equal(face_model.mirror[face_model.mirror], np.arange(len(face_model.vertices)))


def test_triangles_follow_faces(face_model: FaceModel) -> None:
    quads = face_model.faces[:, 2] != face_model.faces[:, 3]
    count = len(quads) + int(quads.sum())
    assert len(face_model.triangles) == len(face_model.uv_triangles) == len(face_model.triangle_part) == count
    corners = face_model.triangles
    assert (corners[:, 0] != corners[:, 1]).all()
    assert (corners[:, 1] != corners[:, 2]).all()
    assert np.array_equal(face_model.vertex_part[corners[:, 0]], face_model.triangle_part)


def test_jaw_slides_towards_the_contour(face_model: FaceModel) -> None:
    front = rotation_from_angles(0, 0, 0)
    turned = rotation_from_angles(0, np.deg2rad(40), 0)  # to the subject's left: the left cheek makes the contour
    vertices = face_model.vertices
    frontal = face_model.landmarks(vertices)
    slid = face_model.visible_landmarks(vertices, turned)
    assert np.array_equal(slid[17:], frontal[17:])
    assert np.array_equal(slid[8], frontal[8])  # the chin stays
    right_of_picture = (slid @ turned.T)[9:17, 0] - (frontal @ turned.T)[9:17, 0]
    assert right_of_picture.min() >= -1e-6
    assert right_of_picture.max() > 0.005  # metres
    rolled = rotation_from_angles(0, np.deg2rad(40), 1.0)
    assert np.array_equal(face_model.visible_landmarks(vertices, rolled), slid)  # roll changes nothing
    moved_in_front = np.linalg.norm(face_model.visible_landmarks(vertices, front) - frontal, axis=1).max()
    assert moved_in_front < 0.02


def test_missing_and_damaged_model_file(tmp_path: Path) -> None:
    whole = Settings().face_model_path.read_bytes()
    with pytest.raises(FaceModelError, match="missing"):
        load_face_model(tmp_path / "none.npz")
    for name, content in {
        "empty.npz": b"",
        "text.npz": b"not a model",
        "cut.npz": whole[: len(whole) // 2],
        "bent.npz": whole[:5000] + bytes(2000) + whole[7000:],
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FaceModelError, match=r"damaged.*Reinstall"):
            load_face_model(tmp_path / name)


@pytest.mark.parametrize("change", ["drop", "reshape", "index"])
def test_model_of_another_version(tmp_path: Path, change: str) -> None:
    with np.load(Settings().face_model_path) as data:
        arrays = {key: data[key] for key in data.files}
    if change == "drop":
        del arrays["dense_weights"]
    elif change == "reshape":
        arrays["identity_basis"] = arrays["identity_basis"][:70]
    else:
        arrays["faces"] = arrays["faces"] + len(arrays["vertices"])
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(FaceModelError, match="another version"):
        load_face_model(tmp_path / "other.npz")


def test_boxes_share_what_both_hold() -> None:
    box, inside_out = np.array([0.0, 0, 2, 2]), np.array([4.0, 0, 2, 2])
    assert boxes.overlap(box, box) == pytest.approx(1.0)
    assert boxes.overlap(box, np.array([1.0, 0, 3, 2])) == pytest.approx(1 / 3)
    assert boxes.shared(box, np.array([1.0, 0.5, 3, 2])) == pytest.approx(1.5)
    assert boxes.overlap(box, np.array([5.0, 5, 6, 6])) == 0.0
    assert boxes.area(inside_out) == 0.0
    assert boxes.overlap(inside_out, inside_out) == 0.0
