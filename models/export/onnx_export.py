"""Exports a trained network: `python -m models.export.onnx_export landmarker --run build/training/landmarker`.

The file is compared with torch on synthetic pictures before it is taken over; a difference beyond the tolerance is an
error. Weights may be stored in half precision or in 8 bits per channel: see weight_storage.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from core.geometry import alignment
from core.runtime.specs import CROP_SIZE, FACE_SIZE, HEAD_SIZE, SPECS, Shape
from models.networks.coefficients import CoefficientExport
from models.networks.completer import (
    AutoencoderConfig,
    CompleterConfig,
    CompletionExport,
    build_autoencoder,
    build_coarse_completer,
    build_completer,
)
from models.networks.detector import DetectorConfig, DetectorExport, build_detector
from models.networks.e2far import E2FARConfig, build_e2far
from models.networks.landmarker import LandmarkerConfig, LandmarkerExport, build_landmarker
from models.networks.parser import ParserConfig, ParserExport, build_parser
from models.networks.pca_free import PcaFreeConfig, PcaFreeExport, build_pca_free
from models.networks.regressor import RegressorConfig, build_regressor
from models.networks.resnet import ResnetConfig, build_resnet
from models.networks.rims import RimsConfig, RimsExport, build_rims
from models.training.cards import network_sizes
from models.training.checkpoints import CHECKPOINT, load_averaged
from models.training.completion_samples import CompletionSampler
from models.training.crops import Cropper, split
from models.training.data import Pictures, read_pictures
from models.training.rim_samples import RimSampler

from . import weight_storage
from .weight_storage import BITS

LOG = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "models" / "weights"
SPECS_FILE = ROOT / "core" / "runtime" / "specs.py"
CARD = "card.json"
PAINTERS = ("autoencoder", "completer", "completer_coarse")  # given a hole and landmarks beside the picture
OPSET = 17
_CHECKED = 32  # pictures
# Largest difference allowed, in the output's unit, for weights stored in each of `BITS`.
TOLERANCE: dict[str, tuple[float, float, float]] = {
    "boxes": (0.02, 3.0, 10.0),  # pixels
    "points": (0.02, 3.0, 8.0),  # pixels
    "scores": (1e-4, 0.03, 0.06),
    "landmarks": (1e-5, 2e-3, 8e-3),  # crop fractions: a pixel at 128
    "visibility": (1e-4, 0.03, 0.06),
    "sigma": (1e-5, 2e-3, 4e-3),
    "coefficients": (1e-3, 0.05, 0.15),
    "neutral_uv": (1e-6, 1e-4, 5e-4),  # metres: a tenth of a millimetre; half of one
    "correction_uv": (1e-6, 1e-4, 5e-4),
    "expression": (1e-4, 0.02, 0.08),
    "pose": (1e-3, 0.05, 0.1),
    "classes": (1e-3, 0.15, 0.2),  # probabilities; the worst of millions of pixels lies on an outline
    "occluder": (1e-3, 0.15, 0.2),
    "completed": (2e-3, 0.1, 0.1),  # of full white; the worst of millions of pixels
    "coarse": (2e-3, 0.1, 0.1),  # of full white
    "rims": (1e-3, 0.15, 0.2),  # probabilities
}
NETWORKS: dict[str, tuple[type, Callable[[Any], nn.Module], Callable[[Any], nn.Module]]] = {
    "autoencoder": (AutoencoderConfig, build_autoencoder, CompletionExport),
    "completer": (CompleterConfig, build_completer, CompletionExport),
    "detector": (DetectorConfig, build_detector, DetectorExport),
    "regressor_resnet50": (ResnetConfig, build_resnet, CoefficientExport),
    "regressor_e2far": (E2FARConfig, build_e2far, CoefficientExport),
    "landmarker": (LandmarkerConfig, build_landmarker, LandmarkerExport),
    "completer_coarse": (CompleterConfig, build_coarse_completer, lambda net: net),
    "pca_free": (PcaFreeConfig, build_pca_free, PcaFreeExport),
    "parser": (ParserConfig, build_parser, ParserExport),
    "regressor": (RegressorConfig, build_regressor, CoefficientExport),
    "rims": (RimsConfig, build_rims, RimsExport),
}
Sample = np.ndarray | dict[str, np.ndarray]  # (h, w, 3) uint8 picture, or float32 inputs by name


class ParityError(RuntimeError):
    """The exported file does not compute what the network computes."""


@dataclass(frozen=True)
class Exportable:
    """A network ready to be exported."""

    name: str
    net: nn.Module  # its forward returns the outputs in the order of the specification
    example: Tensor | tuple[Tensor, ...]  # inputs to trace with, in the order of the specification
    dynamic: dict[int, str]  # open dimensions of every input


def load_exportable(name: str, run: Path) -> Exportable:
    """The averaged network of a training run; of one that goes on, the network of its usual sizes."""
    config, build, wrap = NETWORKS[name]
    sizes = network_sizes(run) if (run / CARD).exists() else {}
    net = build(config(**sizes))
    load_averaged(net, run / CHECKPOINT)
    return load_example(name, wrap(net).eval())


def load_example(name: str, net: nn.Module) -> Exportable:
    """A network, wrapped as the application sees it, with the inputs to trace it with."""
    example, dynamic = example_inputs(name)
    return Exportable(name, net, example, dynamic)


def example_inputs(name: str) -> tuple[Tensor | tuple[Tensor, ...], dict[int, str]]:
    """Inputs to trace with, and their open dimensions."""
    if name == "detector":
        return torch.rand(1, 3, 256, 320), {2: "H", 3: "W"}
    shapes = (tuple(shape[1:]) for shape in SPECS[name].inputs.values())
    example = tuple(torch.rand(2, *(int(side) for side in shape)) for shape in shapes)
    return (example[0] if len(example) == 1 else example), {0: "N"}


def convert(exportable: Exportable, path: Path, bits: int) -> None:
    """Write the ONNX file with its large weights in so many `BITS`."""
    inputs, names = list(SPECS[exportable.name].inputs), list(SPECS[exportable.name].outputs)
    example = (exportable.example,) if isinstance(exportable.example, Tensor) else exportable.example
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of shapes that it turns into constants; parity judges
        torch.onnx.export(
            exportable.net,
            example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=names,
            dynamic_axes=dict.fromkeys(inputs, exportable.dynamic),
        )
    model = onnx.load(str(path))
    for output in model.graph.output:
        _set_shape(output, SPECS[exportable.name].outputs[output.name])
    present = {value.name for value in model.graph.input}
    for name, shape in SPECS[exportable.name].inputs.items():
        if name not in present:  # the tracer leaves out what a network does not look at
            model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
    weight_storage.store(model, bits)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def _set_shape(value: onnx.ValueInfoProto, shape: Shape) -> None:
    value.type.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, list(shape)))


def check_parity(exportable: Exportable, path: Path, samples: Sequence[Sample], bits: int) -> dict[str, float]:
    """Largest difference by output over samples; raises `ParityError` beyond the tolerance."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = list(SPECS[exportable.name].outputs)
    worst = dict.fromkeys(names, 0.0)
    for sample in samples:
        blobs = sample if isinstance(sample, dict) else {"image": _blob(sample)}
        found = session.run(names, blobs)
        with torch.no_grad():
            wanted = exportable.net(*(torch.from_numpy(blobs[key]) for key in SPECS[exportable.name].inputs))
        wanted = (wanted,) if isinstance(wanted, Tensor) else wanted
        for name, a, b in zip(names, found, wanted, strict=True):
            if a.shape != tuple(b.shape):
                raise ParityError(f"{exportable.name}: {name} has shape {a.shape}, torch gives {tuple(b.shape)}")
            worst[name] = max(worst[name], float(np.abs(a - b.numpy()).max()))
    allowed = {name: TOLERANCE[name][BITS.index(bits)] for name in names}
    beyond = {name: value for name, value in worst.items() if not value <= allowed[name]}
    if beyond:
        raise ParityError(f"{exportable.name} differs from torch by {beyond}; allowed: {allowed}")
    return worst


