"""What access control says no with.

Unauthenticated
└── InvalidApiKey       401  whatever is wrong with the key: the answer does not tell
Forbidden
├── MissingScope        403  the key lacks a scope; `scope` names it
├── BookOutOfReach      403  the key is not bound to the book, be there such a book or not
└── GrantTooWide        403  a key cannot give what it does not have
InvalidRequest
├── BookRequired        400  the key reaches several books: name one
└── InvalidKeyRequest   400  a key that cannot be made as asked
NotFound
└── KeyNotFound         404  no such key, or none that the caller may see
"""

from caudal_base.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated


class InvalidApiKey(Unauthenticated):
    """There is no key, or it is malformed, unknown, expired or revoked. Always the same words."""

    def __init__(self) -> None:
        """Nothing to say: which of the reasons it is must not show."""
        super().__init__("send a valid API key as `Authorization: Bearer caudal_…`")


class MissingScope(Forbidden):
    """The key does not have the scope that this needs."""

    code = "missing_scope"
    title = "The API key lacks a scope"


class BookOutOfReach(Forbidden):
    """The key is bound to other books. The same whether or not the book exists."""

    code = "book_out_of_reach"
    title = "The API key does not reach this book"


class GrantTooWide(Forbidden):
    """The new key would have a scope or reach a book that its maker does not."""

    code = "grant_too_wide"
    title = "A key cannot grant more than it has"


class BookRequired(InvalidRequest):
    """The key reaches several books and the request names none."""

    code = "book_required"
    title = "The request must name a book"


class InvalidKeyRequest(InvalidRequest):
    """A key that cannot be made: no name, no scope, no book, or expired before it begins."""

    code = "invalid_key_request"
    title = "The key cannot be made as asked"


class KeyNotFound(NotFound):
    """There is no such key, or none that the caller may see."""

    code = "key_not_found"
    title = "There is no such API key"
