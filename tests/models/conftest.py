"""What the tests of the models share."""

import pytest

from core.geometry.face_model import DEFAULT_PATH, FaceModel, load_face_model


@pytest.fixture(scope="session")
def model() -> FaceModel:
    """The built face model."""
    if not DEFAULT_PATH.exists():
        pytest.skip("face_model.npz is not built here (build.py train face_model)")
    return load_face_model()


@pytest.fixture(scope="module")
def pictures(model):
    """A tiny set whose pictures are smooth, with bars before some: what is cut out of it can be told by hand."""
    from .people import barred, make_pictures, smooth

    return barred(smooth(make_pictures(model)))


@pytest.fixture(scope="module")
def folder(pictures, tmp_path_factory):
    """The same as shards on disk."""
    from .people import write_all

    return write_all(pictures, tmp_path_factory.mktemp("set"))
