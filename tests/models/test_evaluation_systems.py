"""The side-by-side evaluation: scores on cases whose answer is known, and the processes that give the answers."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.evaluation import data, detection, diagnosis, landmarks, run, sections, systems, tiles, variants
from models.evaluation.data import Photo
from models.evaluation.report import Table

FACE = np.array([20.0, 30.0, 60.0, 80.0])


def grid_points() -> np.ndarray:
    """(68, 2) distinct points with the outer eye corners 50 pixels apart."""
    points = np.random.default_rng(0).uniform(20, 80, (68, 2))
    points[36], points[45] = (25, 40), (75, 40)
    return points


def photo_file(folder: Path, name: str = "a.png", **known) -> Photo:
    pixels = np.random.default_rng(1).integers(0, 255, (100, 120, 3), np.uint8)
    cv2.imwrite(str(folder / name), pixels)
    return Photo(folder / name, **known)


def no_faces(image):
    return []


def test_a_face_is_found_by_overlap_and_other_boxes_are_false_unless_someone_is_there(tmp_path):
    photo = photo_file(tmp_path, box=FACE)
    near, far, bystander = FACE + 4, FACE + [60, 0, 55, 0], np.array([80.0, 30.0, 115.0, 80.0])
    assert detection.score([np.array([near])], [photo], no_faces) == detection.DetectionScore(1, 1, 0)
    assert detection.score([np.array([near, far])], [photo], no_faces) == detection.DetectionScore(1, 1, 1)
    assert detection.score([np.array([near, far])], [photo], lambda image: [bystander]).false_faces == 0
    assert detection.score([np.empty((0, 4))], [photo], no_faces) == detection.DetectionScore(1, 0, 0)
    assert detection.missed([np.array([far])], [photo]) == [0]


def test_boxed_bystanders_replace_the_arbiter_and_crowds_are_not_judged(tmp_path):
    far = np.array([[80.0, 30.0, 115.0, 80.0]])
    alone = photo_file(tmp_path, box=FACE, others=np.empty((0, 4)))
    assert len(detection.false_boxes(far, alone, lambda image: list(far))) == 1
    assert len(detection.false_boxes(far, replace(alone, others=far), no_faces)) == 0
    assert len(detection.false_boxes(far, replace(alone, crowd=True), no_faces)) == 0


def test_detection_scores_add_up_to_shares():
    both = detection.DetectionScore(150, 150, 1) + detection.DetectionScore(50, 46, 0)
    assert both.recall == pytest.approx(98.0)
    assert both.false_per_200 == pytest.approx(1.0)


def test_landmark_scores_leave_missed_faces_out_and_count_them():
    truth = grid_points()
    photos = [Photo(Path("x"), truth)] * 3
    points = np.stack([truth + [3.0, 4.0], truth, np.full((68, 2), np.nan)])
    score = landmarks.score(points, photos)
    assert score.inner.mean == pytest.approx(5.0)  # 5 pixels of 50 on one photo of two
    assert score.missed == 1 and score.failed == 0
    assert landmarks.score(points + 20, photos).failed == 2


def test_labels_counted_from_one_lie_a_pixel_further():
    truth = grid_points()
    score = landmarks.score((truth - 1.0)[None], [Photo(Path("x"), truth)])
    assert score.inner_one_based.mean == pytest.approx(0.0, abs=1e-9)
    assert score.inner.mean == pytest.approx(100 * np.sqrt(2) / 50)


def test_nothing_found_is_a_score_too():
    score = landmarks.score(np.full((2, 68, 2), np.nan), [Photo(Path("x"), grid_points())] * 2)
    assert score.missed == 2 and np.isnan(score.inner.mean)


def test_the_ratio_is_paired_and_skips_faces_that_either_missed():
    below = np.random.default_rng(0).uniform(1, 20, 100)
    above = 1.5 * below
    above[3], below[7] = np.nan, np.nan
    ratio = landmarks.ratio(above, below)
    assert (ratio.mean, ratio.low, ratio.high) == pytest.approx((1.5, 1.5, 1.5))


@pytest.mark.parametrize("degrees", [30, 90])
def test_turned_photos_keep_their_points_on_the_same_pixels(tmp_path, monkeypatch, degrees):
    monkeypatch.setattr(variants, "BUILD", tmp_path)
    truth = grid_points().round()
    photos = [photo_file(tmp_path, f"{i}.png", truth=truth) for i in range(2)]
    spot = tuple(truth[5].astype(int).tolist())
    for photo in photos:
        dark = np.zeros((100, 120, 3), np.uint8)
        cv2.circle(dark, spot, 2, (255, 255, 255), -1)
        cv2.imwrite(str(photo.path), dark)
    made = variants.turned(photos, degrees)
    for photo in made:
        rows, columns = np.nonzero(photo.image()[..., 0] > 127)
        assert np.allclose([columns.mean(), rows.mean()], photo.truth[5], atol=0.3)
    assert not np.allclose(made[0].truth, made[1].truth)  # left and right in turn


def test_cut_photos_lose_the_share_of_the_face_at_every_side(tmp_path, monkeypatch):
    monkeypatch.setattr(variants, "BUILD", tmp_path)
    truth = grid_points()
    made = variants.cut([photo_file(tmp_path, f"{i}.png", truth=truth) for i in range(4)])
    for photo in made:
        height, width = photo.image().shape[:2]
        inside = np.clip(photo.box, 0, [width - 1, height - 1] * 2)
        kept = np.prod(inside[2:] - inside[:2]) / np.prod(photo.box[2:] - photo.box[:2])
        assert kept == pytest.approx(1 - variants.CUT, abs=0.03)


def test_a_made_set_is_read_back_and_made_anew_when_its_sources_change(tmp_path, monkeypatch):
    monkeypatch.setattr(variants, "BUILD", tmp_path)
    photo = photo_file(tmp_path, truth=grid_points())
    first = variants.cut([photo])
    again = variants.cut([photo])
    assert again[0].path == first[0].path and np.array_equal(again[0].truth, first[0].truth)
    cv2.imwrite(str(photo.path), np.zeros((100, 120, 3), np.uint8))
    systems.digest.cache_clear()
    assert variants.cut([photo])[0].path != first[0].path


def test_every_photo_gets_two_kinds_and_no_face_is_hidden_altogether(tmp_path, monkeypatch):
    overlay = pytest.importorskip("models.synthesis.overlay")
    drawn = []

    def paste(image, landmarks, kind, rng):
        drawn.append((kind, rng.random()))
        hides = kind == "mask" and [k for k, _ in drawn].count("mask") % 2  # every first mask hides all
        return image, np.full(image.shape[:2], 255 if hides else 0, np.uint8)

    monkeypatch.setattr(overlay, "paste_occluder", paste)
    monkeypatch.setattr(overlay, "hidden_share", lambda kinds, points: kinds.mean() / 255)
    monkeypatch.setattr(variants, "BUILD", tmp_path)
    made = variants.occluded([photo_file(tmp_path, f"{i}.png", truth=grid_points()) for i in range(5)])
    assert sorted(photo.kind for photo in made) == sorted(variants.KINDS * 2)
    assert len({photo.path for photo in made}) == 10
    assert [kind for kind, _ in drawn].count("mask") == 4  # two, each drawn twice
    assert len({value for _, value in drawn}) == len(drawn)  # no draw repeats another's chance


ECHO = """
import json, sys
import numpy as np
job = json.loads(open(sys.argv[-2]).read())
count = len(job["photos"])
np.savez(
    sys.argv[-1], boxes=np.array(job["truth"]), owner=np.arange(count), points=np.zeros((count, 68, 2)),
    given=np.zeros((count, 68, 2)), detect_ms=np.ones(count), landmark_ms=np.ones(count),
)
open({log!r}, "a").write("x")
"""


def test_a_system_answers_once_per_photos_and_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(systems, "BUILD", tmp_path)
    log, source = tmp_path / "runs", tmp_path / "weights"
    source.write_text("1")
    photos = [photo_file(tmp_path, f"{i}.png", box=FACE + i) for i in range(3)]
    system = systems.System("echo", (sys.executable, "-c", ECHO.format(log=str(log))), (source,))
    assert np.array_equal(system.predict(photos).boxes[2], [FACE + 2])
    system.predict(photos)
    assert log.read_text() == "x"
    source.write_text("2")
    systems.digest.cache_clear()
    system.predict(photos)
    assert log.read_text() == "xx"
    system.time(photos, 1)  # never from an earlier run
    assert log.read_text() == "xxx"


def test_a_system_that_fails_says_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(systems, "BUILD", tmp_path)
    system = systems.System("broken", (sys.executable, "-c", "raise ValueError('no such model')"), ())
    with pytest.raises(systems.SystemFailure, match=r"broken could not be run: .*no such model"):
        system.predict([photo_file(tmp_path, box=FACE)])


def test_an_unknown_revision_is_named():
    with pytest.raises(systems.SystemFailure, match="no-such-revision"):
        systems.previous("no-such-revision")


def test_a_section_that_cannot_be_measured_is_left_and_does_not_stop_the_others(monkeypatch):
    def missing(bench):
        raise systems.SystemFailure(f"{data.ROOT}/models/weights is empty")

    monkeypatch.setitem(run.SECTIONS, "parsing", missing)
    monkeypatch.setitem(run.SECTIONS, "detector", lambda bench: [Table("Found", ("a",), (("1",),))])
    bench = sections.Bench(pipeline=None, systems=(), limit=None, people=0)
    kept = {}
    run.measure(["parsing", "detector"], bench, kept.__setitem__)
    assert list(kept) == ["detector"] and kept["detector"][0].rows == (("1",),)


def test_the_diagnosis_tells_a_shift_from_noise():
    rng = np.random.default_rng(0)
    photos = []
    truth = np.stack([grid_points() + rng.normal(0, 5, (68, 2)) for _ in range(20)])
    for row in truth:
        photos.append(Photo(Path("x"), row, data.box_of(row)))
    monkey = pytest.MonkeyPatch()
    monkey.setattr(Photo, "image", lambda self: np.full((120, 120, 3), 90, np.uint8))
    text = diagnosis.report(truth + rng.normal(0, 2, (20, 1, 2)), photos)
    monkey.undo()
    assert "one shift per photo removed 0.00" in text
    assert "one similarity per photo removed 0.00" in text
    assert "as it is 0.00" not in text


def test_worst_photos_come_first_and_missed_ones_before_them(tmp_path, monkeypatch):
    truth = grid_points()
    photos = [photo_file(tmp_path, f"{i}.png", truth=truth, box=data.box_of(truth)) for i in range(3)]
    order = []
    blank = np.zeros((9, 9, 3), np.uint8)
    monkeypatch.setattr(tiles, "point_tile", lambda photo, points, caption: order.append(caption) or blank)
    points = np.stack([truth + 1, np.full((68, 2), np.nan), truth + 9])
    tiles.write_worst(points, photos, tmp_path / "worst.png")
    assert order[0] == "missed" and float(order[1]) > float(order[2])
    assert (tmp_path / "worst.png").exists()


def test_boxes_placed_by_eye_are_boxes():
    rows = [line.split(",") for line in data.MASKED_FACES.read_text().splitlines()[1:]]
    main = [row[0] for row in rows if row[1] == "main"]
    assert len(main) == len(set(main)) == 107
    corners = np.array([[float(value) for value in row[2:]] for row in rows])
    assert (corners[:, 2:] > corners[:, :2]).all()


def test_our_worker_runs_this_checkout_on_a_photo(tmp_path):
    if not (data.ROOT / "models" / "weights" / "landmarker.onnx").exists():
        pytest.skip("the networks are not in this checkout")
    from skimage.data import astronaut

    path = tmp_path / "astronaut.png"
    cv2.imwrite(str(path), cv2.cvtColor(astronaut(), cv2.COLOR_RGB2BGR))
    face = [175.0, 70.0, 275.0, 185.0]
    job = {
        "photos": [str(path)],
        "truth": [face],
        "landmarks": True,
        "given": True,
        "size": None,
        "cores": 1,
        "threads": 1,
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [*systems.facewright().command, tmp_path / "job.json", tmp_path / "out.npz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = systems.Predictions.read(tmp_path / "out.npz", 1)
    assert len(answer.boxes[0]) >= 1
    assert np.linalg.norm(answer.points[0] - answer.given[0], axis=1).mean() < 5
    assert 190 < answer.points[0, 30, 0] < 260 and 90 < answer.points[0, 30, 1] < 160
    assert answer.detect_ms[0] > 0 and answer.landmark_ms[0] > 0
