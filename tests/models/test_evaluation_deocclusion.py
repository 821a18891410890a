"""What is measured of de-occlusion, on pictures and completions whose figures are known."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from core.settings import Settings
from core.types import OCCLUDERS, Completion, FaceBox, Landmarks, Parsing
from models.evaluation import (
    answers,
    completions,
    data,
    deocclusion,
    deocclusion_sheet,
    glasses_people,
    held_out,
    identity,
    metrics,
    parsing,
    real_completions,
    run,
)
from models.evaluation import pairs as held_pairs
from models.evaluation.completions import Filled, Looks
from models.evaluation.data import Photo
from models.evaluation.pairs import Pair, Pairs
from models.synthesis.labels import Occluder

SIDE = 96  # pixels


def face() -> np.ndarray:
    """(68, 2) landmarks of a face of 48 pixels in the middle of the picture."""
    across, down = np.meshgrid(np.linspace(24, 72, 8), np.linspace(24, 72, 9))
    points = np.stack([across.ravel(), down.ravel()], axis=1)[:68]
    points[36:42], points[42:48], points[48], points[54], points[30] = (36, 38), (60, 38), (40, 62), (56, 62), (48, 50)
    points[36], points[45] = (30, 38), (66, 38)
    return points.astype(np.float32)


def pair_with(codes: dict[tuple[int, int, int, int], Occluder]) -> Pair:
    """A pair whose rectangles (top, bottom, left, right) are covered, black in the picture."""
    clean = np.random.default_rng(0).integers(60, 220, (SIDE, SIDE, 3), np.uint8)
    image, kinds = clean.copy(), np.zeros((SIDE, SIDE), np.uint8)
    for (top, bottom, left, right), code in codes.items():
        kinds[top:bottom, left:right] = code
        if code > Occluder.TOUCHED:
            image[top:bottom, left:right] = 0
    return Pair(image, clean, kinds, face())


MASK = (50, 72, 26, 70)


@dataclass
class Shelf:
    """Pictures as `Pairs` reads them, all with one pair's pixels."""

    pair: Pair
    yaws: list[float]
    truth: SimpleNamespace = field(init=False)

    def __post_init__(self) -> None:
        coefficients = np.zeros((len(self.yaws), 239), np.float32)
        coefficients[:, 234] = self.yaws
        self.truth = SimpleNamespace(coefficients=coefficients, clean_row=np.zeros(len(self.yaws), int))
        self.points = np.repeat(self.pair.points[None], len(self.yaws), axis=0)

    def image(self, row):
        return self.pair.image

    def clean(self, row):
        return self.pair.clean

    def maps(self, row):
        return np.zeros_like(self.pair.codes), self.pair.codes


def shelved(pair: Pair, yaws: list[float], kind: str = "mask") -> Pairs:
    shelf = Shelf(pair, yaws)
    return Pairs(shelf, np.arange(len(yaws)), np.array([kind] * len(yaws)), "set")  # pyright: ignore[reportArgumentType]


@dataclass
class Known:
    """A pipeline that finds the landmarks `off` pixels wrong on black holes and completes with `filling`."""

    filling: np.ndarray
    off: float = 2.0
    settings: Settings = field(default_factory=Settings)
    spill: bool = False  # whether it changes a pixel outside the mask

    def with_settings(self, settings):
        return self

    def detect(self, image):
        return [FaceBox(24, 24, 72, 72, 0.9, np.zeros((5, 2), np.float32))]

    def landmarks(self, image, box):
        wrong = self.off if (image == 0).all(axis=2).any() else 1.0
        points = face() + np.array([wrong, 0], np.float32)
        return Landmarks(points, points[:0], np.ones(68, np.float32), np.ones(68, np.float32))

    def occluder_mask(self, image, points):
        return np.where((image == 0).all(axis=2), 255, 0).astype(np.uint8)

    def complete(self, image, points, mask=None):
        mask = self.occluder_mask(image, points) if mask is None else mask
        out = np.where(mask[..., None] > 0, self.filling, image).astype(np.uint8)
        if self.spill:
            out[0, 0] ^= 1
        return Completion(out, mask, self.settings.deocclusion)

    def parse(self, image, points):
        seen = (image == 0).all(axis=2)
        kinds = np.where(seen, OCCLUDERS.index("mask"), 0).astype(np.uint8)
        return Parsing(np.ones_like(kinds), kinds, kinds * 20)


