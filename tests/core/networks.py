"""Small ONNX networks that obey the contracts, so that stages and pipeline are tested without trained weights.

The detector sees a face wherever a 32 px cell is red; the cell's blue is the face's size in pixels. The landmarker
and the regressor answer with the mean face as a camera in front of it sees it. The parser takes green for skin, red for
the nose and blue for a mask. The painters paint one colour. Rims are dark.
"""

import hashlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from core.runtime.specs import COARSE_SIZE, SPECS, NetworkSpec
from core.types import EXPRESSION, OCCLUDERS, PARTS

PAINT = (0.6, 0.4, 0.3)  # what the generator paints, RGB
FIVE_POINTS = np.array([[-0.22, -0.28], [0.22, -0.28], [0.0, 0.05], [-0.17, 0.28], [0.17, 0.28]])  # of the size


def specify(name: str, content: bytes) -> NetworkSpec:
    """The contract of a network with the hash of this file."""
    spec = SPECS[name]
    return NetworkSpec(name, hashlib.sha256(content).hexdigest(), spec.inputs, spec.outputs, spec.batch)


def detector_network() -> bytes:
    kernel = np.zeros((2, 3, 32, 32), np.float32)
    kernel[0, 0], kernel[0, 1] = 1 / 1024, -1 / 1024  # how red
    kernel[1, 2] = 255 / 1024  # blue: the size in pixels
    unit = np.array([[-0.5, -0.5], [0.5, 0.5]], np.float32).reshape(1, 1, 4)
    constants = {
        "kernel": kernel,
        "axis_x": np.array(3),
        "axis_y": np.array(2),
        "cell": np.array(32, np.float32),
        "half": np.array(16.5, np.float32),
        "flat": np.array([1, -1, 1]),
        "list": np.array([1, -1]),
        "unit_box": unit,
        "unit_points": FIVE_POINTS.astype(np.float32).reshape(1, 1, 10),
        "two": np.array([1, 1, 2]),
        "five": np.array([1, 1, 5]),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["cells"], strides=[32, 32]),
        helper.make_node("Split", ["cells"], ["red", "size"], axis=1, num_outputs=2),
        helper.make_node("Reshape", ["red", "list"], ["scores"]),
        helper.make_node("Reshape", ["size", "flat"], ["sizes"]),
        helper.make_node("Mul", ["red", "zero"], ["zeros"]),
        helper.make_node("Add", ["zeros", "one"], ["ones"]),
    ]
    constants |= {"zero": np.array(0, np.float32), "one": np.array(1, np.float32)}
    for axis in "xy":
        nodes += [
            helper.make_node("CumSum", ["ones", f"axis_{axis}"], [f"index_{axis}"]),
            helper.make_node("Mul", [f"index_{axis}", "cell"], [f"end_{axis}"]),
            helper.make_node("Sub", [f"end_{axis}", "half"], [f"map_{axis}"]),
            helper.make_node("Reshape", [f"map_{axis}", "flat"], [f"center_{axis}"]),
        ]
    nodes.append(helper.make_node("Concat", ["center_x", "center_y"], ["center"], axis=2))
    for name, repeat in (("box", "two"), ("points", "five")):
        nodes += [
            helper.make_node("Mul", ["sizes", f"unit_{name}"], [f"offset_{name}"]),
            helper.make_node("Tile", ["center", repeat], [f"centers_{name}"]),
            helper.make_node("Add", [f"centers_{name}", f"offset_{name}"], [f"{name}_out"]),
        ]
    nodes += [
        helper.make_node("Identity", ["box_out"], ["boxes"]),
        helper.make_node("Identity", ["points_out"], ["points"]),
    ]
    return _model("detector", nodes, constants)


def landmarker_network(fractions: np.ndarray, visibility: float = 1.0, sigma: float = 0.01) -> bytes:
    count = len(fractions)
    constants = {
        "answer_landmarks": fractions.astype(np.float32)[None],
        "answer_visibility": np.full((1, count), visibility, np.float32),
        "answer_sigma": np.full((1, count), sigma, np.float32),
    }
    nodes = [
        *_constant_answer("landmarks", (1, 2, 3), "flat3", keep=3),
        *_constant_answer("visibility", (1, 2, 3), "flat2", keep=2),
        *_constant_answer("sigma", (1, 2, 3), "flat2", keep=2),
    ]
    return _model("landmarker", nodes, constants)


def regressor_network(coefficients: np.ndarray, name: str = "regressor") -> bytes:
    constants = {"answer_coefficients": coefficients.astype(np.float32)[None]}
    return _model(name, _constant_answer("coefficients", (1, 2, 3), "flat2", keep=2), constants)


