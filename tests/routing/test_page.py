"""The page on routing shows rules that work, the rows that always stand, and every refusal."""

import re
from pathlib import Path

import msgspec

from caudal.connectors import Drift
from caudal.connectors.bank import create as create_bank
from caudal.connectors.meridian import create as create_meridian
from caudal.connectors.stripe import create as create_stripe
from caudal.routing import DEFAULTS, Conditions, Rules, RulesInvalid, Then, problems, warnings
from caudal_base.clock import SystemClock
from caudal_base.secret import Secret
from caudal_base.settings import PartnerSettings

PAGE = (Path(__file__).parents[2] / "docs" / "concepts" / "routing.md").read_text(encoding="utf-8")
CREATE = {"stripe": create_stripe, "meridian": create_meridian, "bank": create_bank}


def test_the_worked_example_may_be_published() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    rules = msgspec.json.decode(example, type=Rules)
    settings = PartnerSettings(connector="x", book="main", url="http://127.0.0.1:9", api_key=Secret("key"))
    partners = {
        name: create(name, settings, Drift(name, SystemClock())).capabilities
        for name, create in CREATE.items()
    }
    assert problems(rules, partners) == []
    said = warnings(rules, partners)
    assert [text for text in said if "never reached" in text or "token" in text] == []


def rows(heading: str) -> dict[str, str]:
    """The table below a heading's words: the first column's code, and the last column."""
    table = PAGE[PAGE.index(heading) :].split("\n\n")[0]
    return {
        cells[1].strip(" `"): cells[-2].strip()
        for cells in (line.split("|") for line in table.splitlines()[2:])
    }


def test_the_table_of_causes_is_the_one_that_is_carried_out() -> None:
    words = {Then.NEVER: "never", Then.LATER: "later", Then.ELSEWHERE: "elsewhere"}
    shown = rows("| cause | what happened |")
    assert list(shown) == [row.cause.value for row in DEFAULTS]
    for row in DEFAULTS:
        assert shown[row.cause.value].startswith(words[row.then])


def test_every_condition_and_every_refusal_is_told_of() -> None:
    told = [name for line in rows("| condition | holds where |") for name in line.split("`, `")]
    assert told == list(Conditions.__struct_fields__)
    codes = {RulesInvalid.code, *(error.code for error in RulesInvalid.__subclasses__())}
    assert set(rows("| code | refused for |")) == codes
