"""What the tests of the models share."""

import numpy as np
import pytest

from core.geometry.face_model import DEFAULT_PATH, FaceModel, load_face_model
from core.types import LAYOUT


@pytest.fixture(scope="session")
def model() -> FaceModel:
    """The built face model."""
    if not DEFAULT_PATH.exists():
        pytest.skip("face_model.npz is not built here (build.py train face_model)")
    return load_face_model()


@pytest.fixture(scope="session")
def kept(model):
    """The shipped topology, found again from the sources."""
    from models.face_model.sources import DATA

    if not (DATA / "ict_facekit").exists():
        pytest.skip("needs ../shared/data/ict_facekit")
    pytest.importorskip("igl")
    from models.face_model.kept_topology import kept_topology

    return kept_topology()


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


@pytest.fixture(scope="module")
def judge(model):
    """Errors of faces against the truth."""
    from models.evaluation.shape_metrics import FaceJudge

    return FaceJudge(model)


@pytest.fixture(scope="module")
def person() -> np.ndarray:
    """(239,) coefficients of somebody."""
    rng = np.random.default_rng(5)
    out = np.zeros(239, np.float32)
    out[LAYOUT["identity"]], out[LAYOUT["albedo"]] = rng.normal(size=80), rng.normal(size=80)
    out[LAYOUT["expression"]] = 0.3 * rng.random(64)
    out[LAYOUT["light"]] = [0.8, 0.1, 0.2, -0.1, 0, 0, 0, 0, 0]
    return out