class Colours:
    """Knows a person by the mean colours of a few rows."""

    def __call__(self, photo, points):
        rows = photo.reshape(-1, SIDE // 8, SIDE, 3).mean(axis=(1, 2)).ravel()
        return rows / np.linalg.norm(rows)


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    for module in (completions, glasses_people):
        monkeypatch.setattr(module, "Identity", Colours)
    monkeypatch.setattr(answers, "BUILD", tmp_path / "build")
    monkeypatch.setattr(data, "OUT", tmp_path / "out")
    monkeypatch.setattr(completions, "PART", 4)  # so that there are two parts
    for module in (completions, real_completions, glasses_people):
        monkeypatch.setattr(module, "code_digest", lambda *names, also=(): "code")


def test_hole_scores_are_those_of_the_whole_picture_inside_the_hole():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 255, (60, 80, 3), np.uint8)
    found = np.clip(truth + rng.normal(0, 12, truth.shape), 0, 255).astype(np.uint8)
    hole = np.zeros((60, 80), bool)
    hole[20:31, 40:52] = hole[0:4, 60:80] = True
    psnr, ssim = metrics.hole_scores(found, truth, hole)
    error = (found[hole].astype(float) - truth[hole]) ** 2
    assert psnr == pytest.approx(10 * np.log10(255**2 / error.mean()))
    every = structural_similarity(found, truth, channel_axis=2, full=True)[1]
    assert ssim == pytest.approx(np.asarray(every)[hole].mean(), abs=1e-6)
    assert np.isnan(metrics.hole_scores(found, truth, hole & False)).all()


def test_a_similarity_is_recovered():
    points = np.random.default_rng(1).normal(0, 5, (5, 2))
    angle, scale = 0.4, 2.5
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wanted = np.column_stack([turn, [7.0, -3.0]])
    assert np.allclose(metrics.similarity(points, points @ turn.T + [7.0, -3.0]), wanted)


def test_answers_are_made_once_for_what_they_depend_on():
    made = []

    def make():
        made.append(1)
        return {"a": np.arange(3)}

    for depends in ("x", "x", "y"):
        assert np.array_equal(answers.kept_answers("some", depends, make)["a"], [0, 1, 2])
    assert len(made) == 2


def test_the_code_digest_follows_networks_and_further_files(tmp_path):
    extra = tmp_path / "extra.py"
    extra.write_text("1")
    first = answers.code_digest("parser", also=(extra,))
    assert first != answers.code_digest("landmarker", also=(extra,))
    answers.digest.cache_clear()
    extra.write_text("2")
    assert first != answers.code_digest("parser", also=(extra,))


def test_a_pair_is_named_after_what_covers_most_of_the_face():
    worn = {MASK: Occluder.MASK, (34, 42, 28, 68): Occluder.CLEAR_LENS}
    assert held_pairs.kind_of(pair_with(worn)) == "mask"
    assert held_pairs.kind_of(pair_with({(34, 42, 28, 68): Occluder.DARK_LENS})) == "sunglasses"
    assert held_pairs.kind_of(pair_with({(34, 35, 28, 30): Occluder.HAND})) is None  # next to nothing
    assert held_pairs.kind_of(pair_with({(0, SIDE, 0, SIDE): Occluder.HAND})) is None  # nobody could place it
    assert held_pairs.kind_of(pair_with({MASK: Occluder.TOUCHED})) is None  # a shadow alone


