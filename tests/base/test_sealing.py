"""What is sealed is opened by whoever has the key, for what it was sealed for, and by nobody else."""

import base64
import concurrent.futures
from pathlib import Path

import pytest

from caudal_base.sealing import FILE, InvalidSealingKey, SealBroken, Sealing, keys_of
from caudal_base.secret import Secret

OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"n"))
NOWHERE = Path("/nowhere")


def sealing(text: str) -> Sealing:
    return Sealing(Secret(text), NOWHERE)


def test_what_is_sealed_is_opened_in_its_context_alone() -> None:
    sealed = sealing(OLD).seal(b"secret", context="a row")

    assert sealing(OLD).open(sealed, context="a row") == b"secret"
    assert b"secret" not in sealed
    with pytest.raises(SealBroken):
        sealing(OLD).open(sealed, context="another row")


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    assert sealing(OLD).seal(b"s", context="") != sealing(OLD).seal(b"s", context="")


@pytest.mark.parametrize("place", [0, 1, 5, 20, -1])
def test_a_bit_that_is_changed_breaks_the_seal(place: int) -> None:
    sealed = bytearray(sealing(OLD).seal(b"secret", context=""))
    sealed[place] ^= 1

    with pytest.raises(SealBroken):
        sealing(OLD).open(bytes(sealed), context="")


def test_while_keys_change_the_first_seals_and_both_open() -> None:
    before = sealing(OLD).seal(b"secret", context="")
    both = sealing(f"{NEW},{OLD}")

    assert both.open(before, context="") == b"secret"
    assert sealing(NEW).open(both.seal(b"secret", context=""), context="") == b"secret"
    with pytest.raises(SealBroken):
        sealing(NEW).open(before, context="")


def test_in_development_the_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    sealed = Sealing(None, directory).seal(b"secret", context="")

    assert Sealing(None, directory).open(sealed, context="") == b"secret"
    assert [file.name for file in directory.iterdir()] == [FILE]
    assert (directory / FILE).stat().st_mode & 0o077 == 0


def test_processes_that_start_together_use_one_key(tmp_path: Path) -> None:
    def seal(_: int) -> bytes:
        return Sealing(None, tmp_path).seal(b"secret", context="")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(seal, range(16)))

    assert {Sealing(None, tmp_path).open(one, context="") for one in sealed} == {b"secret"}
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_who_seals_nothing_needs_no_key() -> None:
    Sealing(None, NOWHERE)


@pytest.mark.parametrize("text", ["", "a", OLD[:-4], f"{OLD},"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidSealingKey):
        keys_of(text)
