"""The endpoints of books, templates and reports."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import books, examples, reports, template_pages
from caudal.api.bodies import Write
from caudal.api.declaring import listing, ok
from caudal.api.endpoint import Access, Endpoint, KeyUse, NoBody, NoQuery, Shape
from caudal.api.queries import (
    JournalQuery,
    PageQuery,
    TemplateQuery,
    TemplatesQuery,
    TrialBalanceQuery,
)
from caudal.api.views import PageView
from caudal.ledger import templates

_BOOKS: Final = "Books"
_TEMPLATES: Final = "Templates"
_REPORTS: Final = "Reports"
_DRY_RUN: Final = "By `dry_run`, what would be answered."

ENDPOINTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/books",
        name="create_book",
        tag=_BOOKS,
        summary="Make a book",
        description="Needs a key that reaches all books.",
        handle=books.make_book,
        query=Write,
        body=books.NewBook,
        access=Access.KEY,
        scope=Scope.BOOKS_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="Made.", type=books.BookView, example=examples.BOOK_VIEW),),
            **ok(_DRY_RUN, books.BookView, examples.BOOK_VIEW),
        },
        errors=(409, 422),
        example=examples.NEW_BOOK,
    ),
    Endpoint(
        method="GET",
        path="/v1/books",
        name="list_books",
        tag=_BOOKS,
        summary="List the books that the key reaches",
        handle=books.find_books,
        query=PageQuery,
        body=NoBody,
        access=Access.KEY,
        scope=Scope.LEDGER_READ,
        answers=ok("A page.", PageView[books.BookView], examples.BOOK_LIST),
    ),
    Endpoint(
        method="GET",
        path="/v1/books/{id}",
        name="get_book",
        tag=_BOOKS,
        summary="Read a book",
        handle=books.read_book,
        query=NoQuery,
        body=NoBody,
        access=Access.KEY,
        scope=Scope.LEDGER_READ,
        answers=ok("The book.", books.BookView, examples.BOOK_VIEW),
        errors=(404,),
        path_ids={"id": examples.BOOK},
    ),
    Endpoint(
        method="POST",
        path="/v1/templates",
        name="create_template",
        tag=_TEMPLATES,
        summary="Keep a template",
        description="Another definition under a name becomes its next version; a version never changes.",
        handle=template_pages.create_template,
        query=Write,
        body=templates.NewTemplate,
        scope=Scope.LEDGER_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (
                Shape(description="Kept.", type=template_pages.TemplateView, example=examples.TEMPLATE_VIEW),
            ),
            **ok(
                "Some version has this definition already, or it is a dry run.",
                template_pages.TemplateView,
                examples.TEMPLATE_VIEW,
            ),
        },
        errors=(422,),
        example=examples.NEW_TEMPLATE,
    ),
    listing(
        "/v1/templates", "list_templates", _TEMPLATES, "List templates, every version",
        template_pages.find_templates, TemplatesQuery, scope=Scope.LEDGER_READ, answer="A page.",
        row=template_pages.TemplateView, example=examples.TEMPLATE_LIST,
    ),
    Endpoint(
        method="GET",
        path="/v1/templates/{name}",
        name="get_template",
        tag=_TEMPLATES,
        summary="Read a template",
        handle=template_pages.read_template,
        query=TemplateQuery,
        body=NoBody,
        scope=Scope.LEDGER_READ,
        answers=ok(
            "The version asked for, or the newest.", template_pages.TemplateView, examples.TEMPLATE_VIEW
        ),
        errors=(404,),
        path_ids={"name": "sale"},
    ),
    Endpoint(
        method="GET",
        path="/v1/trial-balance",
        name="get_trial_balance",
        tag=_REPORTS,
        summary="The trial balance, now or of the past",
        handle=reports.read_trial_balance,
        waits=False,
        query=TrialBalanceQuery,
        body=NoBody,
        scope=Scope.LEDGER_READ,
        answers=ok("By chart code and currency.", reports.TrialBalanceView, examples.TRIAL_BALANCE),
    ),
    Endpoint(
        method="POST",
        path="/v1/periods",
        name="close_period",
        tag=_REPORTS,
        summary="Close a period",
        description="Nothing can then be recorded with an effective date inside, but with the scope "
        "`ledger:post_closed_period`.",
        handle=reports.make_period,
        query=Write,
        body=reports.NewPeriod,
        scope=Scope.LEDGER_CLOSE_PERIOD,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="Closed.", type=reports.PeriodView, example=examples.PERIOD_VIEW),),
            **ok(_DRY_RUN, reports.PeriodView, examples.PERIOD_VIEW),
        },
        errors=(404, 409, 422),
        example=examples.NEW_PERIOD,
    ),
    listing(
        "/v1/periods", "list_periods", _REPORTS, "List closes, the latest first", reports.find_periods,
        PageQuery, scope=Scope.LEDGER_READ, answer="A page.", row=reports.PeriodView,
        example=examples.PERIOD_LIST,
    ),
    Endpoint(
        method="GET",
        path="/v1/journal",
        name="follow_journal",
        tag=_REPORTS,
        summary="Everything that happened in the book, in order",
        description="A page as JSON, or by `format=ndjson` or `Accept: application/x-ndjson` everything "
        "up to now as a stream of lines. A stream that breaks off is continued with the last `seq` seen.",
        handle=reports.follow_journal,
        query=JournalQuery,
        body=NoBody,
        scope=Scope.LEDGER_READ,
        answers={
            200: (
                Shape(description="A page.", type=reports.JournalView, example=examples.JOURNAL),
                Shape(
                    description="One row a line.",
                    media_type=reports.NDJSON,
                    example=examples.JOURNAL_LINES,
                ),
            )
        },
        errors=(404,),
    ),
)  # fmt: skip
