"""ONNX models: one tensor of 32-bit floats in, a column of floats out.

As skl2onnx writes them with `zipmap: False`, and most others: the input has a row a vector; of an output with
two columns, the second is the probability.
"""

import importlib
import math
from collections.abc import Sequence
from typing import Any, Final

from caudal.models.engines import EngineFailed, Parts, Vector
from caudal.models.errors import LibraryMissing, ModelCorrupt, ModelInvalid
from caudal.models.onnx_wire import refuse_onnx
from caudal.models.types import Card, InputKind

_FLOATS: Final = frozenset({"tensor(float)", "tensor(double)"})
_QUIET: Final = 4
"""Only what is fatal: the rest comes as an exception."""


class OnnxEngine:
    """A model of ONNX Runtime, on one thread. Its parts are what changes where one input is the usual."""

    additive = False
    quick = False

    def __init__(self, card: Card, artifact: bytes) -> None:
        """Raises `ModelCorrupt`, `ModelInvalid`, `LibraryMissing`."""
        refuse_onnx(artifact)
        try:
            runtime = importlib.import_module("onnxruntime")
            self._numpy: Any = importlib.import_module("numpy")
        except ImportError as wrong:
            raise LibraryMissing(f"ONNX Runtime is not installed: {wrong}") from None
        runtime.set_default_logger_severity(_QUIET)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _QUIET
        try:
            self._session = runtime.InferenceSession(
                artifact, sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as wrong:  # its errors have no common base but this
            raise ModelCorrupt(
                f"ONNX Runtime does not read it: {str(wrong)[:200]}", field="artifact"
            ) from None
        self._input, self._type = self._takes(len(card.inputs))
        self._output = self._gives(card.output)
        self._usual = _usual(card)
        self._terms = tuple((place,) for place in range(len(card.inputs)))
        if len(self.raws([self._usual, self._usual])) != 2:
            raise ModelInvalid("it does not take several rows at once", field="artifact")

    def raw(self, vector: Vector) -> float:
        """The output for one row."""
        return self.raws([vector])[0]

    def raws(self, vectors: Sequence[Vector]) -> list[float]:
        """The outputs for many rows. Raises `EngineFailed`, also for one that is no number."""
        if not vectors:
            return []
        rows = self._numpy.array(vectors, dtype=self._type)
        try:
            (out,) = self._session.run([self._output], {self._input: rows})
        except Exception as wrong:  # as above
            raise EngineFailed(f"ONNX Runtime: {str(wrong)[:200]}") from None
        if out.ndim not in (1, 2) or len(out) != len(vectors):
            raise EngineFailed(f"ONNX Runtime: an output of the form {out.shape}")
        column = out if out.ndim == 1 else out[:, -1]
        return [float(value) for value in column]

    def parts(self, vector: Vector) -> Parts:
        """By how much the output falls where one input has its usual value: they do not add up."""
        others = [[*vector[:place], usual, *vector[place + 1 :]] for place, usual in enumerate(self._usual)]
        whole, *without = self.raws([vector, *others])
        return Parts(
            base=self.raw(self._usual), parts=tuple(whole - one for one in without), terms=self._terms
        )

    def _takes(self, inputs: int) -> tuple[str, str]:
        found = self._session.get_inputs()
        if len(found) != 1 or found[0].type not in _FLOATS or len(found[0].shape) != 2:
            raise ModelInvalid("its input is one tensor of floats with a row a vector", field="artifact")
        width = found[0].shape[1]
        if isinstance(width, int) and width != inputs:
            raise ModelInvalid(f"it has {width} inputs, the card {inputs}", field="artifact")
        return found[0].name, "float32" if found[0].type == "tensor(float)" else "float64"

    def _gives(self, wanted: str | None) -> str:
        floats: list[str] = [one.name for one in self._session.get_outputs() if one.type in _FLOATS]
        if not floats or (wanted is not None and wanted not in floats):
            raise ModelInvalid("it has no such output of floats", field="output")
        return floats[-1] if wanted is None else wanted


def _usual(card: Card) -> list[float]:
    found = []
    for one in card.inputs:
        if one.kind is InputKind.CATEGORY:
            known = one.typical in one.categories
            found.append(float(one.categories.index(str(one.typical))) if known else math.nan)
        elif isinstance(one.typical, int | float):
            found.append(float(one.typical))
        else:
            found.append(math.nan if one.missing is None else one.missing)
    return found
