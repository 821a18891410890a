"""What a user may choose. One frozen object, handed to `Pipeline`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROVIDERS = ("auto", "cuda", "tensorrt", "directml", "coreml", "cpu")
TEXTURE_SIZES = (1024, 2048)
DEOCCLUSION = ("none", "generator", "autoencoder", "telea")
REGRESSORS = ("student", "resnet50", "e2far", "pca_free")
SMALLEST_PARSED = 9  # pixels; a head can still be told apart where it is too small to be rebuilt
MOST_GROWN = 0.1  # face-crop sides; a mask grown by more would swallow the face
MODELS_DIR = Path(__file__).resolve().parents[1] / "models"


@dataclass(frozen=True)
class Settings:
    """Choices for one pipeline; checked when made, so that a wrong one never reaches a stage."""

    models_dir: Path = MODELS_DIR  # holds weights/*.onnx and face_model/face_model.npz
    provider: str = "auto"  # one of PROVIDERS; auto takes the best one present
    threads: int = 0  # CPU threads of a network; 0 lets onnxruntime choose
    texture_size: int = 1024  # pixels, one of TEXTURE_SIZES
    min_face: int = 32  # pixels of the photo; smaller faces are refused
    min_score: float = 0.65  # detector confidence in [0, 1] below which a face is not reported
    deocclusion: str = "generator"  # what paints the face behind glasses, masks and hands, one of DEOCCLUSION
    regressor: str = "student"  # what estimates the coefficients, one of REGRESSORS; see `core.regressors`
    mask_threshold: float = 0.5  # probability in (0, 1) from which on something stands before the face
    mask_grow: float = 0.018  # face-crop sides by which the deleted region reaches beyond what was found
    keep_glasses: bool = False  # glasses stay; everything else is deleted
    hair: bool = True  # a mesh of the hair's volume is made beside the head
    keep_lenses: bool = True  # what is seen through clear lenses stays; their frame is deleted

    def __post_init__(self) -> None:
        if self.provider not in PROVIDERS:
            raise ValueError(f"provider {self.provider!r} is not one of {', '.join(PROVIDERS)}")
        if self.texture_size not in TEXTURE_SIZES:
            raise ValueError(f"texture_size {self.texture_size} is not one of {TEXTURE_SIZES}")
        if self.threads < 0 or self.min_face < 1 or not 0.0 < self.min_score < 1.0:
            raise ValueError("threads must be >= 0, min_face >= 1 and min_score between 0 and 1")
        if self.regressor not in REGRESSORS:
            raise ValueError(f"regressor {self.regressor!r} is not one of {', '.join(REGRESSORS)}")
        if self.deocclusion not in DEOCCLUSION:
            raise ValueError(f"deocclusion {self.deocclusion!r} is not one of {', '.join(DEOCCLUSION)}")
        if not 0.0 < self.mask_threshold < 1.0 or not 0.0 <= self.mask_grow <= MOST_GROWN:
            raise ValueError(f"mask_threshold must lie between 0 and 1 and mask_grow between 0 and {MOST_GROWN}")

    @property
    def weights_dir(self) -> Path:
        """Folder of the networks' .onnx files."""
        return self.models_dir / "weights"

    @property
    def face_model_path(self) -> Path:
        """The face model's file."""
        return self.models_dir / "face_model" / "face_model.npz"
