"""What is measured of regressors: every figure on a case that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from core import regressors
from core.geometry.camera import project, rotation_from_angles
from core.geometry.lighting import LIGHT_FLIP, basis
from core.geometry.mouth import Mouth
from core.settings import Settings
from core.stages.pca_free import PersonalShape
from core.types import LANDMARKS, LAYOUT, Camera, Completion, Crop, FaceBox, FaceParams, Landmarks
from models.evaluation import (
    answers,
    covered_people,
    data,
    photo_cases,
    rebuilding,
    regression_photos,
    regression_synthetic,
    run,
    shape_metrics,
    variants,
)
from models.evaluation.covered_people import KINDS, CoveredPeople
from models.evaluation.data import Photo
from models.evaluation.metrics import bootstrap, vertex_error
from models.evaluation.rebuilding import METHODS, STEPS, Answers, Cases, Look, System
from models.evaluation.regression_synthetic import Measured
from models.evaluation.sections import Bench
from models.evaluation.shape_metrics import ERRORS, SLIDERS, FaceJudge

from .people import make_pictures

STUDENT = System("none", "student", 1)


# Covered people


def face(side: int = 96) -> np.ndarray:
    """(68, 2) landmarks on an ellipse."""
    turns = np.linspace(0, 2 * np.pi, LANDMARKS, endpoint=False)
    return side / 2 + side * np.column_stack([0.3 * np.cos(turns), 0.38 * np.sin(turns)])


@pytest.mark.parametrize("seed", range(6))
def test_exactly_half_of_the_face_is_covered(seed: int) -> None:
    points, rng = face(), np.random.default_rng(seed)
    cover = covered_people.half_cover(points, 96, rng)
    hull = np.zeros((96, 96), np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    assert cover[hull > 0].mean() == pytest.approx(0.5, abs=0.01)
    image = np.random.default_rng(9).integers(0, 256, (96, 96, 3), np.uint8)
    pasted = covered_people.paste(image, cover, rng)
    assert np.array_equal(pasted[~cover], image[~cover])
    changed = (pasted != image).any(axis=2)
    assert changed[cover].mean() > 0.9


@pytest.fixture
def people(model, tmp_path, monkeypatch) -> CoveredPeople:
    """Six made-up people; pictures of all kinds are alike."""
    monkeypatch.setattr(answers, "BUILD", tmp_path)
    pictures = make_pictures(model, count=6)
    return CoveredPeople(dict.fromkeys(KINDS, pictures), np.array([0, 2, 5]), "made up")


def answer_for(people: CoveredPeople, judge: FaceJudge, off: float) -> Answers:
    """What a system answers that knows all but is `off` in one slider when it does not fit."""
    rows = people.rows
    truth = np.array([people.truth(row) for row in rows])
    wrong = truth.copy()
    wrong[:, LAYOUT["expression"]][:, judge.model.expression_names.index("jawOpen")] += off
    points = people.pictures["clean"].points[rows, :LANDMARKS].astype(np.float32)
    scale = np.linalg.norm(points[:, 36] - points[:, 45], axis=1)[:, None, None]
    shifted = points + np.array([1.0, 0.0]) * off * scale
    matrix = np.tile(np.array([[1.0, 0, 16], [0, 1, 16]]), (len(rows), 1, 1))
    nearly = points + np.float32(0.01)
    both = np.stack([wrong, truth], 1), np.stack([shifted, nearly], 1)
    return Answers(matrix, *both, np.zeros((len(rows), 2, 3)), np.zeros((len(rows), 2, 0, 3)))


def test_people_are_measured_by_kind(people, judge, monkeypatch) -> None:
    seen: list[Cases] = []

    def rebuild_all(pipeline, systems, cases):
        seen.append(cases)
        off = 0.2 if cases.name == "people_clean" else 0.4
        return {("none", "student"): answer_for(people, judge, off)}

    monkeypatch.setattr(regression_synthetic, "rebuild_all", rebuild_all)
    alone = replace(STUDENT, step=0)
    pipeline = SimpleNamespace(face_model=judge.model)
    found = regression_synthetic.measure(pipeline, [alone, STUDENT], people)
    assert [cases.name for cases in seen] == [f"people_{kind}" for kind in KINDS]
    assert found.sliders[alone, "clean"][:, 0] == pytest.approx(0.2, abs=1e-6)
    assert found.sliders[alone, "mask"][:, 0] == pytest.approx(0.4, abs=1e-6)
    assert found.points[alone, "clean"] == pytest.approx(20.0, abs=0.01)
    assert (found.points[STUDENT, "mask"] < 0.2).all()
    assert found.errors[STUDENT, "clean"][:, 0] == pytest.approx(0.0, abs=1e-3)
    assert (found.mean[:, 0] > 0.5).all()
    assert ((found.sizeless > 0.0) & (found.sizeless < found.mean[:, 0])).all()
    table = regression_synthetic.ratio_table(found)
    row = next(row for row in table.rows if row[0].startswith("68 points") and row[1] == "student alone")
    assert row[3].startswith("2.00 ") and all(cell.startswith("2.00 ") for cell in row[4:])
    assert {len(row) for row in table.rows} == {len(table.header)}


def test_light_is_judged_in_the_crop_that_was_read(people, judge) -> None:
    """A truth turned into the crop's camera, as a regressor that is right answers, has no error."""
    from core.geometry.camera import pose_from_camera
    from core.runtime.specs import CROP_SIZE

    own = answer_for(people, judge, 0.0)
    own.matrix[:] = np.array([[0.9, 0.4, 20], [-0.4, 0.9, 30]])  # a crop that is rolled
    directions = np.random.default_rng(0).normal(size=(60, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for place, row in enumerate(people.rows):
        camera = people.pictures["clean"].camera(int(row))
        turn = rotation_from_angles(*pose_from_camera(camera, own.matrix[place], CROP_SIZE)[:3]) @ camera.rotation.T
        there, here = (basis(one * LIGHT_FLIP) for one in (directions @ turn.T, directions))
        light = np.linalg.lstsq(there, here @ people.truth(row)[LAYOUT["light"]], rcond=None)[0]
        own.coefficients[place, :, LAYOUT["light"]] = light
    found = regression_synthetic.shape_errors(judge, people, own, 0)
    assert found[:, list(ERRORS).index("light")] == pytest.approx(0.0, abs=0.05)


def test_a_geometry_of_its_own_is_judged_by_itself(people, judge) -> None:
    """The identity is wrong, the geometry beside it is right."""
    made = answer_for(people, judge, 0.0)
    rest = np.array([judge.neutral(people.truth(row)) for row in people.rows], np.float32)
    made.coefficients[:, :, LAYOUT["identity"]] = 1.0
    wrong = regression_synthetic.shape_errors(judge, people, made, 1)
    right = regression_synthetic.shape_errors(judge, people, replace(made, free=np.stack([rest, rest], 1)), 1)
    columns = [list(ERRORS).index(name) for name in ("neutral", "scaled", "posed", "largest")]
    assert (wrong[:, columns] > 0.5).all() and (right[:, columns] < 1e-3).all()
    assert right[:, list(ERRORS).index("albedo")] == pytest.approx(wrong[:, list(ERRORS).index("albedo")])


def test_tables_have_a_row_for_every_system(people, judge) -> None:
    systems = [replace(STUDENT, step=step) for step in range(len(STEPS))]
    values = np.linspace(1.0, 2.0, 3 * len(ERRORS)).reshape(3, len(ERRORS))
    each = {(system, kind): values for system in systems for kind in KINDS}
    sizeless = np.array([0.2, 0.3, 0.4])
    found = Measured(3, each, {key: values[:, : len(SLIDERS)] for key in each}, {}, values + 1.0, sizeless)
    table = regression_synthetic._error_table(found, "neutral")
    titles = ["mean face", shape_metrics.SIZELESS, "student alone", "student + fit"]
    assert [row[0] for row in table.rows] == titles
    assert table.rows[1][2] == bootstrap(sizeless).text() and {len(row) for row in table.rows} == {len(table.header)}
    assert table.rows[2][2] == bootstrap(values[:, 0]).text()
    others = regression_synthetic._error_table(found, "posed").rows
    assert [row[0] for row in others] == [title for title in titles if title != shape_metrics.SIZELESS]
    assert "3 held-out people" in table.note and "not comparable" in table.note
    sliders = regression_synthetic._slider_table(found)
    assert sliders.header[3:] == SLIDERS and sliders.rows[0][3] == bootstrap(values[:, 0]).text(3)


def test_only_what_is_pasted_is_told(people) -> None:
    pictures = people.pictures["half"]
    pictures.shards[0].occluder[0, :10] = 7
    told = regression_synthetic.cases_of(people, "half").mask(0)
    assert told is not None and (told[:10] == 255).all() and not told[10:].any()
    assert regression_synthetic.cases_of(people, "mask").mask(0) is None
    box = regression_synthetic.cases_of(people, "mask").box(None, 1, None)  # pyright: ignore[reportArgumentType]
    points = pictures.points[2, :LANDMARKS]
    assert (box.x0, box.y1) == pytest.approx((points[:, 0].min(), points[:, 1].max()))


# The systems


def test_systems_of_a_build(monkeypatch) -> None:
    monkeypatch.setattr(rebuilding.regressors, "present", lambda: ("student", "e2far"))
    monkeypatch.setattr(rebuilding.completions, "is_there", lambda pipeline, method: method != "autoencoder")
    found = rebuilding.there(None, all_methods=True)  # pyright: ignore[reportArgumentType]
    assert {(system.method, system.regressor) for system in found} == {
        ("none", "student"), ("generator", "student"), ("telea", "student"), ("none", "e2far"),
    }  # fmt: skip
    assert len(found) == 2 * 4
    assert [system.name for system in found[:2]] == ["student alone", "student + fit"]
    assert rebuilding.regressors_behind(found, "none") == ["student", "e2far"]
    assert set(rebuilding.NAMES) == set(regressors.REGRESSORS)
    assert rebuilding.left_out(found).startswith(" Not measured: completing by auto-encoder; ")


@pytest.mark.parametrize(("missing", "best"), [("autoencoder", "generator"), ("generator", "autoencoder")])
def test_the_best_way_of_completing_is_measured_unless_all_are_asked_for(monkeypatch, missing, best) -> None:
    monkeypatch.setattr(rebuilding.regressors, "present", lambda: ("student", "e2far"))
    monkeypatch.setattr(rebuilding.completions, "is_there", lambda pipeline, method: method != missing)
    found = rebuilding.there(None)  # pyright: ignore[reportArgumentType]
    assert {(one.method, one.regressor) for one in found} == {("none", "student"), (best, "student"), ("none", "e2far")}
    assert "Telea" in rebuilding.left_out(found) and METHODS[best] not in rebuilding.left_out(found)
    assert rebuilding.left_out([replace(STUDENT, method=method) for method in METHODS]) == ""


def test_what_colours_a_geometry_is_one_of_its_networks() -> None:
    assert rebuilding.networks_behind("pca_free") == ("pca_free", "regressor")
    assert rebuilding.networks_behind("resnet50") == ("regressor_resnet50",)


class Stage:
    """A pipeline whose face looks straight on; the fit opens the jaw."""

    def __init__(self, model, settings: Settings) -> None:
        self.face_model, self.settings, self.asked = model, settings, []
        self.camera = Camera(300.0, (47.5, 47.5), 96, 96, rotation_from_angles(0.1, 0.2, 0.0), np.array([0, 0, 1.2]))

    def with_settings(self, settings: Settings):
        other = Stage(self.face_model, settings)
        other.asked = self.asked
        return other

    def _own_shape(self, photo, points) -> PersonalShape | None:
        return None

    def _shape(self, own, params, expression):
        return self.face_model.shape(params.identity, expression)

    def _regress(self, photo, points):
        self.asked.append((self.settings.regressor, int(photo[0, 0, 0]), float(points[0, 0])))
        params = FaceParams.from_vector(np.zeros(239, np.float32))
        pose = np.array([0.1, 0.2, 0.0, 4.0, 0.5, 0.5], np.float32)
        return replace(params, pose=pose), Crop(np.array([[1.0, 0, 16], [0, 1, 16]]), 128, np.zeros((128, 128, 3)))

    def _fit(self, landmarks, params, crop, shape, focal, mouth):
        assert shape == (96, 96) and focal is None and mouth == Mouth(0.25)
        return replace(params, expression=np.full(64, 0.5, np.float32)), self.camera


def look(image_level: int = 10, completed_level: int = 20) -> Look:
    photo, done = (np.full((96, 96, 3), level, np.uint8) for level in (image_level, completed_level))
    marks = [Landmarks(np.full((68, 2), x), np.zeros((4, 2)), np.ones(72), np.ones(72)) for x in (1.0, 2.0)]
    return Look(photo, marks[0], Completion(done, np.zeros((96, 96), np.uint8), "telea"), marks[1], Mouth(0.25))


def test_answers_before_and_after_the_fit(model) -> None:
    stage = Stage(model, Settings())
    matrix, coefficients, points, angles, free = rebuilding.rebuilt(stage, look(), shapes=True)
    assert stage.asked == [("student", 20, 2.0)]  # the completed photo, and its landmarks
    assert free.shape == (2, 0, 3)  # the coefficients are the geometry
    assert matrix.shape == (2, 3) and coefficients.shape == (2, 239) and points.shape == (2, 68, 2)
    assert coefficients[:, LAYOUT["expression"]].max(axis=1).tolist() == [0.0, 0.5]
    fitted = model.shape(np.zeros(80), np.full(64, 0.5))
    expected = project(stage.camera, model.visible_landmarks(fitted, stage.camera.rotation))[:, :2]
    assert points[1] == pytest.approx(expected, abs=1e-3)
    assert angles[1] == pytest.approx([0.1, 0.2, 0.0], abs=1e-6)
    whole = Stage(model, Settings(regressor="e2far"))
    rebuilding.rebuilt(whole, look())
    assert whole.asked == [("e2far", 10, 1.0)]  # the photo as photographed


def test_a_missed_face_has_no_answer(model) -> None:
    found, missed = rebuilding.rebuilt(Stage(model, Settings()), look()), rebuilding.rebuilt(None, None)  # pyright: ignore[reportArgumentType]
    assert all(np.isnan(one).all() for one in missed[:-1])
    assert [one.shape for one in missed] == [one.shape for one in found]


class FreeStage(Stage):
    """The same, with a head a tenth broader than the coefficients say, and its own sliders."""

    def _own_shape(self, photo, points) -> PersonalShape:
        assert int(photo[0, 0, 0]) == 20  # the completed photo
        neutral = self.face_model.vertices * np.array([1.1, 1.0, 1.0], np.float32)
        return PersonalShape(
            model=replace(self.face_model, vertices=neutral + np.array([0.0, 0.0, 0.003], np.float32)),
            neutral=neutral,
            identity=np.full(80, 0.25, np.float32),
            expression=np.full(64, 0.125, np.float32),
            pose=np.array([0.1, 0.2, 0.0, 4.0, 0.5, 0.5], np.float32),
        )

    def _shape(self, own, params, expression):
        return own.shape(expression)


def shown(stage: FreeStage) -> Look:
    """The stage's own head with its jaw dropped, as marked in the completed photo."""
    model, before = stage.face_model, look()
    sliders = np.full(64, 0.125)
    sliders[model.expression_names.index("jawOpen")] = 0.4
    vertices = stage._own_shape(before.completion.photo, None).shape(sliders)
    points, dense = (
        project(stage.camera, one)[:, :2]
        for one in (model.visible_landmarks(vertices, stage.camera.rotation), model.dense_landmarks(vertices))
    )
    count = len(points) + len(dense)
    return replace(before, seen=Landmarks(points, dense, np.ones(count), np.full(count, 0.2)), mouth=None)


def test_geometry_free_of_the_basis_is_measured_itself(model, judge, person) -> None:
    stage = FreeStage(model, Settings(regressor="pca_free"))
    own = stage._own_shape(np.full((1, 1, 3), 20), None)
    _, coefficients, points, _, free = rebuilding.rebuilt(stage, shown(stage), shapes=True)
    assert coefficients[:, LAYOUT["identity"]] == pytest.approx(0.25)  # where the identity sliders start
    assert coefficients[0, LAYOUT["expression"]] == pytest.approx(0.125)
    jaw = coefficients[:, LAYOUT["expression"]][:, model.expression_names.index("jawOpen")]
    assert jaw[1] > jaw[0] + 0.1  # fitted, the geometry held
    assert np.array_equal(free, np.stack([own.neutral[judge.face], own.model.vertices[judge.face]]))
    seen = shown(stage).seen.points
    wrong = [np.linalg.norm(one[17:] - seen[17:], axis=1).mean() for one in points]
    assert wrong[1] < 0.5 and wrong[1] < 0.5 * wrong[0]  # pixels
    assert rebuilding.rebuilt(stage, shown(stage))[-1].shape == (2, 0, 3)  # nobody asks for shapes
    assert rebuilding.rebuilt(stage, None, shapes=True)[-1].shape == free.shape

    rest = judge.neutral(person, free)
    assert rest == pytest.approx(own.neutral[judge.face])
    posed = own.shape(coefficients[1, LAYOUT["expression"]])[judge.face]
    assert judge.posed(coefficients[1], free) == pytest.approx(posed, abs=1e-6)
    upright = rotation_from_angles(0.0, 0.0, 0.0)
    found = dict(zip(ERRORS, judge.errors(coefficients[1], person, np.eye(3), upright, free), strict=True))
    assert found["neutral"] == pytest.approx(vertex_error(rest, judge.neutral(person)), rel=1e-6)
    assert found["posed"] == pytest.approx(vertex_error(posed, judge.posed(person)), rel=1e-3)


def test_pictures_are_completed_once_for_all_regressors_and_answers_kept(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(answers, "BUILD", tmp_path)
    looks: list[int] = []

    def look_at(pipeline, cases, index):
        looks.append(index)
        return look() if index else None

    monkeypatch.setattr(rebuilding, "look_at", look_at)
    monkeypatch.setattr(rebuilding, "PART", 2)
    cases = Cases("made_up", "abc", 3, lambda index: None, lambda pipeline, index, image: None)
    stage = Stage(model, Settings())
    found = rebuilding.rebuild(stage, "none", ["student", "resnet50"], cases)
    assert sorted(looks) == [0, 1, 2]
    assert {name for name, *_ in stage.asked} == {"student", "resnet50"}
    assert np.isnan(found["student"].coefficients[0]).all() and np.isfinite(found["resnet50"].coefficients[1:]).all()
    rebuilding.rebuild(stage, "none", ["student"], cases)
    assert len(looks) == 3
    rebuilding.rebuild(stage, "none", ["student"], replace(cases, digest="other"))
    assert len(looks) == 6


def test_the_labelled_face_is_taken(tmp_path) -> None:
    boxes = [FaceBox(0, 0, 90, 90, 0.9, np.zeros((5, 2))), FaceBox(100, 100, 140, 140, 0.9, np.zeros((5, 2)))]
    pipeline = SimpleNamespace(detect=lambda image: boxes)
    photo = Photo(Path("a.png"), box=np.array([102.0, 100, 140, 140]))
    assert photo_cases.best_box(pipeline, photo, None) is boxes[1]  # pyright: ignore[reportArgumentType]
    assert photo_cases.best_box(pipeline, replace(photo, box=np.array([300.0, 300, 340, 340])), None) is None  # pyright: ignore[reportArgumentType]
    assert photo_cases.best_box(pipeline, replace(photo, box=None), None) is boxes[0]  # pyright: ignore[reportArgumentType]


def test_landmarks_of_covered_photos_are_paired_with_the_bare_ones(monkeypatch) -> None:
    points = np.random.default_rng(0).uniform(20, 80, (68, 2))
    points[36], points[45] = (25, 40), (75, 40)
    bare = [Photo(Path(f"{k}.png"), points, data.box_of(points)) for k in range(5)]
    kinds = [variants.KINDS[(i + turn * 2) % 5] for i in range(5) for turn in range(2)]
    worn = [Photo(Path(f"{k}.png"), points, data.box_of(points), kind=kind) for k, kind in enumerate(kinds)]
    monkeypatch.setattr(data, "landmarks68", lambda: bare)
    monkeypatch.setattr(variants, "occluded", lambda photos: worn)
    monkeypatch.setattr(regression_photos, "there", lambda pipeline, all_methods: [STUDENT])
    monkeypatch.setattr(regression_photos, "cases_of_photos", lambda name, photos: (name, len(photos)))

    def rebuild_all(pipeline, systems, cases):
        name, count = cases
        shift = 3.0 if "occluded" in name else 2.0
        found = np.tile(points + [shift, 0.0], (count, 2, 1, 1))
        found[0] = np.nan
        return {("none", "student"): Answers(np.zeros(0), np.zeros(0), found, np.zeros(0), np.zeros(0))}

    monkeypatch.setattr(regression_photos, "rebuild_all", rebuild_all)
    (table,) = regression_photos.landmark_tables(Bench(None, (), None, 0))  # pyright: ignore[reportArgumentType]
    (row,) = table.rows
    assert row[2].startswith("4.00 ") and row[4].startswith("6.00 ") and row[6].startswith("1.50 ")
    assert row[7:12] == ("1.50",) * 5 and row[12] == "1 + 1"


# The command


def test_the_group_holds_every_section() -> None:
    names = ("synthetic", "robustness", "resistance", "landmarks", "identity", "videos", "costs")
    assert run.sections_of("regression") == [f"regression-{name}" for name in names]


@pytest.mark.parametrize(("options", "every"), [([], False), (["--all-methods"], True)])
def test_every_way_of_completing_is_asked_for(monkeypatch, options: list[str], every: bool) -> None:
    seen: list[Bench] = []
    monkeypatch.setattr(run, "measure", lambda names, bench, keep: seen.append(bench))
    monkeypatch.setattr(run, "compared", lambda revision, python: ())
    monkeypatch.setattr("sys.argv", ["run", "--only", "regression-synthetic", "--draft", *options])
    run.main()
    assert [bench.all_methods for bench in seen] == [every]
