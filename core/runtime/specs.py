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
RIM_ROWS = (8, 168)  # of the face crop: the strip in which glasses lie, all but one in fifty
COARSE_SIZE = 64  # cells; side of what the coarse completer paints of a face crop
GRID_SIZE = 48  # cells; side of the grids over the skin's layout that the PCA-free model answers with
LOOKS = 3  # of the parser at one head
BATCH = "N"  # a file's name for the number of pictures
STRIDE = 32  # the detector's input sides are multiples of it

SHA256: dict[str, str] = {
    "autoencoder": "21a3e096521152bb1bddfe4d08dbf9eef5fb2cd530ec997c7bc8df9fc8b36095",
    "completer": "6e93fa0a2aa8f08e92412060a81a492b4cb3eae62081be8a21324f6f2e8d7916",
    "completer_coarse": "dd7210699b181f23191f1ef1f14e1ce5c1f8cdfb625a6dad1644a8ad1b37f441",
    "detector": "f507bb87612bf25fd0a9ddd245bfa1ecff7a4898ef48421a824f717e28d30332",
    "landmarker": "d42e3a7a235c14d34cbcad449dc5624a1fedc7385a040303752106b6ecccd287",
    "parser": "872106c54d446a538a0e6d060fcac76a293694a30b1bd702564817f018036392",
    "pca_free": "4541d2280113200de113c9814df7b9219bdd53d5fa085295ee42d6d36b79c5ec",
    "regressor": "88036652f9d98671f682aa8bcbeb006b92b84c6f05dd6ca5e271015660697b2c",
    "regressor_e2far": "7e70ea9e50b4c7e65f1dc61c30233f02c028426e24c266475e465e6457bea66b",
    "regressor_resnet50": "c96e0dbc64383521ac44c8f9672342f8fd82cb8763a5cbe87309b0e631e7d831",
    "rims": "6c97185e6ad8b77fa308f5c9fccb7bab60f9db8e50f391e57a4c9283747345f0",
}

Shape = tuple[int | str, ...]  # a name stands for a length that the file leaves open or that is checked later


@dataclass(frozen=True)
class NetworkSpec:
    """One ONNX file: its hash and the names and shapes of its inputs and outputs (all float32)."""

    name: str  # the file is NAME.onnx
    sha256: str  # lower-case hex digest of the file
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    batch: int = 0  # pictures of every run; 0: any number


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
    "completer_coarse": NetworkSpec(
        "completer_coarse",
        SHA256["completer_coarse"],
        inputs=_HOLED,
        outputs={"coarse": ("N", 3, COARSE_SIZE, COARSE_SIZE)},
    ),
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
        batch=LOOKS,
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
    "rims": NetworkSpec(
        "rims",
        SHA256["rims"],
        inputs={"image": ("N", 3, RIM_ROWS[1] - RIM_ROWS[0], FACE_SIZE)},
        outputs={"rims": ("N", 1, RIM_ROWS[1] - RIM_ROWS[0], FACE_SIZE)},  # probabilities
    ),
}
