"""The published document: whole, valid, and true to the routes."""

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any

import jsonschema_rs
import pytest

from shop.entrypoints.http.swagger import swagger_folder
from tests.kit.site import API, Shop
from tests.kit.storefront import inline_code

FOUNDATION = """
POST /api/v1/signup
POST /api/v1/register
POST /api/v1/verify-email
POST /api/v1/verify-email/resend
POST /api/v1/login
POST /api/v1/logout
GET /api/v1/me
PATCH /api/v1/updateuser
POST /api/v1/me/password
GET /api/v1/me/sessions
DELETE /api/v1/me/sessions/{}
GET /api/v1/addresses
POST /api/v1/addresses
PATCH /api/v1/addresses/{}
DELETE /api/v1/addresses/{}
POST /api/v1/resetpassword
POST /api/v1/resetpassword/confirm
POST /oauth2/token
POST /oauth2/revoke
GET /oauth2/jwks
GET /api/v1/admin/log
GET /api/v1/admin/users
GET /api/v1/admin/users/{}/roles
PUT /api/v1/admin/users/{}/roles
GET /api/v1/categories
GET /api/v1/products
GET /api/v1/products/{}
GET /api/v1/search/suggest
GET /api/v1/products/{}/reviews
POST /api/v1/products/{}/reviews
POST /api/v1/admin/products
PATCH /api/v1/admin/products/{}
DELETE /api/v1/admin/products/{}
POST /api/v1/admin/categories
PATCH /api/v1/admin/categories/{}
DELETE /api/v1/admin/categories/{}
POST /api/v1/admin/products/{}/images
POST /api/v1/admin/imports
GET /api/v1/admin/imports/{}
POST /api/v1/admin/inventory/{}/adjustments
GET /api/v1/cart
POST /api/v1/cart/items
PATCH /api/v1/cart/items/{}
DELETE /api/v1/cart/items/{}
PUT /api/v1/cart/coupon
DELETE /api/v1/cart/coupon
POST /api/v1/checkout
GET /api/v1/shipping-methods
GET /api/v1/payment-methods
GET /api/v1/orders
GET /api/v1/orders/{}
GET /api/v1/orders/{}/tracking
GET /api/v1/orders/{}/events
POST /api/v1/orders/{}/payment-link
POST /api/v1/orders/{}/cancel
POST /api/v1/orders/{}/returns
GET /api/v1/orders/{}/invoice.pdf
GET /api/v1/orders/{}/receipt.pdf
GET /api/v1/payments/{}
GET /payments/razorpay/callback
POST /webhooks/razorpay
POST /api/v1/admin/orders/{}/pack
POST /api/v1/admin/orders/{}/ship
POST /api/v1/admin/orders/{}/deliver
POST /api/v1/admin/orders/{}/cancel
POST /api/v1/admin/orders/{}/tracking-events
POST /api/v1/admin/orders/{}/refunds
GET /api/v1/admin/refunds/{}
GET /api/v1/admin/emails
GET /api/v1/admin/emails/{}
POST /api/v1/admin/emails/{}/resend
"""
PROBLEM = {"$ref": "#/components/schemas/Problem"}


@pytest.fixture
def storage() -> str:
    return "memory"


