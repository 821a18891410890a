"""The whole way on a real photo: the public-domain NASA portrait, with the shipped networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

WEIGHTS = Path(__file__).resolve().parents[2] / "models" / "weights"
pytestmark = pytest.mark.skipif(
    not all((WEIGHTS / f"{name}.onnx").exists() for name in ("detector", "landmarker", "regressor")),
    reason="the networks are not trained yet",
)


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portrait as a file."""
    import cv2
    from skimage.data import astronaut

    path = tmp_path_factory.mktemp("portrait") / "astronaut.png"
    cv2.imwrite(str(path), astronaut()[..., ::-1])
    return path


def test_portrait_becomes_a_head_that_covers_the_face(bpy, addon, portrait: Path) -> None:
    from bpy_extras.object_utils import world_to_camera_view

    assert bpy.ops.facewright.reconstruct(filepath=str(portrait)) == {"FINISHED"}
    head, scene = bpy.context.active_object, bpy.context.scene
    bpy.context.view_layer.update()
    mesh = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    model = addon("core.geometry.face_model").load_face_model()
    seen = {}
    for name, index in (("right eye", 36), ("left eye", 45), ("nose", 30), ("mouth", 66)):
        corners = [mesh.vertices[int(i)].co for i in model.landmark_triangles[index]]
        point = sum((c * float(w) for c, w in zip(corners, model.landmark_weights[index], strict=True)), corners[0] * 0)
        view = world_to_camera_view(scene, scene.camera, head.matrix_world @ point)
        seen[name] = np.array([view.x * 512, (1 - view.y) * 512])
    # marked by hand in the 512 px portrait
    wanted = {"right eye": (193, 102), "left eye": (259, 104), "nose": (223, 126), "mouth": (223, 149)}
    eye_distance = 66
    for name, place in wanted.items():
        assert np.linalg.norm(seen[name] - place) < 0.2 * eye_distance, (name, seen[name])
    smile = head.data.shape_keys.key_blocks
    assert smile["mouthSmileLeft"].value + smile["mouthSmileRight"].value > 0.3  # she smiles


def test_faces_are_found_in_the_panel(bpy, portrait: Path) -> None:
    chosen = bpy.context.scene.facewright
    chosen.filepath = str(portrait)
    bpy.ops.facewright.find_faces()
    assert len(chosen.faces) == 1


def test_two_people_give_two_faces_to_pick_from(bpy, addon, portrait: Path, tmp_path: Path) -> None:
    import cv2

    one = cv2.imread(str(portrait))[0:260, 90:350]
    both = cv2.copyMakeBorder(one, 0, 0, 0, 260, cv2.BORDER_CONSTANT)
    small = cv2.resize(one, (180, 180))
    both[20:200, 300:480] = small
    path = tmp_path / "two.png"
    cv2.imwrite(str(path), both)
    chosen = bpy.context.scene.facewright
    chosen.filepath = str(path)
    bpy.ops.facewright.find_faces()
    assert len(chosen.faces) == 2
    chosen.face_index = 1
    bpy.ops.facewright.reconstruct()
    picked = addon("blender_addon.properties").picked_face(chosen)
    assert picked.x0 > 260  # the smaller one stands on the right
    assert "faces were found" not in " ".join(bpy.context.active_object["facewright_warnings"])
