"""The endpoints of customers and products."""

from typing import Any, Final

from caudal.access import Scope
from caudal.api import customer_examples as examples
from caudal.api import customers, products
from caudal.api.bodies import Write
from caudal.api.declaring import action, listing, reading
from caudal.api.endpoint import Endpoint, KeyUse, NoBody, Shape
from caudal.api.queries import PageQuery
from caudal.customers import CustomerView, NewProduct, ProductView

_CUSTOMERS: Final = "Customers"
_PRODUCTS: Final = "Products"
_PATH: Final = {"id": examples.CUSTOMER}


def _change(
    verb: str, name: str, summary: str, description: str, handle: Any, example: Any, *, body: Any = NoBody,
    body_example: Any = None,
) -> Endpoint[Any, Any]:  # fmt: skip
    """An endpoint that changes a customer."""
    return action(
        f"/v1/customers/{{id}}/{verb}", name, _CUSTOMERS, summary, handle, description=description,
        scope=Scope.CUSTOMERS_WRITE, answer="The customer after it.", view=CustomerView, example=example,
        body=body, body_example=body_example, errors=(404, 409, 422), path_ids=_PATH,
    )  # fmt: skip


PRODUCTS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/products",
        name="create_product",
        tag=_PRODUCTS,
        summary="Keep a product",
        description="Each becomes the next version of its name; a version never changes. A payment is priced "
        "by the first of `fees` that fits it; every limit that fits it holds.",
        handle=products.create_product,
        query=Write,
        body=NewProduct,
        scope=Scope.CUSTOMERS_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="Kept.", type=ProductView, example=examples.PRODUCT_VIEW),),
            200: (
                Shape(
                    description="By `dry_run`, what would be answered.",
                    type=ProductView,
                    example=examples.PRODUCT_VIEW,
                ),
            ),
        },
        errors=(422,),
        example=examples.NEW_PRODUCT,
    ),
    listing(
        "/v1/products", "list_products", _PRODUCTS, "List products, every version", products.find_products,
        PageQuery, scope=Scope.CUSTOMERS_READ, answer="A page.", row=ProductView,
        example=examples.PRODUCT_LIST,
    ),
    Endpoint(
        method="GET",
        path="/v1/products/{name}",
        name="get_product",
        tag=_PRODUCTS,
        summary="Read a product",
        handle=products.read_product,
        query=products.ProductQuery,
        body=NoBody,
        scope=Scope.CUSTOMERS_READ,
        answers={
            200: (Shape(description="A version.", type=ProductView, example=examples.PRODUCT_VIEW),)
        },
        errors=(404,),
        path_ids={"name": "basic"},
    ),
)  # fmt: skip

CUSTOMERS: Final[tuple[Endpoint[Any, Any], ...]] = (
    Endpoint(
        method="POST",
        path="/v1/customers",
        name="create_customer",
        tag=_CUSTOMERS,
        summary="Take a customer on",
        description="With an account in each of the product's currencies. Names, addresses and numbers are "
        "the vault's: send their tokens. What looks like personal data is refused.",
        handle=customers.create_customer,
        query=Write,
        body=customers.NewCustomer,
        scope=Scope.CUSTOMERS_WRITE,
        key=KeyUse.ACCEPTED,
        answers={
            201: (Shape(description="Taken on.", type=CustomerView, example=examples.CUSTOMER_VIEW),),
            200: (
                Shape(
                    description="The same was created before under this id, or it is a dry run.",
                    type=CustomerView,
                    example=examples.CUSTOMER_VIEW,
                ),
            ),
        },
        errors=(409, 422),
        example=examples.NEW_CUSTOMER,
    ),
    listing(
        "/v1/customers", "list_customers", _CUSTOMERS, "Find customers", customers.find_customers,
        customers.CustomersQuery, description="In the order of their ids.", scope=Scope.CUSTOMERS_READ,
        answer="A page.", row=CustomerView, example=examples.CUSTOMER_LIST,
    ),
    reading(
        "/v1/customers/{id}", "get_customer", _CUSTOMERS, "Read a customer", customers.read_customer,
        scope=Scope.CUSTOMERS_READ, answer="As it stands.", view=CustomerView,
        example=examples.CUSTOMER_VIEW, path_ids=_PATH,
    ),
    _change(
        "block",
        "block_customer",
        "Block a customer",
        "No new payments; those under way go on.",
        customers.block,
        examples.BLOCKED,
    ),
    _change(
        "unblock", "unblock_customer", "Unblock a customer", "", customers.unblock, examples.CUSTOMER_VIEW
    ),
    _change(
        "close",
        "close_customer",
        "Close a customer",
        "For good, with all accounts: only at zero and without open holds.",
        customers.close,
        examples.CLOSED,
    ),
    _change(
        "product",
        "change_customer_product",
        "Give a customer another product",
        "Opens what accounts are missing; the others stay.",
        customers.change_product,
        examples.CHANGED,
        body=customers.NewCustomerProduct,
        body_example=examples.CHANGE_PRODUCT,
    ),
)  # fmt: skip

ENDPOINTS: Final = (*PRODUCTS, *CUSTOMERS)
