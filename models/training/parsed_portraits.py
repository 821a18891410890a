"""Public-domain portraits for the parser: `python -m models.training.parsed_portraits --start RUN/checkpoint.pt`.

Eyes and lips are drawn through the landmarks; an earlier parser tells the other parts where it is sure, and the rest is
left open. What it takes for a hat is hair, but on the one who was seen to wear one. Of occluders the truth is known:
official portraits show no masks, hands or things, who wears glasses was noted by eye, and what the factory pastes on
comes with its mask.
"""

from __future__ import annotations

import argparse
import csv
import logging
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch

from core.geometry import alignment
from core.runtime.specs import HEAD_SIZE
from models.networks.parser import OUTPUT_STRIDE, Parser, ParserConfig, build_parser
from models.synthesis.labels import Label, Occluder, OccluderType
from models.synthesis.overlay import paste_occluder

from .checkpoints import load_averaged
from .painted_parts import IGNORED, with_outlined_parts
from .portraits import Portraits, read_portraits
from .sources import PORTRAITS_SET, tinted

LOG = logging.getLogger(__name__)
GLASSES = Path(__file__).with_name("portrait_glasses.csv")  # who wears glasses, or might; all others do not
HATS = ("W000808.jpg",)  # all others are bareheaded
VARIANTS = 3  # of each photo, the first without anything pasted on
_WORN = {"glasses": 0.2, "sunglasses": 0.14, "mask": 0.36, "hand": 0.15, "object": 0.15}
_SEED = 4_200_000
_LEFT_GREY = 5  # every so many variants
_SURE = 0.85  # probability from which the earlier parser is believed
_AROUND_EYES = 0.42  # of the distance of the outer eye corners: reach of what glasses may cover
_GLASSES_KINDS = [OccluderType.CLEAR_GLASSES, OccluderType.DARK_GLASSES]


