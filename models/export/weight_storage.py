"""How large weights are stored in an ONNX file: in single precision, half precision, or 8 bits per output channel.

Whatever the storage, the arithmetic stays in single precision: the runtime widens the weights once, when it loads the
file, because what widens them depends on constants alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BITS = (32, 16, 8)
DESCRIBED = {32: "float32", 16: "float16", 8: "int8 per channel"}
LEAST_SIZE = 256  # smaller arrays stay in single precision
_LEAST_OF_8_BITS = 4096  # what is smaller saves little and is often a narrow place: it takes 16
_LEVELS = 127  # of int8 on either side of zero
_HALF, _LEVEL, _SCALE = ".half", ".int8", ".scale"  # ends of the names of what is stored

Parts = tuple[list[onnx.TensorProto], list[onnx.NodeProto]]  # tensors in place of one, and the nodes that widen them


class StorageError(RuntimeError):
    """Weights cannot be stored in the precision asked for."""


def store(model: onnx.ModelProto, bits: int) -> None:
    """Store the large weights of a model in so many `BITS`; what is not a matrix or a kernel takes at least 16.

    So do the last layers: what they read is never negative, so that their rounding adds up, and nothing evens it out.
    """
    if bits == 32:
        return
    axes, last = _channel_axes(model), _last_weights(model)
    widening: list[onnx.NodeProto] = []
    for tensor in list(model.graph.initializer):
        array = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or array.size < LEAST_SIZE or (bits == 8 and array.ndim < 2):
            continue
        if bits == 16 or tensor.name in last or array.size < _LEAST_OF_8_BITS:
            tensors, nodes = _half(tensor.name, array)
        else:
            tensors, nodes = _bytes(tensor.name, array, axes.get(tensor.name, 0))
        model.graph.initializer.remove(tensor)
        model.graph.initializer.extend(tensors)
        widening += nodes
    for node in reversed(widening):
        model.graph.node.insert(0, node)


def widened(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The float32 weights of a model by name, whatever they are stored in."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    out = {name.removesuffix(_HALF): array.astype(np.float32) for name, array in arrays.items()}
    for name in [name for name in out if name.endswith(_LEVEL)]:
        base = name.removesuffix(_LEVEL)
        out[base] = out.pop(name) * out.pop(base + _SCALE)
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in out:  # equal arrays are stored once
            out[node.output[0]] = out[node.input[0]]
    return out


def _half(name: str, array: np.ndarray) -> Parts:
    if np.abs(array).max() > np.finfo(np.float16).max:
        raise StorageError(f"{name} does not fit into half precision")
    stored = numpy_helper.from_array(array.astype(np.float16), name + _HALF)
    return [stored], [helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT)]


def _bytes(name: str, array: np.ndarray, axis: int) -> Parts:
    """int8 levels and the float scale of every channel: weight = level * scale."""
    others = tuple(k for k in range(array.ndim) if k != axis)
    scale = np.maximum(np.abs(array).max(axis=others, keepdims=True) / _LEVELS, np.finfo(np.float32).tiny)
    levels = numpy_helper.from_array(np.rint(array / scale).astype(np.int8), name + _LEVEL)
    scales = numpy_helper.from_array(scale.astype(np.float32), name + _SCALE)
    return [levels, scales], [
        helper.make_node("Cast", [levels.name], [f"{name}.wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}.wide", scales.name], [name]),
    ]


def _channel_axes(model: onnx.ModelProto) -> dict[str, int]:
    """Axis of the output channels of every weight where it is not the first."""
    ranks = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    axes: dict[str, int] = {}
    for node in model.graph.node:
        axis = _AXES.get(node.op_type)
        if axis is not None and len(node.input) > 1 and node.input[1] in ranks:
            axes[node.input[1]] = axis(node, ranks[node.input[1]])
    return axes


def _last_weights(model: onnx.ModelProto) -> set[str]:
    """Names of the weights behind which no other layer follows on the way to an output."""
    makers = {name: node for node in model.graph.node for name in node.output}
    out, seen, waiting = set[str](), set[str](), [value.name for value in model.graph.output]
    while waiting:
        name = waiting.pop()
        node = makers.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        if node.op_type in _LAYERS:
            out.add(node.input[1])
        else:
            waiting += node.input
    return out


def _gemm_axis(node: onnx.NodeProto, rank: int) -> int:
    transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    return 0 if transposed else 1


_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_AXES: dict[str, Callable[[onnx.NodeProto, int], int]] = {  # of the second input
    "ConvTranspose": lambda node, rank: 1,
    "Gemm": _gemm_axis,
    "MatMul": lambda node, rank: rank - 1,
}
