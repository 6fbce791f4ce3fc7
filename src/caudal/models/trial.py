"""Models are tried in a process of their own before this one loads them.

Libraries that run artifacts are written in C++: what they are led astray by ends their process, and an ONNX
graph of a few bytes may ask for any amount of memory. So a process that has nothing to lose goes first, with
bounds of memory and time, and without the settings of this one. Scorecards are Python's own arithmetic.

    python -c 'from caudal.models.trial import main; main()' < card-fraud.caudal-model
"""

import contextlib
import os
import subprocess
import sys
from typing import Final

import msgspec

from caudal.models import checking, errors, scoring
from caudal.models import format as model_format
from caudal.models.errors import ModelInvalid
from caudal.models.serving import Measured
from caudal.models.types import Kind, ModelFile
from caudal_base.errors import CaudalError

MEMORY_BYTES: Final = 4 * 1024**3
"""Of addresses: libraries reserve far more than they use."""
CPU_S: Final = 60
PATIENCE_S: Final = 120.0


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Why a model was refused, as it crosses from process to process."""

    code: str
    detail: str
    field: str | None = None


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: one of both."""

    measured: Measured | None = None
    refused: Refused | None = None


_ERRORS: Final = {
    error.code: error
    for error in (
        errors.ModelInvalid, errors.ModelCorrupt, errors.ModelSchemaUnknown, errors.ModelHashMismatch,
        errors.LibraryMissing,
    )
}  # fmt: skip


def try_model(file: ModelFile) -> Measured:
    """Load, try and measure a model where it can do no harm.

    Raises as `scoring.try_out` does, and `ModelInvalid` where the trial did not come to an end.
    """
    if file.card.kind is Kind.SCORECARD:
        return checking.measure(file, scoring.try_out(file))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAUDAL_")}
    try:
        ran = subprocess.run(  # noqa: S603 - this interpreter, this module
            [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
            input=model_format.content_of(file), capture_output=True, timeout=PATIENCE_S, check=False,
            env=environment | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ModelInvalid(f"its trial took more than {PATIENCE_S:.0f} s", field="artifact") from None
    try:
        tried = msgspec.json.decode(ran.stdout, type=Tried)
    except msgspec.MsgspecError:
        raise ModelInvalid(
            f"its trial ended with {_end_of(ran.returncode)}, within {CPU_S} s and "
            f"{MEMORY_BYTES // 1024**3} GiB of addresses",
            field="artifact",
        ) from None
    if tried.measured is not None:
        return tried.measured
    refused = tried.refused or Refused(code=ModelInvalid.code, detail="nothing was said")
    raise _ERRORS.get(refused.code, ModelInvalid)(refused.detail, field=refused.field)


def _end_of(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _bound() -> None:
    with contextlib.suppress(ImportError):  # Windows has no such bounds
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        with contextlib.suppress(ValueError):  # where the bound that stands is lower
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main() -> None:
    """Try the model on standard input, and say on standard output what came of it."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    _bound()
    try:
        file = model_format.unpack(sys.stdin.buffer.read())
        tried = Tried(measured=checking.measure(file, scoring.try_out(file)))
    except CaudalError as refused:
        tried = Tried(refused=Refused(code=refused.code, detail=refused.detail, field=refused.field))
    except MemoryError:
        told = Refused(code=ModelInvalid.code, detail="it asks for too much memory", field="artifact")
        tried = Tried(refused=told)
    os.write(answers, msgspec.json.encode(tried))
