"""Customers: people and businesses, the products that they have, and their accounts in the ledger.

What payments call, under the book's lock:

    load = await customers.queue_load(connection, book_id, ids)     # in a pipeline: does not wait
    rows = await load.finish()                                      # dict[CustomerId, CustomerRow]
    products = await directory.load(connection, book_id, {(row.product, row.product_version), …})
    product = products[row.product, row.product_version]            # .currencies .limits .fees .review
    fee = customers.price(product.fees, kind, method, currency, amount)
    wallet = customers.account_of(customer_id, currency)            # no look-up

One `ProductDirectory` per process. A `CustomerRow` has `id`, `status`, `jurisdiction`, `product` and
`product_version`. The status is current only for who holds the book's lock: blocking takes it too.
"""

from caudal.customers.errors import (
    CustomerAccountsRefused,
    CustomerClosed,
    CustomerExists,
    CustomerInvalid,
    CustomerNotEmpty,
    CustomerNotFound,
    CustomerReferenceTaken,
    ProductInvalid,
    ProductNotFound,
    ProductUnknown,
)
from caudal.customers.product_rules import price
from caudal.customers.products import ProductDirectory, create_products, get_product, list_products
from caudal.customers.service import Customers, get_customer, list_customers
from caudal.customers.store import RowsLoad
from caudal.customers.store import queue_rows as queue_load
from caudal.customers.types import (
    KINDS,
    METHODS,
    ChangeCustomerStatus,
    Changed,
    ChangeProduct,
    CreateCustomer,
    Customer,
    CustomerAction,
    CustomerCommand,
    CustomerFilter,
    CustomerId,
    CustomerRow,
    CustomerStatus,
    CustomerType,
    Definition,
    Fee,
    NewProduct,
    Product,
    Review,
    ReviewDefault,
    account_of,
    account_reference,
)
from caudal.customers.views import CustomerView, ProductView, ToldProductView, customer_view, product_view

__all__ = [
    "KINDS",
    "METHODS",
    "ChangeCustomerStatus",
    "ChangeProduct",
    "Changed",
    "CreateCustomer",
    "Customer",
    "CustomerAccountsRefused",
    "CustomerAction",
    "CustomerClosed",
    "CustomerCommand",
    "CustomerExists",
    "CustomerFilter",
    "CustomerId",
    "CustomerInvalid",
    "CustomerNotEmpty",
    "CustomerNotFound",
    "CustomerReferenceTaken",
    "CustomerRow",
    "CustomerStatus",
    "CustomerType",
    "CustomerView",
    "Customers",
    "Definition",
    "Fee",
    "NewProduct",
    "Product",
    "ProductDirectory",
    "ProductInvalid",
    "ProductNotFound",
    "ProductUnknown",
    "ProductView",
    "Review",
    "ReviewDefault",
    "RowsLoad",
    "ToldProductView",
    "account_of",
    "account_reference",
    "create_products",
    "customer_view",
    "get_customer",
    "get_product",
    "list_customers",
    "list_products",
    "price",
    "product_view",
    "queue_load",
]
