"""Several photos of one person make one identity."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from core.geometry.face_model import FaceModel
from core.stages.fit import Fit, Regressed, shared_focals
from core.types import EXPRESSION, FaceParams

from .fit_people import PHOTO, Person, make_person, shape_error


def person_errors(model: FaceModel, people: Sequence[Person]) -> tuple[float, float]:
    """Mean neutral shape error, mm, of photos fitted alone and of the same photos fitted together."""
    fit = Fit(model)
    photos = [Regressed(person.landmarks, person.regressed, person.crop, PHOTO) for person in people]
    truth = model.shape(people[0].identity)
    together = fit.person(photos)
    for params, _ in together[1:]:
        np.testing.assert_array_equal(params.identity, together[0][0].identity)
        np.testing.assert_array_equal(params.albedo, together[0][0].albedo)
    alone = [fit(photo.landmarks, photo.params, photo.crop, PHOTO)[0] for photo in photos]
    found = [[shape_error(model, at_rest(params), truth) for params in group] for group in (alone, [together[0][0]])]
    return float(np.mean(found[0])), float(np.mean(found[1]))


def at_rest(params: FaceParams) -> FaceParams:
    return replace(params, expression=np.zeros(EXPRESSION, np.float32))


def test_several_photos_tell_more_about_one_person(face_model: FaceModel) -> None:
    found = []
    for seed in range(5):
        first = make_person(face_model, seed)
        others = [make_person(face_model, 100 * (seed + 1) + k, identity=first.identity) for k in range(2)]
        found.append(person_errors(face_model, [first, *others]))
    alone, together = np.mean(found, axis=0)
    assert together < 0.92 * alone


def test_one_photo_of_a_person_is_a_photo(face_model: FaceModel) -> None:
    person, fit = make_person(face_model, 3), Fit(face_model)
    alone, camera = fit(person.landmarks, person.regressed, person.crop, PHOTO)
    [(together, other)] = fit.person([Regressed(person.landmarks, person.regressed, person.crop, PHOTO)])
    np.testing.assert_allclose(together.to_vector(), alone.to_vector(), atol=1e-5)
    np.testing.assert_allclose(other.translation, camera.translation, atol=1e-6)


def test_a_covered_photo_counts_less(face_model: FaceModel) -> None:
    clear = make_person(face_model, 3)
    stranger = make_person(face_model, 4)  # somebody else: what is believed of each photo shows
    photos = [Regressed(person.landmarks, person.regressed, person.crop, PHOTO) for person in (clear, stranger)]
    covered = replace(photos[1].landmarks, visibility=np.full_like(photos[1].landmarks.visibility, 0.3))
    fit = Fit(face_model)
    own, _ = fit(clear.landmarks, clear.regressed, clear.crop, PHOTO)
    mixed, _ = fit.person(photos)[0]
    alone, _ = fit.person([photos[0], replace(photos[1], landmarks=covered)])[0]
    distance = [np.linalg.norm(params.identity - own.identity) for params in (mixed, alone)]
    assert distance[1] < 0.5 * distance[0]


@pytest.mark.parametrize(
    ("focals", "shared"),
    [
        ((800.0, 810.0, None), (805.0, 805.0, 805.0)),  # a silent photo of the same size
        ((800.0, 1200.0, None), (800.0, 1200.0, None)),  # zoomed in between
        ((None, None, None), (None, None, None)),
    ],
)
def test_focal_lengths_are_shared_where_they_agree(
    face_model: FaceModel, focals: tuple[float | None, ...], shared: tuple[float | None, ...]
) -> None:
    person = make_person(face_model, 1)
    shapes = (PHOTO, PHOTO[::-1], PHOTO)  # upright and across
    photos = [
        Regressed(person.landmarks, person.regressed, person.crop, shape, focal)
        for shape, focal in zip(shapes, focals, strict=True)
    ]
    assert tuple(shared_focals(photos)) == shared
    other = replace(photos[2], photo_shape=(1000, 1000))
    assert shared_focals([*photos[:2], other])[2] is None