@pytest.fixture
async def document(site: Shop) -> dict[str, Any]:
    answer = await site.client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    made: dict[str, Any] = answer.json()
    return made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def resolved(document: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    ref = one.get("$ref")
    if ref is None:
        return one
    _, _, kind, name = ref.split("/")
    found: dict[str, Any] = document["components"][kind][name]
    return found


async def test_every_call_of_the_contract_is_in_it(document: dict[str, Any]) -> None:
    listed = {f"{m} {re.sub('{[^}]*}', '{}', path)}" for m, path, _ in operations(document)}
    assert set(FOUNDATION.split("\n")) - {""} <= listed


async def test_it_holds_what_programs_call_and_nothing_else(document: dict[str, Any]) -> None:
    for path in document["paths"]:
        assert path.startswith(
            ("/api/v1/", "/oauth2/", "/payments/", "/webhooks/", "/.well-known/")
        ), path


async def test_every_reference_leads_somewhere_and_every_name_is_one(
    document: dict[str, Any],
) -> None:
    text = json.dumps(document)
    for kind, name in set(re.findall(r'"#/components/(\w+)/([^"]+)"', text)):
        assert name in document["components"][kind]
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for name in names:
        assert name.isidentifier()


async def test_every_schema_is_one_and_every_example_is_allowed_by_its_schema(
    document: dict[str, Any],
) -> None:
    components = {"components": document["components"]}
    examples = 0
    for schema in document["components"]["schemas"].values():
        assert jsonschema_rs.meta.is_valid(schema)
    for method, path, operation in operations(document):
        spoken = [operation.get("requestBody", {}), *operation["responses"].values()]
        for one in (resolved(document, each) for each in spoken):
            for kind, medium in one.get("content", {}).items():
                if "json" not in kind and "urlencoded" not in kind:
                    continue
                check = jsonschema_rs.validator_for(components | medium["schema"])
                wrong = [f"{e.instance_path} {e}" for e in check.iter_errors(medium["example"])]
                assert not wrong, (method, path, wrong)
                examples += 1
    assert examples > 100


async def test_every_call_says_who_may_and_how_it_can_be_refused(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert {"400", "429", "503"} <= set(operation["responses"]), where
        for status, answer in operation["responses"].items():
            whole = resolved(document, answer)
            assert whole["description"], where
            if status >= "400" and not path.startswith("/oauth2/"):
                medium = whole["content"]["application/problem+json"]
                assert medium["schema"] == PROBLEM, where
        needs_token = {"bearer": []} in operation["security"] and {} not in operation["security"]
        if path.startswith("/api/v1/admin/"):
            assert needs_token, where
        if needs_token:
            assert {"401", "403"} <= set(operation["responses"]), where
        if method in {"POST", "PUT", "PATCH"} and "requestBody" in operation:
            assert {"413", "415"} <= set(operation["responses"]), where


async def test_every_parameter_says_what_it_means(document: dict[str, Any]) -> None:
    silent = {
        (path, one["name"])
        for path, item in document["paths"].items()
        if path.startswith("/api/")
        for operation in item.values()
        for one in operation.get("parameters", ())
        if "$ref" not in one and not one.get("description")
    }
    assert silent == set()


async def test_the_headers_of_the_contract_are_declared(document: dict[str, Any]) -> None:
    def headers_of(method: str, path: str) -> set[str]:
        given = document["paths"][path][method]["parameters"]
        return {one["name"] for one in (resolved(document, each) for each in given)}

    assert {"Idempotency-Key", "X-Cart-Token"} <= headers_of("post", f"{API}/checkout")
    assert "Idempotency-Key" in headers_of("post", f"{API}/admin/orders/{{order_id}}/refunds")
    assert {"X-Order-Token", "order_token"} <= headers_of("get", f"{API}/orders/{{order_id}}")
    assert "If-None-Match" in headers_of("get", f"{API}/products")
    assert "X-Razorpay-Signature" in headers_of("post", "/webhooks/razorpay")
    answers = document["paths"][f"{API}/products"]["get"]["responses"]
    assert "ETag" in answers["200"]["headers"]
    assert "304" in answers
    assert "Retry-After" in document["components"]["responses"]["Refusal429"]["headers"]


async def test_people_read_it_without_scripts_and_without_anything_from_elsewhere(
    site: Shop, document: dict[str, Any]
) -> None:
    page = await site.client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'self'; ")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert inline_code(page) == []
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)
    for method, path, operation in operations(document):
        assert f'id="{operation["operationId"]}"' in page.text, (method, path)
        assert escape(path) in page.text
    anchors = set(re.findall(r' id="([^"]+)"', page.text))
    assert {link[1:] for link in re.findall(r'href="(#[^"]+)"', page.text)} <= anchors
    same = await site.client.get("/docs/openapi.json")
    assert same.json() == document


async def test_swagger_comes_from_the_installed_package_or_is_not_there(site: Shop) -> None:
    page = await site.client.get("/docs/swagger")
    linked = 'href="/docs/swagger"' in (await site.client.get("/docs")).text
    installed = swagger_folder() is not None
    assert (page.status_code, linked) == ((200, True) if installed else (404, False))
    if installed:
        assert inline_code(page) == []
        for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert address.startswith("/")
            assert (await site.client.get(address)).status_code == 200
    other = await site.client.get("/docs/swagger/swagger-initializer.js")
    assert other.status_code == 404