def _blob(image: np.ndarray) -> np.ndarray:
    return image.transpose(2, 0, 1)[None].astype(np.float32) / 255.0


def parity_samples(name: str, pictures: Pictures) -> Sequence[Sample]:
    """Held-out synthetic pictures, with all else that the network is given."""
    if name not in PAINTERS:
        return parity_images(name, pictures)
    sampler = CompletionSampler(pictures, FACE_SIZE)
    exact = [sampler.exact(int(index)) for index in split(len(pictures))[1][:_CHECKED]]
    return [
        {
            "image": _blob(sample.image),
            "mask": sample.mask[None, None].astype(np.float32),
            "landmarks": sample.landmarks[None],
        }
        for sample in exact
    ]


def parity_images(name: str, pictures: Pictures) -> list[np.ndarray]:
    """Held-out synthetic pictures as a network of one input sees them; for the detector of several sizes."""
    _, held_out = split(len(pictures))
    chosen = held_out[:_CHECKED]
    if name == "rims":
        strips = RimSampler(pictures, None)
        return [strips.exact(int(i)).image for i in chosen]
    if name == "parser":
        heads = ((i, alignment.head_matrix(pictures.box_points(i), HEAD_SIZE)) for i in chosen)
        return [alignment.extract(pictures.image(i), matrix, HEAD_SIZE).image for i, matrix in heads]
    if name != "detector":
        cropper = Cropper(pictures, CROP_SIZE)
        return [cropper.cut(i, cropper.matrices[i]) for i in chosen]
    sides = [(192, 192), (256, 352), (352, 192)]  # of more than `MOST_CELLS` cells, rounding decides which are seen
    return [cv2.resize(pictures.image(i), sides[k % 3][::-1]) for k, i in enumerate(chosen)]