def test_the_true_hole_has_the_cover_and_its_shadow_within_the_face_crop():
    pair = pair_with({MASK: Occluder.MASK, (48, 50, 30, 60): Occluder.TOUCHED, (2, 6, 2, 94): Occluder.TOUCHED})
    side = 1.0 / held_pairs.crop_scale(pair.points)
    hole = held_pairs.true_hole(pair, pair.points, 2.0 / side)
    assert hole[MASK[0] : MASK[1], MASK[2] : MASK[3]].all()
    assert hole[48, 30:60].all() and hole[46, 45] and not hole[43, 45]  # the shadow, grown by two pixels
    assert not hole[:8].any()  # a far shadow stays
    shifted = pair.points - np.array([40, 0], np.float32)
    assert not held_pairs.true_hole(pair, shifted, 0.0)[:, 69].any()  # beyond the crop of these landmarks


def test_pairs_are_the_first_pictures_that_fit(monkeypatch):
    shelf = Shelf(pair_with({MASK: Occluder.MASK}), [0.0] * 6)
    shelf.truth.clean_row[1] = -1  # has no occluder
    monkeypatch.setattr(held_pairs, "lit", lambda pictures: np.array([True, True, False, True, True, True]))
    monkeypatch.setattr(held_pairs, "COUNT", 3)
    chosen = held_pairs.chosen_pairs(shelf, "set")  # pyright: ignore[reportArgumentType]
    assert chosen.rows.tolist() == [0, 3, 4] and set(chosen.kinds) == {"mask"}
    assert held_pairs.chosen_pairs(shelf, "set", 2).rows.tolist() == [0, 4]  # pyright: ignore[reportArgumentType]


def measured(filling, off=2.0):
    """Looks and fillings of six pairs, one of them in profile."""
    chosen = shelved(pair_with({MASK: Occluder.MASK}), [0.0] * 5 + [1.5])
    pipeline = Known(chosen[0].clean if filling is None else filling, off)
    looks = completions.look_at(pipeline, chosen)  # pyright: ignore[reportArgumentType]
    return chosen, looks, completions.fill(pipeline, "telea", chosen, looks)  # pyright: ignore[reportArgumentType]


def test_a_perfect_completion_closes_the_gap_and_finds_what_the_clean_face_shows():
    chosen, looks, filled = measured(None)
    assert looks.found.any() and looks.true.sum() > looks.found.sum()  # the true hole has a margin
    assert filled is not None and filled.psnr[0, 0] > 60 and filled.ssim[0, 0] > 0.999
    assert np.isnan(filled.psnr[1, 1]) and np.isfinite(filled.psnr[2, 1])  # found holes on every second pair
    assert deocclusion.gap_closed(filled.cosine[:, 0], looks.cosine).mean == pytest.approx(1.0)
    tables = deocclusion.tables_of(chosen, looks, {"generator": None, "telea": filled})
    marks = next(table for table in tables if "landmarks" in table.title)
    rows = {row[:2]: row for row in marks.rows}
    assert rows["", "covered"][3].startswith("2.00 ") and rows["true", "Telea"][3].startswith("1.00 ")
    assert "in the 5 pairs" in marks.note
    assert all(deocclusion.NOT_HERE in table.rows[-1] for table in tables)
    assert {len(row) for table in tables for row in (table.header, *table.rows) if table is marks} == {
        len(marks.header)
    }


def test_a_completion_that_changes_nothing_closes_nothing():
    _, looks, filled = measured(np.zeros((SIDE, SIDE, 3), np.uint8))
    assert filled is not None and filled.psnr[0, 0] < 12
    assert deocclusion.gap_closed(filled.cosine[:, 1], looks.cosine).mean == pytest.approx(0.0, abs=1e-9)


def test_the_pixel_table_sets_the_generator_against_the_others():
    count = 4
    psnr = {"generator": np.full((count, 2), 25.0), "telea": np.full((count, 2), 20.5)}
    table = deocclusion._pixel_table("PSNR", psnr, np.array(["mask"] * count), 2, "")
    assert table.rows[1][-1].startswith("4.50 ") and table.rows[0][-1] == ""
    assert table.header[3:9] == tuple(held_pairs.KINDS) and table.rows[0][5] == "25.00" and table.rows[0][3] == ""


