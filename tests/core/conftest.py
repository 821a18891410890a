"""What the tests of core share: a camera before a face, the small networks, a made-up head, photos."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import cli
from core.files import write_file
from core.geometry import alignment
from core.geometry.camera import pose_from_camera, project, rotation_from_angles
from core.geometry.face_model import FaceModel, load_face_model
from core.geometry.uv_sampling import Atlas, build_atlas
from core.image_io import png_bytes
from core.pipeline import Pipeline
from core.runtime import sessions
from core.runtime.specs import CROP_SIZE, NetworkSpec
from core.settings import Settings
from core.stages.texture import Texture
from core.types import ALBEDO, EXPRESSION, IDENTITY, LANDMARKS, Camera, FaceTexture

from .networks import (
    PAINT,
    coarse_network,
    detector_network,
    landmarker_network,
    painting_network,
    parser_network,
    regressor_network,
    rims_network,
    specify,
)
from .texture_scene import SIZE, Scene, make_scene


@pytest.fixture(scope="session")
def face_model() -> FaceModel:
    return load_face_model()


@pytest.fixture(scope="session")
def portrait_camera() -> Camera:
    """A camera 0.9 m in front of a face that looks a little aside."""
    rotation = rotation_from_angles(0.05, 0.12, -0.04)
    return Camera(1000.0, (319.5, 319.5), 640, 640, rotation, np.array([0.01, 0.02, 0.9]))


@pytest.fixture(scope="session")
def landmark_points(face_model: FaceModel, portrait_camera: Camera) -> np.ndarray:
    """(68 + D, 2) pixels of the mean face, its lids a little lowered, under `portrait_camera`."""
    lids = [face_model.expression_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]
    vertices = face_model.vertices + 0.15 * face_model.expression_basis[lids].sum(axis=0)  # as people hold them
    visible = face_model.visible_landmarks(vertices, portrait_camera.rotation)
    points = np.concatenate([visible, face_model.dense_landmarks(vertices)])
    return project(portrait_camera, points)[:, :2]


@pytest.fixture
def points(landmark_points: np.ndarray) -> np.ndarray:
    """(68, 2) of a face of about 250 pixels in a photo of 640 x 640."""
    return landmark_points[:LANDMARKS]


@pytest.fixture(scope="session")
def mean_pose(landmark_points: np.ndarray, portrait_camera: Camera) -> np.ndarray:
    """(6,) pose of that face in its crop."""
    return pose_from_camera(portrait_camera, alignment.crop_matrix(landmark_points[:68], CROP_SIZE), CROP_SIZE)


@pytest.fixture(scope="session")
def networks(landmark_points: np.ndarray, mean_pose: np.ndarray) -> dict[str, bytes]:
    """The networks as ONNX files."""
    matrix = alignment.crop_matrix(landmark_points[:68], CROP_SIZE)
    fractions = (alignment.apply(matrix, landmark_points) + 0.5) / CROP_SIZE
    light = np.array([0.8, 0.1, 0.2, 0, 0, 0, 0, 0, 0])
    rest = np.zeros(IDENTITY + EXPRESSION + ALBEDO)
    return {
        "autoencoder": painting_network("autoencoder", (0.2, 0.5, 0.4)),
        "completer": painting_network("completer", PAINT),
        "completer_coarse": coarse_network(),
        "detector": detector_network(),
        "landmarker": landmarker_network(fractions),
        "parser": parser_network(),
        "regressor": regressor_network(np.concatenate([rest, light, mean_pose])),
        "rims": rims_network(),
    }


@pytest.fixture(scope="session")
def models_dir(networks: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with these networks and the real face model."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "weights").mkdir()
    (folder / "face_model").mkdir()
    for name, content in networks.items():
        (folder / "weights" / f"{name}.onnx").write_bytes(content)
    shutil.copy(Settings().face_model_path, folder / "face_model")
    return folder


@pytest.fixture(scope="session")
def specs(networks: dict[str, bytes]) -> dict[str, NetworkSpec]:
    return {name: specify(name, content) for name, content in networks.items()}


@pytest.fixture
def pipeline(models_dir: Path, specs: dict[str, NetworkSpec]) -> Pipeline:
    return Pipeline(Settings(models_dir=models_dir), specs)


# A made-up head for the texture, and the stage at the size of its layout.


@pytest.fixture(scope="module")
def atlas(face_model: FaceModel) -> Atlas:
    return build_atlas(face_model, SIZE)


@pytest.fixture(scope="module")
def stage(face_model: FaceModel) -> Texture:
    return Texture(face_model, SIZE)


@pytest.fixture(scope="module")
def scene(face_model: FaceModel, atlas: Atlas) -> Scene:
    return make_scene(face_model, atlas)


@pytest.fixture(scope="session")
def grey_texture() -> Callable[..., FaceTexture]:
    """Stands in for the texture stage where it is not what is tested."""
    grey, seen = np.full((1024, 1024, 3), 128, np.uint8), np.full((1024, 1024), 1, np.uint8)
    brown = np.array([0.3, 0.2, 0.1], np.float32)
    light = np.eye(9, dtype=np.float32)[0]
    one = FaceTexture(grey, seen, brown, brown, brown, light)
    return lambda photo, params, camera, landmarks, completed, vertices, parts: one


@pytest.fixture(autouse=True)
def fresh_networks():
    """Nothing opened, and no provider given up, by another test."""
    sessions.close_networks()
    yield
    sessions.close_networks()


@pytest.fixture(scope="session")
def photo_with_faces() -> Callable[..., np.ndarray]:
    """Makes a photo in which the detector sees faces of the given centres and sizes (pixels)."""

    def make(*faces: tuple[float, float, float], width: int = 640, height: int = 480) -> np.ndarray:
        photo = np.full((height, width, 3), 90, np.uint8)
        for x, y, size in faces:
            column, row = int(x // 32) * 32, int(y // 32) * 32
            photo[row : row + 32, column : column + 32] = (255, 0, min(round(size), 255))
        return photo

    return make


@pytest.fixture
def small_networks(
    monkeypatch: pytest.MonkeyPatch, models_dir: Path, specs: dict, grey_texture: Callable[..., FaceTexture]
) -> None:
    """The command line opens the small networks and makes plain textures."""

    def make(settings: Settings) -> Pipeline:
        pipeline = Pipeline(replace(settings, models_dir=models_dir), specs)
        pipeline.__dict__["_texture"] = grey_texture
        return pipeline

    monkeypatch.setattr(cli, "Pipeline", make)


@pytest.fixture
def photos(tmp_path: Path, photo_with_faces: Callable[..., np.ndarray]) -> Path:
    """A folder: one.png (one face), two.png (two), none.png (no face), torn.jpg (not a picture)."""
    folder = tmp_path / "photos"
    write_file(folder / "one.png", png_bytes(photo_with_faces((300, 200, 150))))
    write_file(folder / "two.png", png_bytes(photo_with_faces((120, 300, 100), (450, 200, 160))))
    write_file(folder / "none.png", png_bytes(photo_with_faces()))
    (folder / "torn.jpg").write_bytes(b"text")
    return folder
