"""Earlier parsers as teachers: whose word counts for what, and that a network comes to say what they say."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training packages are not installed")

from torch import Tensor, nn  # noqa: E402

from core.geometry.mirroring import MIRRORED_PARTS  # noqa: E402
from core.types import PARTS  # noqa: E402
from models.networks.parser import ParserConfig, ParserOutput, build_parser  # noqa: E402
from models.training.parser_teachers import AROUND, Teachers  # noqa: E402

TINY = ParserConfig(size=64, width=0.35, decoder=(8, 8, 8, 8))
SKIN, HAIR, HAT, EYE_LEFT, EYE_RIGHT = (PARTS.index(name) for name in ("skin", "hair", "hat", "eye_left", "eye_right"))


class _Sure(nn.Module):
    """Says the same of every pixel: (19,) and (7,) odds."""

    def __init__(self, parts: dict[int, float], occluders: dict[int, float]) -> None:
        super().__init__()
        self.odds = [torch.full((count,), 1e-3) for count in (TINY.classes, TINY.occluders)]
        for odds, given in zip(self.odds, (parts, occluders), strict=True):
            for code, odd in given.items():
                odds[code] = odd

    def forward(self, image: Tensor) -> ParserOutput:
        size = len(image), -1, image.shape[2] // 2, image.shape[3] // 2
        return ParserOutput(*(odds.log()[None, :, None, None].expand(*size) for odds in self.odds))


class _Sided(nn.Module):
    """Calls the picture's left half a right eye, as a subject's right is, its right half a left one."""

    def forward(self, image: Tensor) -> ParserOutput:
        parts = torch.zeros(len(image), TINY.classes, 4, 4)
        parts[:, EYE_RIGHT, :, :2] = parts[:, EYE_LEFT, :, 2:] = 20.0
        return ParserOutput(parts, torch.zeros(len(image), TINY.occluders, 4, 4))


def test_the_second_teacher_tells_what_lies_around_the_face_and_no_more() -> None:
    face = _Sure({SKIN: 4.0, HAIR: 5.0, HAT: 1.0}, {0: 9.0, 3: 1.0})
    around = _Sure({SKIN: 90.0, HAIR: 2.0, HAT: 6.0}, {5: 100.0})
    parts, occluder = Teachers(face, around).told(torch.rand(2, 3, 64, 64))  # pyright: ignore[reportArgumentType]
    assert parts.shape == (2, 19, 32, 32)
    assert parts[0, :, 7, 9].sum() == pytest.approx(1.0, abs=1e-5)
    assert parts[0, SKIN, 7, 9] == pytest.approx(0.4, abs=1e-2)
    assert parts[0, HAIR, 7, 9] == pytest.approx(0.6 * 0.25, abs=1e-2)
    assert parts[0, HAT, 7, 9] == pytest.approx(0.6 * 0.75, abs=1e-2)
    assert occluder[1, 0, 0, 0] == pytest.approx(0.9, abs=1e-2)
    assert set(AROUND) == {"background", "hair", "hat"}


def test_mirror_images_are_told_by_the_other_side() -> None:
    parts, _ = Teachers(_Sided()).told(torch.rand(1, 3, 8, 8))  # pyright: ignore[reportArgumentType]
    assert parts[0, EYE_RIGHT, :, :2].min() > 0.99
    assert parts[0, EYE_LEFT, :, 2:].min() > 0.99
    assert [PARTS[code] for code in MIRRORED_PARTS][SKIN] == "skin"
    assert sorted(MIRRORED_PARTS) == list(range(len(PARTS)))


def test_a_network_comes_to_say_what_its_teachers_say() -> None:
    torch.manual_seed(0)
    teachers = Teachers(build_parser(TINY).eval(), build_parser(TINY).eval())
    with torch.no_grad():
        for net in (teachers.face, teachers.around):
            assert net is not None
            net.out.weight.mul_(12.0)  # sure of something
    student, image = build_parser(TINY), torch.rand(4, 3, 64, 64)
    parts, occluder = teachers.told(image)
    least = float((torch.special.entr(parts).sum(1).mean() + torch.special.entr(occluder).sum(1).mean()).item())
    optimiser, above = torch.optim.Adam(student.parameters(), lr=1e-2), []
    for _ in range(80):
        loss = sum(teachers.terms(student(image), image, torch.ones(4, 32, 32)).values())
        assert isinstance(loss, Tensor)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        above.append(float(loss.detach()) - least)
    assert above[-1] > 0.0  # nobody can be told more than teachers know
    assert above[-1] < 0.5 * above[0]


def test_pixels_count_by_their_weight() -> None:
    teachers = Teachers(_Sure({SKIN: 1.0}, {0: 1.0}))  # pyright: ignore[reportArgumentType]
    classes = torch.zeros(1, TINY.classes, 32, 32)
    classes[:, SKIN, :, 16:] = 10.0  # right on the right
    out = ParserOutput(classes, torch.zeros(1, TINY.occluders, 32, 32))
    weight = torch.ones(1, 32, 32)
    image = torch.rand(1, 3, 64, 64)
    both = teachers.terms(out, image, weight)["parts"]
    weight[..., 16:] = 0.0
    wrong = teachers.terms(out, image, weight)["parts"]
    assert wrong > 1.8 * both