def pca_free_network(grid: np.ndarray, pose: np.ndarray) -> bytes:
    """Answers with a (3, G, G) neutral and a (6,) pose; no expression, no correction."""
    answers = {
        "neutral_uv": grid,
        "expression": np.zeros(EXPRESSION),
        "correction_uv": np.zeros_like(grid),
        "pose": pose,
    }
    constants = {f"answer_{key}": value.astype(np.float32)[None] for key, value in answers.items()}
    constants["flat4"] = np.array([-1, 1, 1, 1])
    nodes = [
        node
        for key, value in answers.items()
        for node in _constant_answer(key, (1, 2, 3), f"flat{value.ndim + 1}", keep=value.ndim + 1)
    ]
    return _model("pca_free", nodes, constants)


def parser_network() -> bytes:
    colors = {"skin": 1, "nose": 0}, {"mask": 2}
    constants, nodes = (
        {},
        [
            helper.make_node("AveragePool", ["image"], ["cells"], kernel_shape=[2, 2], strides=[2, 2]),
        ],
    )
    for output, names, seen in zip(("classes", "occluder"), (PARTS, OCCLUDERS), colors, strict=True):
        kernel, bias = np.zeros((len(names), 3, 1, 1), np.float32), np.full(len(names), -9.0, np.float32)
        bias[0] = 0.0  # background, or nothing, unless a colour is stronger than half of what it can be
        for name, channel in seen.items():
            kernel[names.index(name), channel], bias[names.index(name)] = 20.0, -10.0
        constants |= {f"kernel_{output}": kernel, f"bias_{output}": bias}
        nodes += [
            helper.make_node("Conv", ["cells", f"kernel_{output}", f"bias_{output}"], [f"logits_{output}"]),
            helper.make_node("Softmax", [f"logits_{output}"], [output], axis=1),
        ]
    return _model("parser", nodes, constants)


def painting_network(name: str, color: tuple[float, float, float]) -> bytes:
    """The picture, with plain `color` in the hole; landmarks are asked for and not used."""
    constants = {"color": np.array(color, np.float32).reshape(1, 3, 1, 1), "half": np.array(0.5, np.float32)}
    nodes = [
        helper.make_node("ReduceMean", ["landmarks"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["color", "zero"], ["paint"]),
        helper.make_node("Greater", ["mask", "half"], ["hole"]),
        helper.make_node("Where", ["hole", "paint", "image"], ["completed"]),
    ]
    return _model(name, nodes, constants)


def coarse_network() -> bytes:
    """Cells of what the generator paints."""
    cells = np.broadcast_to(np.array(PAINT, np.float32).reshape(1, 3, 1, 1), (1, 3, COARSE_SIZE, COARSE_SIZE))
    nodes = [
        helper.make_node("ReduceMean", ["landmarks"], ["mean"], keepdims=0),
        helper.make_node("ReduceMean", ["mask"], ["covered"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("ReduceMean", ["image"], ["seen"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Sum", ["mean", "covered", "seen"], ["all"]),
        helper.make_node("Mul", ["all", "nothing"], ["zero"]),
        helper.make_node("Add", ["cells", "zero"], ["coarse"]),
    ]
    return _model("completer_coarse", nodes, {"cells": np.ascontiguousarray(cells)})


def rims_network() -> bytes:
    """What is darker than half of what it can be."""
    constants = {"kernel": np.full((1, 3, 1, 1), -20.0 / 3.0, np.float32), "bias": np.array([10.0], np.float32)}
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "bias"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["rims"]),
    ]
    return _model("rims", nodes, constants)


def _constant_answer(name: str, axes: tuple[int, ...], flat: str, keep: int) -> list[onnx.NodeProto]:
    """The same answer for every picture of the batch: zero times the picture's mean, plus the answer."""
    return [
        helper.make_node("ReduceMean", ["image"], [f"mean_{name}"], axes=axes, keepdims=1),
        helper.make_node("Mul", [f"mean_{name}", "nothing"], [f"zero_{name}"]),
        helper.make_node("Reshape", [f"zero_{name}", flat], [f"batch_{name}"]),
        helper.make_node("Add", [f"batch_{name}", f"answer_{name}"], [name]),
    ]


def _model(name: str, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> bytes:
    spec = SPECS[name]
    if name != "detector":
        constants |= {
            "nothing": np.array(0, np.float32),
            "flat2": np.array([-1, 1]),
            "flat3": np.array([-1, 1, 1]),
        }
    inputs, outputs = (
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, list(shape)) for key, shape in part.items()]
        for part in (spec.inputs, spec.outputs)
    )
    initializers = [numpy_helper.from_array(value, key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, name, inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18 if name == "detector" else 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model.SerializeToString()
