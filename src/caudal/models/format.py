"""Model files: how a card and an artifact are one file, and what their hash is.

    caudal-model 1 <hash> <bytes of the card> <bytes of the artifact>\\n
    <card: canonical JSON>\\n
    <artifact>

The hash is BLAKE2b-256 over the card's length (8 bytes, big-endian), the card and the artifact. Canonical:
members sorted, no spaces, floats by their shortest form that reads back the same.
"""

import hashlib
import re
from typing import Final

import msgspec

from caudal.models.errors import ModelCorrupt, ModelHashMismatch, ModelInvalid, ModelSchemaUnknown
from caudal.models.rules import refuse_card
from caudal.models.types import SCHEMA, Card, ModelFile
from caudal_base.errors import InvalidRequest
from caudal_base.strictjson import StrictDecoder

MAX_CARD_BYTES: Final = 4 * 1024 * 1024
MAX_ARTIFACT_BYTES: Final = 64 * 1024 * 1024
MAX_FILE_BYTES: Final = MAX_CARD_BYTES + MAX_ARTIFACT_BYTES + 1_024
SUFFIX: Final = ".caudal-model"

_HEAD: Final = re.compile(rb"caudal-model ([0-9]{1,6}) ([0-9a-f]{64}) ([0-9]{1,9}) ([0-9]{1,9})\n")
_encoder: Final = msgspec.json.Encoder(order="sorted")
_decoder: Final = StrictDecoder(Card, max_bytes=MAX_CARD_BYTES)


class _SchemaOnly(msgspec.Struct):
    schema: int | None = None


def canonical(card: Card) -> bytes:
    """The one JSON text of a card."""
    return _encoder.encode(card)


def content_hash(card: bytes, artifact: bytes) -> str:
    """The hash of a canonical card and its artifact."""
    digest = hashlib.blake2b(len(card).to_bytes(8, "big"), digest_size=32)
    digest.update(card)
    digest.update(artifact)
    return digest.hexdigest()


def pack(card: Card, artifact: bytes) -> bytes:
    """The file of a model. Raises `ModelInvalid` for a card that cannot be."""
    return content_of(assemble(card, artifact))


def content_of(file: ModelFile) -> bytes:
    """The bytes of a model's file."""
    head = f"caudal-model {file.card.schema} {file.hash} {len(file.text)} {len(file.artifact)}\n".encode()
    return b"".join((head, file.text, b"\n", file.artifact))


def unpack(content: bytes) -> ModelFile:
    """The model in a file.

    Raises `ModelCorrupt`, `ModelSchemaUnknown`, `ModelHashMismatch`, `ModelInvalid`.
    """
    head = _HEAD.match(content)
    if head is None:
        raise ModelCorrupt("it does not begin as a model file does", field="file")
    schema, hash_, card_size, artifact_size = head[1], head[2].decode(), int(head[3]), int(head[4])
    if int(schema) != SCHEMA:
        raise ModelSchemaUnknown(f"schema {int(schema)} is not read here, {SCHEMA} is", field="schema")
    start = head.end()
    if len(content) != start + card_size + 1 + artifact_size:
        raise ModelCorrupt("it is cut off, or has more than its head says", field="file")
    card = content[start : start + card_size]
    return read(card, content[start + card_size + 1 :], expected=hash_)


def read(card: bytes, artifact: bytes, *, expected: str | None) -> ModelFile:
    """A model of its card's JSON and its artifact, as they were kept or sent; `expected` is its hash.

    Raises as `unpack` does. Without a hash the card is made canonical.
    """
    schema = _schema_of(card)
    if schema != SCHEMA:
        raise ModelSchemaUnknown(f"schema {schema} is not read here, {SCHEMA} is", field="schema")
    if expected is not None and content_hash(card, artifact) != expected:
        raise ModelHashMismatch("card and artifact are not what the hash was made of", field="hash")
    try:
        decoded = _decoder.decode(card)
    except InvalidRequest as wrong:
        raise ModelInvalid(wrong.detail, field=wrong.field or "card") from None
    file = assemble(decoded, artifact)
    return file if expected is None else msgspec.structs.replace(file, text=card, hash=expected)


def assemble(card: Card, artifact: bytes) -> ModelFile:
    """A model of its parts. Raises `ModelInvalid` for a card that cannot be; nobody looks at the artifact."""
    if len(artifact) > MAX_ARTIFACT_BYTES:
        raise ModelInvalid(f"the artifact has more than {MAX_ARTIFACT_BYTES} bytes", field="artifact")
    refuse_card(card)
    text = canonical(card)
    return ModelFile(card=card, text=text, artifact=artifact, hash=content_hash(text, artifact))


def _schema_of(card: bytes) -> int | None:
    try:
        return msgspec.json.decode(card, type=_SchemaOnly).schema
    except (msgspec.MsgspecError, RecursionError):
        raise ModelCorrupt("the card is no JSON object with a schema", field="card") from None
