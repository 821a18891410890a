"""What the tests of the models share."""

import pytest

from core.geometry.face_model import DEFAULT_PATH, FaceModel, load_face_model


@pytest.fixture(scope="session")
def model() -> FaceModel:
    """The built face model."""
    if not DEFAULT_PATH.exists():
        pytest.skip("face_model.npz is not built here (build.py train face_model)")
    return load_face_model()