def test_the_pairs_are_no_set_of_the_landmark_table(tmp_path, monkeypatch):
    monkeypatch.setattr(held_out, "FOLDER", tmp_path)
    monkeypatch.setattr(held_out, "PAIRS", tmp_path / "pairs")
    monkeypatch.setattr(held_out, "kept", lambda name, depends, make: [])
    for name in ("pairs", "cycles"):
        (tmp_path / name / "shard_00000").mkdir(parents=True)
        (tmp_path / name / "shard_00000" / "truth.npz").touch()
    monkeypatch.setattr(held_out, "factory_digest", lambda: "")
    monkeypatch.setattr(held_out, "_shards", lambda truths: list)
    assert set(held_out.held_out_sets(None, 1)) == {held_out.DRAWN, "cycles"}  # pyright: ignore[reportArgumentType]


def written(folder, pair: Pair, count: int = 3) -> list[Photo]:
    photos = [Photo(folder / f"{k}.png") for k in range(count)]
    for photo in photos:
        cv2.imwrite(str(photo.path), cv2.cvtColor(pair.image, cv2.COLOR_RGB2BGR))
    return photos


def test_what_is_left_of_an_occluder_is_measured_where_it_was(tmp_path):
    pair = pair_with({MASK: Occluder.MASK})
    photos, kinds = written(tmp_path, pair), real_completions.MASKS
    half = pair.clean.copy()
    half[50:61, 26:70] = 0  # the upper half of the mask stays
    for filling, left in ((pair.clean, 0.0), (half, 0.5)):
        pipeline = Known(filling)
        one = real_completions.removal(pipeline, f"m{left}", photos, kinds)  # pyright: ignore[reportArgumentType]
        assert one.found.all() and np.allclose(one.left, left) and (one.touched == 0).all()
        assert np.allclose(one.masked, 22 * 44 / SIDE**2)


def test_a_pixel_outside_the_mask_is_noticed_and_bare_faces_are_counted(tmp_path):
    bare = pair_with({})
    photos = written(tmp_path, bare)
    spilling = Known(bare.clean, spill=True)
    one = real_completions.removal(spilling, "telea", photos, OCCLUDERS[1:])  # pyright: ignore[reportArgumentType]
    assert (one.touched == 1).all() and (one.masked == 0).all() and not one.found.any() and np.isnan(one.left).all()
    clear = np.array([True, False, True])
    table = real_completions._bare_table(one, clear, "telea", {})
    assert table.rows[0][2:] == ("3", "100.0 (100.0 - 100.0)", "0", "3")
    assert table.rows[1][2:] == ("2", "100.0 (100.0 - 100.0)", "0", "2")


def test_the_removal_table_counts_what_was_not_found_as_not_removed():
    left = np.array([0.0, 0.05, 0.5, np.nan])
    one = real_completions.Removal(np.isfinite(left), np.ones(4), left, np.zeros(4, int))
    table = real_completions._removal_table({("masks", "telea"): one})
    assert table.rows[0][2:4] == ("4", "3")
    assert table.rows[0][4].startswith("50.0 ") and table.rows[0][5].startswith("66.7 ") and table.rows[0][6] == "5.0"


def test_glasses_and_hats_are_read_off_the_label_map():
    labels = np.ones((10, 10), np.uint8)
    labels[0, :2] = (4, 5)
    assert not real_completions.hat_over_eyes(labels) and not real_completions.wears_glasses(labels)
    labels[1, 0] = 14
    assert not real_completions.hat_over_eyes(labels)  # both eyes are seen
    labels[0, 0] = 14
    assert real_completions.hat_over_eyes(labels)
    labels[5, 5] = 3
    assert real_completions.wears_glasses(labels)


