"""What the pages show is what the program prints."""

import itertools
import re
import shutil
from pathlib import Path

import pytest

from support.doc_pages import PAGES, ROOT, carry_out, examples, normal
from support.processes import Up

WITH_EXAMPLES = [page for page in PAGES if examples(page)]

_numbers = itertools.count()

_PAYS = re.compile(r"payments (create|list)|payouts create|/payments\b|payments\.create")


@pytest.mark.timeout(300)  # a page may start a dozen commands, each a Python of its own
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_print_what_the_page_says(page: Path, up: Up, tmp_path: Path) -> None:
    # The sandbox's partners serve the book `main`: the pages about payments have it in turn.
    about_payments = any(_PAYS.search(example.text) for example in examples(page))
    book = "main" if about_payments else f"page-{next(_numbers)}"
    if book != "main":
        assert up.caudal("ledger", "books", "create", book).code == 0
    made = up.caudal("keys", "create", book, "--scope", "admin", "--book", book, "--json")

    carried_out = carry_out(page, url=up.url, key=made.json["text"], data=up.directory, directory=tmp_path)

    assert len(carried_out) == len(examples(page))
    for example, printed in carried_out:
        if example.printed is not None:
            assert normal(printed, page) == normal(example.printed, page), example.text


def test_the_examples_are_found() -> None:
    assert {"README.md", "docs/guides/getting-started.md"} <= {
        str(page.relative_to(ROOT)) for page in WITH_EXAMPLES
    }
