"""Where rims are: the strip of the crop that is looked at, its mirror image, and who asks."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.geometry import alignment
from core.pipeline import Pipeline
from core.runtime.specs import FACE_SIZE, NetworkSpec
from core.settings import Settings
from core.stages.rims import ROWS, FindRims

from .skin import disc, scene
from .test_hole_mask import Spectacles


class Brightness:
    """Answers with the strip's mean channel; in mirror images with `other` times it. Keeps what it was shown."""

    def __init__(self, other: float = 1.0) -> None:
        self.other = other
        self.shown = np.empty(0)

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        self.shown = image
        return {"rims": image.mean(axis=1, keepdims=True) * np.float32([1.0, self.other]).reshape(2, 1, 1, 1)}


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((320.0, 320.0), degrees, 1.0)
    return alignment.apply(matrix, points).astype(np.float32)


@pytest.mark.parametrize("degrees", [0.0, 25.0])
def test_what_is_found_lies_where_the_crop_shows_it(points: np.ndarray, degrees: float) -> None:
    where = turned(points, degrees)
    photo = np.zeros((640, 640, 3), np.uint8)
    photo[disc((640, 640), float(where[36, 0]), float(where[36, 1]), 20) > 0] = 255
    found = FindRims(Brightness())(photo, where)  # pyright: ignore[reportArgumentType]
    assert found.shape == (FACE_SIZE, FACE_SIZE) and found.dtype == np.uint8
    matrix = alignment.crop_matrix(where, FACE_SIZE)
    crop = alignment.extract(photo, matrix, FACE_SIZE).image[..., 0]
    np.testing.assert_allclose(found.astype(int), crop, atol=1)
    assert found[tuple(np.rint(alignment.apply(matrix, where[36:37])[0]).astype(int)[::-1])] == 255


def test_beyond_the_strip_is_nothing(points: np.ndarray) -> None:
    photo = np.full((640, 640, 3), 255, np.uint8)
    found = FindRims(Brightness())(photo, points)  # pyright: ignore[reportArgumentType]
    assert (found[ROWS] == 255).all()
    assert not found[: ROWS.start].any() and not found[ROWS.stop :].any()


def test_the_mirror_image_is_seen_too(points: np.ndarray) -> None:
    network, photo = Brightness(other=0.0), scene()
    found = FindRims(network)(photo, points)  # pyright: ignore[reportArgumentType]
    np.testing.assert_array_equal(network.shown[1], network.shown[0][..., ::-1])
    assert network.shown.shape == (2, 3, ROWS.stop - ROWS.start, FACE_SIZE)
    np.testing.assert_allclose(found[ROWS], 127.5 * network.shown[0].mean(axis=0), atol=0.51)


def test_the_pipeline_asks_for_rims_unless_lenses_shall_go(
    pipeline: Pipeline, points: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    worn = Spectacles(points, np.full((640, 640, 3), 230, np.uint8), 0.0, 6)
    glasses = worn.parsing.occluder > 0
    masks = []
    for keep in (True, False):
        asked = pipeline.with_settings(replace(pipeline.settings, keep_lenses=keep))
        monkeypatch.setitem(asked.__dict__, "_parse", lambda photo, points: worn.parsing)
        masks.append(asked.occluder_mask(worn.photo, points) > 0)
    assert masks[0][worn.rims > 0].all() and masks[1][glasses].all()
    assert not masks[0][worn.eyes[0].astype(int)[1], worn.eyes[0].astype(int)[0]]


def test_a_build_without_the_network_deletes_glasses_whole(
    models_dir: Path, specs: dict[str, NetworkSpec], points: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    worn = Spectacles(points, np.full((640, 640, 3), 230, np.uint8), 0.0, 6)
    pipeline = Pipeline(Settings(models_dir=models_dir), specs | {"rims": replace(specs["rims"], sha256="")})
    monkeypatch.setitem(pipeline.__dict__, "_parse", lambda photo, points: worn.parsing)
    assert pipeline.settings.keep_lenses
    assert (pipeline.occluder_mask(worn.photo, points) > 0)[worn.parsing.occluder > 0].all()
