"""LightGBM models by the library's C interface: one row in some microseconds.

`Booster.predict` takes eight times as long, since it asks what kind of data it gets each time. Python's
package is not imported: it brings pandas and scikit-learn, and only its library is needed.
"""

import ctypes
import functools
import importlib.util
import struct
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from caudal.models.engines import EngineFailed, Parts, Vector
from caudal.models.errors import LibraryMissing, ModelCorrupt
from caudal.models.lightgbm_text import sound_text
from caudal.models.types import Card

_FLOAT64: Final = 1
_RAW: Final = 1
_CONTRIBUTIONS: Final = 3
_ALL: Final = -1
_PARAMETERS: Final = b"num_threads=1 predict_disable_shape_check=false verbosity=-1"
_NAMES: Final = {"win32": "lib_lightgbm.dll", "darwin": "lib_lightgbm.dylib"}


@functools.cache
def library() -> Any:
    """The library. Raises `LibraryMissing` where it is not installed, or cannot be loaded."""
    found = importlib.util.find_spec("lightgbm")
    if found is None or found.origin is None:
        raise LibraryMissing("LightGBM is not installed: caudal[models] brings it")
    name = _NAMES.get(sys.platform, "lib_lightgbm.so")
    for folder in ("lib", "bin"):
        path = Path(found.origin).parent / folder / name
        if path.exists():
            break
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as wrong:
        raise LibraryMissing(f"LightGBM's library cannot be loaded: {wrong}") from None
    loaded.LGBM_GetLastError.restype = ctypes.c_char_p
    loaded.LGBM_BoosterPredictForMatSingleRowFast.argtypes = [ctypes.c_void_p] * 4
    return loaded


class LightGbmEngine:
    """A model of LightGBM. Each thread has a buffer of its own."""

    additive = True
    quick = False

    def __init__(self, card: Card, artifact: bytes) -> None:
        """Raises `ModelCorrupt`, `ModelInvalid`, `LibraryMissing`."""
        self._inputs = len(card.inputs)
        text = sound_text(artifact, self._inputs)
        self._library = library()
        self._handle = ctypes.c_void_p()
        iterations = ctypes.c_int()
        failed = self._library.LGBM_BoosterLoadModelFromString(
            text, ctypes.byref(iterations), ctypes.byref(self._handle)
        )
        if failed:
            raise ModelCorrupt(f"LightGBM does not read it: {self._error()}", field="artifact")
        self._terms = tuple((place,) for place in range(self._inputs))
        self._made: list[ctypes.c_void_p] = []
        self._threads = _Buffers(self)

    def __del__(self) -> None:
        """Give the model's memory back, with that of the buffers."""
        for configuration in getattr(self, "_made", ()):
            self._library.LGBM_FastConfigFree(configuration)
        handle = getattr(self, "_handle", None)
        if handle:
            self._library.LGBM_BoosterFree(handle)

    def raw(self, vector: Vector) -> float:
        """The sum of the trees."""
        mine = self._threads
        mine.pack(mine.row, 0, *vector)
        if mine.predict(mine.configuration, mine.row_at, mine.length_at, mine.result_at):
            raise EngineFailed(f"LightGBM: {self._error()}")
        value: float = mine.result.value
        return value

    def raws(self, vectors: Sequence[Vector]) -> list[float]:
        """The same for many. Row by row: the library takes several times as long for a row of a matrix."""
        return [self.raw(vector) for vector in vectors]

    def parts(self, vector: Vector) -> Parts:
        """Shapley values of the trees (Lundberg et al. 2018): exact, and they add up; milliseconds."""
        row, length = (ctypes.c_double * self._inputs)(*vector), ctypes.c_int64()
        out = (ctypes.c_double * (self._inputs + 1))()
        failed = self._library.LGBM_BoosterPredictForMat(
            self._handle, row, _FLOAT64, 1, self._inputs, 1, _CONTRIBUTIONS, 0, _ALL, _PARAMETERS,
            ctypes.byref(length), out,
        )  # fmt: skip
        if failed or length.value != len(out):
            raise EngineFailed(f"LightGBM: {self._error()}")
        *parts, base = out
        return Parts(base=base, parts=tuple(parts), terms=self._terms)

    def configure(self) -> ctypes.c_void_p:
        """What predicting single rows needs to know, for one thread."""
        configuration = ctypes.c_void_p()
        failed = self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
            self._handle, _RAW, 0, _ALL, _FLOAT64, self._inputs, _PARAMETERS, ctypes.byref(configuration)
        )
        if failed:
            raise EngineFailed(f"LightGBM: {self._error()}")
        self._made.append(configuration)
        return configuration

    @property
    def inputs(self) -> int:
        """How many."""
        return self._inputs

    @property
    def predict(self) -> Any:
        """The library's function for a single row."""
        return self._library.LGBM_BoosterPredictForMatSingleRowFast

    def _error(self) -> str:
        told: bytes = self._library.LGBM_GetLastError()
        return told.decode(errors="replace")[:200]


class _Buffers(threading.local):
    """One thread's row, result and configuration, made when the thread first scores."""

    def __init__(self, engine: LightGbmEngine) -> None:
        inputs = engine.inputs
        self.configuration = engine.configure()
        self.row = (ctypes.c_double * inputs)()
        self.result, self._length = ctypes.c_double(), ctypes.c_int64()
        self.row_at = ctypes.addressof(self.row)
        self.result_at, self.length_at = ctypes.addressof(self.result), ctypes.addressof(self._length)
        self.pack = struct.Struct(f"={inputs}d").pack_into
        self.predict = engine.predict
