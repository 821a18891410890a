"""What each network's file must look like. A file that differs is refused (`WeightsError`).

The export tool rewrites the hashes in `SHA256`; nothing else here changes without a new contract. An empty hash stands
for a network that has not been trained: it does not ship, and no file passes for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..types import COEFFICIENTS, EXPRESSION, LANDMARKS, OCCLUDERS, PARTS, POSE

CROP_SIZE = 128  # pixels, input of the landmarker and the regressors
HEAD_SIZE = 256  # pixels, input of the parser
FACE_SIZE = 256  # pixels, input of the networks that paint the face behind what hides it
CELLS = HEAD_SIZE // 2  # side of the parser's answers, which are smooth and enlarged with care
GRID_SIZE = 48  # cells; side of the grids over the skin's layout that the PCA-free model answers with
STRIDE = 32  # the detector's input sides are multiples of it

SHA256: dict[str, str] = {
    "autoencoder": "21a3e096521152bb1bddfe4d08dbf9eef5fb2cd530ec997c7bc8df9fc8b36095",
    "completer": "55a14d8d3de920a9acc67e20d7512db1a1363117e2f765d228a5860154ff9723",
    "detector": "ca63439002b2578a0a001f86e72b11bf3361cb21c60cb51928be9a076d1fe1c0",
    "landmarker": "4453ba7ac18bdb015f40a9feb9036c265a2f7a015bf4129ae5abb37c82375151",
    "parser": "ec5ecba4cf3cda0867494b26a738bb2cd64ad24ac5b3b75e7da19026a3744326",
    "pca_free": "0a299f4d86a9d4cff0200056602c127ac9b63ee180aceef280128a395e59b360",
    "regressor": "13faafe3bd660af26929ec86e505212233955e65e1db46ae43689a52f8ecb819",
    "regressor_e2far": "2c87497e46c2a8aae156d60a62531f5d5c7e1717349a2f475b8171a6fd6245d9",
    "regressor_resnet50": "873496d35f5274ac0aab1fa4c38211a505210ce1ba8360c6fafc5a5f8f023508",
}

Shape = tuple[int | str, ...]  # a name stands for a length that the file leaves open or that is checked later


@dataclass(frozen=True)
class NetworkSpec:
    """One ONNX file: its hash and the names and shapes of its inputs and outputs (all float32)."""

    name: str  # the file is NAME.onnx
    sha256: str  # lower-case hex digest of the file
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]


_CROPS: Mapping[str, Shape] = {"image": ("N", 3, CROP_SIZE, CROP_SIZE)}
_HOLED: Mapping[str, Shape] = {
    "image": ("N", 3, FACE_SIZE, FACE_SIZE),
    "mask": ("N", 1, FACE_SIZE, FACE_SIZE),  # 1 in the hole, else 0
    "landmarks": ("N", LANDMARKS, 2),  # crop fractions
}
_COMPLETED: Mapping[str, Shape] = {"completed": ("N", 3, FACE_SIZE, FACE_SIZE)}
_COEFFICIENTS: Mapping[str, Shape] = {"coefficients": ("N", COEFFICIENTS)}

# Pixels of boxes and points are those of the input picture; P = 68 + dense points, as crop fractions. The parser
# answers with probabilities.
SPECS: Mapping[str, NetworkSpec] = {
    "autoencoder": NetworkSpec("autoencoder", SHA256["autoencoder"], inputs=_HOLED, outputs=_COMPLETED),
    "completer": NetworkSpec("completer", SHA256["completer"], inputs=_HOLED, outputs=_COMPLETED),
    "detector": NetworkSpec(
        "detector",
        SHA256["detector"],
        inputs={"image": (1, 3, "H", "W")},
        outputs={"boxes": (1, "A", 4), "scores": (1, "A"), "points": (1, "A", 10)},
    ),
    "landmarker": NetworkSpec(
        "landmarker",
        SHA256["landmarker"],
        inputs=_CROPS,
        outputs={"landmarks": ("N", "P", 2), "visibility": ("N", "P"), "sigma": ("N", "P")},
    ),
    "parser": NetworkSpec(
        "parser",
        SHA256["parser"],
        inputs={"image": ("N", 3, HEAD_SIZE, HEAD_SIZE)},
        outputs={"classes": ("N", len(PARTS), CELLS, CELLS), "occluder": ("N", len(OCCLUDERS), CELLS, CELLS)},
    ),
    "pca_free": NetworkSpec(
        "pca_free",
        SHA256["pca_free"],
        inputs=_CROPS,
        outputs={
            "neutral_uv": ("N", 3, GRID_SIZE, GRID_SIZE),  # metres
            "expression": ("N", EXPRESSION),
            "correction_uv": ("N", 3, GRID_SIZE, GRID_SIZE),
            "pose": ("N", POSE),
        },
    ),
    "regressor": NetworkSpec("regressor", SHA256["regressor"], inputs=_CROPS, outputs=_COEFFICIENTS),
    "regressor_e2far": NetworkSpec("regressor_e2far", SHA256["regressor_e2far"], inputs=_CROPS, outputs=_COEFFICIENTS),
    "regressor_resnet50": NetworkSpec(
        "regressor_resnet50", SHA256["regressor_resnet50"], inputs=_CROPS, outputs=_COEFFICIENTS
    ),
}
