"""Which expression slider belongs where in the panel, and which sliders mirror each other. Plain Python."""

from __future__ import annotations

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Eyes", ("eye", "pupil")),
    ("Brows", ("brow",)),
    ("Jaw", ("jaw",)),
    ("Mouth", ("mouth", "lips", "lip")),
    ("Cheeks", ("cheek",)),
    ("Nose", ("nose", "nostril")),
    ("Tongue", ("tongue",)),
)
OTHER = "Other"
GROUP_NAMES: tuple[str, ...] = (*(name for name, _ in GROUPS), OTHER)


def group_of(expression: str) -> str:
    """Panel group of an expression name such as `eyeBlinkLeft`."""
    for group, prefixes in GROUPS:
        if expression.startswith(prefixes):
            return group
    return OTHER


def grouped(names: list[str]) -> dict[str, list[str]]:
    """Names by group, groups in panel order, left and right of a pair together, empty groups left out."""
    first = {_base(name): index for index, name in reversed(list(enumerate(names)))}
    groups: dict[str, list[str]] = {group: [] for group in GROUP_NAMES}
    for name in sorted(names, key=lambda name: first[_base(name)]):
        groups[group_of(name)].append(name)
    return {group: members for group, members in groups.items() if members}


def _base(name: str) -> str:
    return name.removesuffix("Left").removesuffix("Right")


def mirrored(name: str, names: set[str]) -> str:
    """The slider on the other side of the face, or the name itself where there is none.

    `jawLeft` and `mouthLeft` swap with `jawRight` and `mouthRight` just as paired sliders do.
    """
    for suffix, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(suffix):
            partner = name.removesuffix(suffix) + other
            return partner if partner in names else name
    return name