def export(name: str, run: Path, pictures: Pictures, bits: int, weights: Path = WEIGHTS) -> Path:
    """Convert, check, and only then put the file and its card in place."""
    weights.mkdir(parents=True, exist_ok=True)
    exportable = load_exportable(name, run)
    draft = run / f"{name}.onnx"
    convert(exportable, draft, bits)
    difference = check_parity(exportable, draft, parity_samples(name, pictures), bits)
    content = draft.read_bytes()
    card: dict[str, Any] = {"name": name, "training": "goes on"}
    if (run / CARD).exists():
        card = json.loads((run / CARD).read_text())
    card["export"] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "weights": weight_storage.DESCRIBED[bits],
        "opset": OPSET,
        "largest_difference_from_torch": {key: float(f"{value:.3g}") for key, value in difference.items()},
    }
    (weights / f"{name}.onnx").write_bytes(content)
    (weights / f"{name}.json").write_text(json.dumps(card, indent=2) + "\n")
    LOG.info("%s: %.2f MB, differences from torch %s", name, len(content) / 1e6, difference)
    return weights / f"{name}.onnx"


def record_hash(name: str, digest: str, specs: Path = SPECS_FILE) -> None:
    """Write the file's hash into core/runtime/specs.py."""
    text = specs.read_text()
    changed, count = re.subn(rf'("{name}": ")[0-9a-f]*(")', rf"\g<1>{digest}\g<2>", text)
    if count != 1:
        raise ValueError(f'{specs} has no single line `"{name}": "..."` in SHA256; add it.')
    specs.write_text(changed)


def main() -> None:
    """Export from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description="Export a trained network to ONNX.")
    parser.add_argument("name", choices=sorted(NETWORKS))
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--data", type=Path, default=Path("build/synthetic"))
    parser.add_argument("--bits", type=int, choices=BITS, default=BITS[0], help="of a stored weight; 8: per channel")
    parser.add_argument("--half", dest="bits", action="store_const", const=16, help="the same as --bits 16")
    parser.add_argument("--draft", type=Path, help="folder for a file that is tried out and does not ship")
    arguments = parser.parse_args()
    if arguments.draft is None and not (arguments.run / CARD).exists():
        parser.error(f"{arguments.run} holds no finished run; finish it, or try its network out with --draft FOLDER.")
    pictures = read_pictures(arguments.data)
    if arguments.draft is not None:
        export(arguments.name, arguments.run, pictures, arguments.bits, arguments.draft)
        return
    path = export(arguments.name, arguments.run, pictures, arguments.bits)
    record_hash(arguments.name, hashlib.sha256(path.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