@dataclass(frozen=True, eq=False)
class ParsedPortraits:
    """M head crops of `HEAD_SIZE` pixels; coordinates in their pixels."""

    grey: np.ndarray  # (M, S, S) uint8
    labels: np.ndarray  # (M, S, S) uint8 `Label`, `IGNORED` where nobody knows
    codes: np.ndarray  # (M, S, S) uint8 `Occluder`, `TOUCHED` where nobody knows
    person: np.ndarray  # (M, S, S) bool, the person and what is pasted on
    points: np.ndarray  # (M, 68, 2) float32

    def __len__(self) -> int:
        return len(self.grey)

    def image(self, index: int) -> np.ndarray:
        """(S, S, 3) uint8 RGB; most variants are tinted, always in the same way."""
        if index % _LEFT_GREY == 0:
            return cv2.cvtColor(self.grey[index], cv2.COLOR_GRAY2RGB)
        return tinted(self.grey[index], np.random.default_rng((_SEED, index)))

    def maps(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(S, S) uint8 `Label` and (S, S) uint8 `Occluder`."""
        return self.labels[index], self.codes[index]

    def foreground(self, index: int) -> np.ndarray:
        """(S, S) bool: the person and what is pasted on."""
        return self.person[index]

    def describe(self) -> dict[str, object]:
        """For the card."""
        return {
            "pictures": len(self),
            "of": PORTRAITS_SET,
            "labels": "eyes and lips through the landmarks, other parts by an earlier parser where it is sure; glasses "
            "and hats noted by eye; pasted occluders by their masks",
        }

    def save(self, folder: Path) -> None:
        """Write one .npy per array."""
        folder.mkdir(parents=True, exist_ok=True)
        for field in fields(self):
            np.save(folder / f"{field.name}.npy", getattr(self, field.name))


def read_parsed(folder: Path) -> ParsedPortraits:
    """Open what `save` wrote; pixels stay on disk."""
    if not folder.exists():
        raise FileNotFoundError(f"{folder} is missing; make it with `python -m models.training.parsed_portraits`.")
    names = (field.name for field in fields(ParsedPortraits))
    return ParsedPortraits(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))


def glasses_by_name(path: Path = GLASSES) -> dict[str, str]:
    """`yes` or `maybe` by file name."""
    with open(path, newline="") as file:
        return {row["file"]: row["glasses"] for row in csv.DictReader(file)}


def parse_portraits(portraits: Portraits, teacher: Parser) -> ParsedPortraits:
    """All variants of all portraits."""
    wears, rows = glasses_by_name(), []
    for index, name in enumerate(portraits.names):
        rows += _variants(portraits, index, wears.get(str(name), "no"), str(name) in HATS, teacher)
        if index % 100 == 0:
            LOG.info("%d of %d portraits", index, len(portraits))
    return ParsedPortraits(*(np.stack(column) for column in zip(*rows, strict=True)))


def _variants(portraits: Portraits, index: int, wears: str, hat: bool, teacher: Parser) -> list[tuple[np.ndarray, ...]]:
    """Grey picture, labels, codes, person and points of one portrait's variants."""
    photo = cv2.cvtColor(portraits.images[index, 0], cv2.COLOR_GRAY2RGB)
    points = portraits.points[index].astype(float)
    matrix = alignment.head_matrix(points, HEAD_SIZE)
    inside = _cut(np.ones(photo.shape[:2], np.uint8), matrix) > 0
    person = portraits.person[index, 0].astype(np.uint8)
    parts, glasses = _taught(teacher, alignment.extract(photo, matrix, HEAD_SIZE).image, hat)
    placed = alignment.apply(matrix, points)
    parts = with_outlined_parts(parts, placed, portraits.trusted[index])
    labels, bare = bare_maps(parts, glasses, wears, _cut(person, matrix) > 0, placed)
    labels[~inside], bare[~inside] = IGNORED, Occluder.TOUCHED
    kinds = {kind: share for kind, share in _WORN.items() if wears == "no" or "glasses" not in kind}
    out = []
    for variant in range(VARIANTS):
        worn, pasted = photo, np.zeros(photo.shape[:2], np.uint8)
        if variant:
            rng = np.random.default_rng((_SEED, index, variant))
            share = np.array(list(kinds.values()))
            worn, pasted = paste_occluder(photo, points, str(rng.choice(list(kinds), p=share / share.sum())), rng)
        on_crop = _cut(pasted, matrix)
        grey = cv2.cvtColor(alignment.extract(worn, matrix, HEAD_SIZE).image, cv2.COLOR_RGB2GRAY)
        codes = np.where(on_crop > 0, on_crop, bare).astype(np.uint8)
        whole = (_cut(person, matrix) > 0) | (on_crop > Occluder.TOUCHED)
        out.append((grey, labels, codes, whole, placed.astype(np.float32)))
    return out


@torch.no_grad()
def _taught(teacher: Parser, image: np.ndarray, hat: bool) -> tuple[np.ndarray, np.ndarray]:
    """(S, S) uint8 parts, `IGNORED` where the teacher is not sure, and (S, S) float32 probability of glasses.

    Without a `hat`, hats are hair.
    """
    batch = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255.0
    out = teacher(batch)
    shares = out.classes[0].softmax(0)
    if not hat:
        shares[Label.HAIR] += shares[Label.HAT]
        shares[Label.HAT] = 0.0
    share, part = shares.max(0)
    parts = torch.where(share > _SURE, part, IGNORED).numpy().astype(np.uint8)
    glasses = out.occluder[0].softmax(0)[_GLASSES_KINDS].sum(0).numpy()
    full = np.ones((OUTPUT_STRIDE, OUTPUT_STRIDE))
    return np.kron(parts, full).astype(np.uint8), np.kron(glasses, full).astype(np.float32)


def bare_maps(
    parts: np.ndarray, glasses: np.ndarray, wears: str, person: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(S, S) `Label` and (S, S) `Occluder` of a portrait without anything pasted on.

    `glasses` is the teacher's probability of them, `wears` what was seen by eye: yes, no or maybe.
    """
    labels = parts.copy()
    edge = cv2.morphologyEx(person.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((9, 9), np.uint8)) > 0
    labels[~person & ~np.isin(parts, (Label.HAIR, Label.HAT))] = Label.BACKGROUND
    labels[edge & (parts == IGNORED)] = IGNORED
    labels[person & (parts == Label.BACKGROUND)] = IGNORED
    labels[parts == Label.GLASSES] = IGNORED
    codes = np.zeros(parts.shape, np.uint8)
    if wears != "no":
        near = _near_eyes(points, len(parts))
        codes[near], labels[near] = Occluder.TOUCHED, IGNORED
        if wears == "yes":
            codes[near & (glasses > _SURE)] = Occluder.CLEAR_LENS
    return labels, codes


def _near_eyes(points: np.ndarray, size: int) -> np.ndarray:
    """(S, S) bool: what glasses may cover, for (68, 2) points."""
    right, left = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    reach = _AROUND_EYES * float(np.linalg.norm(points[45] - points[36]))
    line = np.zeros((size, size), np.uint8)
    ends = [points[36] + (right - left) * 0.5, points[45] + (left - right) * 0.5]
    first, second = (tuple(int(v) for v in np.rint(end)) for end in ends)
    cv2.line(line, first, second, 1, max(round(2.0 * reach), 1))
    return line > 0


def _cut(codes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(S, S) uint8 codes of a (H, W) uint8 map under the head crop's matrix."""
    return cv2.warpAffine(codes, matrix, (HEAD_SIZE, HEAD_SIZE), flags=cv2.INTER_NEAREST)


def main() -> None:
    """Command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description="Label the public-domain portraits for the parser.")
    parser.add_argument("--portraits", type=Path, default=Path("build/portraits/portraits.npz"))
    parser.add_argument("--start", type=Path, required=True, help="checkpoint of an earlier parser")
    parser.add_argument("--out", type=Path, default=Path("build/portraits/parsed"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    teacher = build_parser(ParserConfig(occluders=len(OccluderType)))
    load_averaged(teacher, arguments.start)
    parse_portraits(read_portraits(arguments.portraits), teacher.eval()).save(arguments.out)


if __name__ == "__main__":
    main()
