"""ONNX files, read far enough to refuse those that reach outside of themselves or run without bound.

An ONNX file is a protobuf message. It may name other files as the place of its weights, operators of
libraries that are to be loaded, and loops. None of that has a place in a decision. Field numbers are those of
`onnx.proto` (IR version 3 and later).
"""

from collections.abc import Iterator
from typing import Final

from caudal.models.errors import ModelCorrupt, ModelInvalid

DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml"})
UNBOUNDED: Final = frozenset({"Loop", "Scan"})
BY_CHANCE: Final = frozenset(
    {
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)
MAX_DEPTH: Final = 8

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MODEL_GRAPH, _MODEL_FUNCTIONS, _FUNCTION_NODE = 7, 25, 7
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_SPARSE = 1, 5, 15
_NODE_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES = 22, 23
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14

Field = tuple[int, int | bytes]


def refuse_onnx(artifact: bytes) -> None:
    """Raise `ModelCorrupt` for what is no ONNX file, `ModelInvalid` for one that may not be run here."""
    graphs = 0
    for number, value in _fields(artifact):
        if number == _MODEL_GRAPH and isinstance(value, bytes):
            graphs += 1
            _refuse_graph(value, 0)
        elif number == _MODEL_FUNCTIONS and isinstance(value, bytes):
            for inner, node in _fields(value):
                if inner == _FUNCTION_NODE and isinstance(node, bytes):
                    _refuse_node(node, 0)
    if graphs != 1:
        raise _corrupt("it has no graph")


def _refuse_graph(graph: bytes, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ModelInvalid("graphs are nested too deep", field="artifact")
    for number, value in _fields(graph):
        if not isinstance(value, bytes):
            continue
        if number == _GRAPH_NODE:
            _refuse_node(value, depth)
        elif number == _GRAPH_TENSOR:
            _refuse_tensor(value)
        elif number == _GRAPH_SPARSE:
            _refuse_sparse(value)


def _refuse_node(node: bytes, depth: int) -> None:
    for number, value in _fields(node):
        if not isinstance(value, bytes):
            continue
        if number == _NODE_TYPE:
            _refuse_type(value.decode(errors="replace"))
        if number == _NODE_DOMAIN and value.decode(errors="replace") not in DOMAINS:
            raise ModelInvalid("operators of ONNX and ONNX-ML alone are taken", field="artifact")
        if number == _NODE_ATTRIBUTE:
            _refuse_attribute(value, depth)


def _refuse_type(kind: str) -> None:
    if kind in UNBOUNDED:
        raise ModelInvalid("loops are not taken: their cost has no bound", field="artifact")
    if kind in BY_CHANCE:
        raise ModelInvalid("what is drawn by chance is not taken: no score can be repeated", field="artifact")


def _refuse_attribute(attribute: bytes, depth: int) -> None:
    for number, value in _fields(attribute):
        if not isinstance(value, bytes):
            continue
        if number in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
            _refuse_tensor(value)
        elif number in (_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES):
            _refuse_sparse(value)
        elif number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
            _refuse_graph(value, depth + 1)


def _refuse_sparse(sparse: bytes) -> None:
    for number, value in _fields(sparse):
        if number in (1, 2) and isinstance(value, bytes):
            _refuse_tensor(value)


def _refuse_tensor(tensor: bytes) -> None:
    for number, value in _fields(tensor):
        if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value != 0):
            raise ModelInvalid("weights in other files are not taken", field="artifact")


def _fields(message: bytes) -> Iterator[Field]:
    """The fields of a protobuf message. Raises `ModelCorrupt` where it is none."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        kind, number = key & 7, key >> 3
        if number == 0:
            raise _corrupt("a field without a number")
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise _corrupt("a field of a kind that there is not")
        if at + size > end:
            raise _corrupt("it is cut off")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise _corrupt("it is cut off")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _corrupt(detail: str) -> ModelCorrupt:
    return ModelCorrupt(f"ONNX: {detail}", field="artifact")
