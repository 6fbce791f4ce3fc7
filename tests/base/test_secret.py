import copy
import json
import logging
import pickle

import msgspec
import pytest

from caudal_base.secret import Secret

TEXT = "hunter2"
SECRET = Secret(TEXT)


class Holder(msgspec.Struct, frozen=True):
    name: str
    password: Secret


def test_only_reveal_gives_it_away() -> None:
    assert SECRET.reveal() == TEXT


def test_no_way_of_printing_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("one %s two %r", SECRET, SECRET)
    shown = [str(SECRET), repr(SECRET), f"{SECRET}", f"{SECRET!r:>30}", f"{SECRET:>30}", "%s" % SECRET]  # noqa: UP031
    shown += [repr(Holder("n", SECRET)), str([SECRET]), str({"k": SECRET}), caplog.text]
    shown.append(msgspec.json.encode(SECRET, enc_hook=str).decode())
    for text in shown:
        assert TEXT not in text
        assert "***" in text


def test_it_cannot_be_serialised() -> None:
    for serialise in (pickle.dumps, json.dumps, msgspec.json.encode, msgspec.to_builtins):
        with pytest.raises(TypeError):
            serialise(Holder("n", SECRET))


def test_an_error_that_carries_it_does_not_show_it() -> None:
    assert TEXT not in repr(ValueError("wrong password", SECRET))


def test_copies_are_the_secret_itself() -> None:
    assert copy.copy(SECRET) is SECRET
    assert copy.deepcopy(Holder("n", SECRET)).password is SECRET


def test_secrets_compare_by_their_text_and_to_secrets_only() -> None:
    assert Secret(TEXT) == SECRET
    assert Secret("other") != SECRET
    assert SECRET != TEXT
    assert Secret("").__bool__() is False
    assert SECRET


def test_it_is_not_hashable_so_it_cannot_be_looked_up_by_guessing() -> None:
    with pytest.raises(TypeError):
        hash(SECRET)
