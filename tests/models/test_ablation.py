"""The ablation leaves out what it says and tabulates what it finds."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training packages are not installed")

from core.geometry.face_model import FaceModel
from models.evaluation.part_scores import GROUPS, f1_intervals
from models.synthesis.ingredients import NAMES, UNKNOWN, pack, used
from models.training import ablation_table
from models.training.ablation import Data, Variant, default_variants
from models.training.data import Pictures

from .people import make_pictures


@pytest.fixture(scope="module")
def pictures(model: FaceModel) -> Pictures:
    made = make_pictures(model)
    bits = np.array([pack({"relief": k % 2 == 0, "occluder": k % 3 == 0}) for k in range(len(made))])
    return dataclasses.replace(made, truth=dataclasses.replace(made.truth, ingredients=bits))


def test_an_ingredient_is_left_out_of_the_pictures(pictures: Pictures) -> None:
    every = np.arange(len(pictures))
    chosen = Variant.of("without-relief").chosen(pictures, every, 100)
    assert len(chosen) == len(every) // 2
    assert not used(pictures.truth.ingredients[chosen], "relief").any()
    assert used(pictures.truth.ingredients[chosen], "occluder").any()
    assert np.array_equal(Variant.of("everything").chosen(pictures, every, 100), every)


def test_pictures_without_notes_stay(pictures: Pictures) -> None:
    unknown = np.full(len(pictures), UNKNOWN)
    old = dataclasses.replace(pictures, truth=dataclasses.replace(pictures.truth, ingredients=unknown))
    assert len(Variant.of("without-relief").chosen(old, np.arange(len(old)), 100)) == len(old)


def test_variants_use_as_many_pictures_as_each_other_but_for_a_share(pictures: Pictures) -> None:
    every = np.arange(len(pictures))
    assert len(Variant.of("everything").chosen(pictures, every, 4)) == 4
    assert len(Variant.of("without-occluder").chosen(pictures, every, 4)) == 4
    assert len(Variant.of("pictures-0.5").chosen(pictures, every, 4)) == 2


def test_a_source_is_left_out() -> None:
    data = Data(((Path("a/synthetic2"), 1.0), (Path("a/cycles"), 0.2)), ((Path("p.npz"), 0.2),), 100)
    assert len(data.kept(Variant.of("without-cycles")).folders) == 1
    assert not data.kept(Variant.of("without-portraits")).portraits
    with pytest.raises(ValueError, match="no source"):
        data.kept(Variant.of("without-anything"))
    with pytest.raises(ValueError, match="everything"):
        Variant.of("nonsense")
    names = default_variants(data)
    assert {"everything", "without-cycles", "without-portraits", *(f"without-{name}" for name in NAMES)} <= set(names)


def result(variant: str, errors: list[float]) -> dict:
    real = {"inner51_percent": float(np.mean(errors)), "all68_percent": 9.0, "per_photo": errors}
    return {"network": "landmarker", "variant": variant, "steps": 5, "real": real}


def test_table_gives_paired_differences_and_the_card_its_figures(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(result("without-relief", [7.0, 8.0, 9.5])))
    (tmp_path / "b.json").write_text(json.dumps(result("everything", [6.0, 7.0, 8.5])))
    results = ablation_table.read_results(tmp_path)
    text = ablation_table.table("landmarker", results["landmarker"])
    assert "5 steps each; " in text
    trained = [{**row, "start": "earlier"} for row in results["landmarker"]]
    assert "5 steps each, from trained weights; " in ablation_table.table("landmarker", trained)
    assert "| without relief | +1.00 (+1.00 to +1.00) | +0.00 |" in text
    card = tmp_path / "card.json"
    card.write_text('{"name": "landmarker"}')
    ablation_table.into_card(results["landmarker"], card)
    assert json.loads(card.read_text())["ablation"]["without-relief"]["inner51_percent"] == 8.167
    with pytest.raises(ValueError, match="everything is missing"):
        ablation_table.table("landmarker", results["landmarker"][1:])


def test_the_page_keeps_the_networks_that_have_no_new_results(tmp_path: Path) -> None:
    page = tmp_path / "ablation.md"
    ablation_table.write_page({"landmarker": [result("everything", [6.0])]}, page)
    detector = {"variant": "everything", "steps": 5, "real": {"recall_percent": 97.0}}
    ablation_table.write_page({"detector": [detector]}, page)
    text = page.read_text()
    assert text.index("## Detector") < text.index("## Landmarker") and "| 97.00 |" in text and "| 6.00 |" in text
    ablation_table.write_page({"landmarker": [result("everything", [5.0])]}, page)
    assert "| 97.00 |" in page.read_text() and "| 6.00 |" not in page.read_text()


def test_gains_of_parts_are_paired_by_photo(tmp_path: Path) -> None:
    there = np.random.default_rng(0).integers(50, 100, (30, 1, len(GROUPS)))
    counts = np.concatenate([there - 20, there, there], axis=1)
    worse = counts - np.array([5, 0, 0])[:, None]

    def run(variant: str, of: np.ndarray) -> dict:
        figures = {f"f1_{name.replace(' ', '_')}_percent": gain.mean for name, gain in f1_intervals(of, 2).items()}
        real = figures | {"masks_found_percent": 50.0, "counts": of.tolist()}
        return {"network": "parser", "variant": variant, "steps": 5, "real": real}

    text = ablation_table.table("parser", [run("everything", counts), run("without-relief", worse)])
    row = next(line for line in text.splitlines() if "without relief" in line)
    gains = [[float(part) for part in re.findall(r"[+-][0-9.]+", cell)] for cell in row.split("|")[2:-1]]
    assert gains[-1] == [0.0]
    for mean, low, high in gains[:-1]:
        assert low < mean < high < -5.0