def test_the_same_person_without_glasses_is_closer_to_the_completed_photo(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "EVALUATION", tmp_path)
    pair, folder = pair_with({MASK: Occluder.MASK}), tmp_path / "glasses_pairs"
    folder.mkdir()
    half_dark = pair.clean.copy()
    half_dark[:40] //= 2
    for person in range(1, glasses_people.PEOPLE + 1):
        for name, picture in (("glasses", pair.image), ("noglasses", pair.clean), ("happy", half_dark)):
            cv2.imwrite(str(folder / f"subject{person:02d}.{name}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert [photo.path.name[10:] for photo in glasses_people.glasses_pair(3)] == [
        "glasses.png",
        "noglasses.png",
        "happy.png",
    ]
    one, every = glasses_people.people_tables(Known(pair.clean), ["telea"])  # pyright: ignore[reportArgumentType]
    assert one.rows[-1] == ("higher for", "", "7 of 7") and one.rows[0][2] == "1.000"
    assert float(every.rows[0][2]) < 1.0
    unchanged = glasses_people.people_tables(Known(pair.image), ["generator"])[0]  # pyright: ignore[reportArgumentType]
    assert unchanged.rows[-1] == ("higher for", "", "0 of 7")


def test_pages_hold_all_strips_and_replace_those_of_earlier_runs(tmp_path):
    strips = [np.full((10, 50, 3), k, np.uint8) for k in range(deocclusion_sheet.PER_PAGE + 3)]
    path = tmp_path / "out" / "sheet"
    deocclusion_sheet.write_pages(strips * 3, path)
    pages = deocclusion_sheet.write_pages(strips, path)
    assert sorted(path.parent.glob("*.png")) == pages and len(pages) == 2
    assert (last := cv2.imread(str(pages[1]))) is not None and last.shape == (20, 100, 3)


def test_photos_with_most_hand_come_first_and_those_without_never(tmp_path, monkeypatch):
    monkeypatch.setattr(deocclusion_sheet, "code_digest", lambda *names, also=(): "code")
    photos = written(tmp_path, pair_with({}), 4)
    share = dict(zip([photo.path for photo in photos], (0.0, 0.3, 0.9, 0.0), strict=True))

    def look(pipeline, photo):
        kinds = np.zeros((10, 10), np.uint8)
        kinds[: round(10 * share[photo.path])] = OCCLUDERS.index("hand")
        points = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], np.float32)
        return parsing.Seen(points, Parsing(np.ones_like(kinds), kinds, kinds), (0.0, 0.0))

    monkeypatch.setattr(parsing, "look", look)
    assert deocclusion_sheet.most_held(None, photos) == [photos[2], photos[1]]  # pyright: ignore[reportArgumentType]


def test_the_judge_of_identity_knows_a_person_again():
    if not identity.NETWORK.exists():
        pytest.skip(f"{identity.NETWORK} is not there")
    from skimage.data import astronaut

    # Eyes, nose tip and mouth corners of the portrait, as 68 points that hold nothing else.
    points = np.zeros((68, 2))
    points[36:42], points[42:48], points[30], points[48], points[54] = (
        (203, 113),
        (244, 109),
        (226, 134),
        (211, 152),
        (242, 149),
    )
    judge, photo = identity.Identity(), astronaut()
    own = judge(photo, points)
    assert np.linalg.norm(own) == pytest.approx(1.0, abs=1e-5)
    small = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert own @ judge(small, points / 2 - 0.25) > 0.9
    assert own @ judge(cv2.convertScaleAbs(photo, alpha=0.6), points) > 0.8
    covered = photo.copy()
    covered[95:125, 185:265] = 0
    assert own @ judge(covered, points) < 0.6


def test_deocclusion_names_all_its_sections():
    assert run.GROUPS["deocclusion"] == tuple(f"deocclusion-{name}" for name in ("pairs", "photos", "costs", "sheet"))
    asked = run.sections_of("landmarks,deocclusion,deocclusion-pairs")
    assert asked == ["landmarks", *run.GROUPS["deocclusion"]]
    assert run.sections_of(None) == list(run.SECTIONS)


def test_looks_and_fillings_name_what_their_files_hold():
    chosen, looks, filled = measured(None)
    assert isinstance(looks, Looks) and looks.points.shape == (6, 68, 2) and looks.true.dtype == bool
    assert isinstance(filled, Filled) and filled.points.shape == (6, 2, 68, 2) and len(chosen) == 6
