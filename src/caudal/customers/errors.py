"""The errors of customers and products.

CaudalError
├── NotFound       404  customer_not_found, product_not_found
├── Unprocessable  422  product_unknown, product_invalid, customer_invalid
└── Conflict       409  customer_exists, customer_reference_taken, customer_closed, customer_not_empty,
                        customer_accounts_refused
"""

from caudal_base.errors import Conflict, NotFound, Unprocessable


class CustomerNotFound(NotFound):
    """No customer of the book has this id."""

    code = "customer_not_found"
    title = "There is no such customer"


class ProductNotFound(NotFound):
    """No product of the book has this name and version."""

    code = "product_not_found"
    title = "There is no such product"


class ProductUnknown(Unprocessable):
    """The product that a customer is to have does not exist."""

    code = "product_unknown"
    title = "The product does not exist"


class ProductInvalid(Unprocessable):
    """A product that can never work: `field` says what of it."""

    code = "product_invalid"
    title = "The product cannot be so"


class CustomerInvalid(Unprocessable):
    """A customer that cannot be as asked: `field` says why."""

    code = "customer_invalid"
    title = "The customer cannot be so"


class CustomerExists(Conflict):
    """The id belongs to a customer that was created with other content; `field` is the first to differ."""

    code = "customer_exists"
    title = "Another customer has this id"


class CustomerReferenceTaken(Conflict):
    """Another customer of the book has this reference."""

    code = "customer_reference_taken"
    title = "Another customer has this reference"


class CustomerClosed(Conflict):
    """A closed customer stays as it is."""

    code = "customer_closed"
    title = "The customer is closed"


class CustomerNotEmpty(Conflict):
    """A customer closes only when every account is at zero, without open holds."""

    code = "customer_not_empty"
    title = "The customer's accounts are not at zero"


class CustomerAccountsRefused(Conflict):
    """The ledger refused to open or close one of the customer's accounts; `reason` is its code."""

    code = "customer_accounts_refused"
    title = "The ledger refuses a change of the customer's accounts"
