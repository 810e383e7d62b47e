"""Examples for the OpenAPI document, put together from what each field looks like."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_ID = "01948a3e-7c00-7cc3-9f6b-2f1d8f0c5a11"
_NUMBERS = {
    "amount": 129900,
    "available": 7,
    "compare_at_price": 149900,
    "delta": 12,
    "expires_in": 900,
    "height": 800,
    "limit": 24,
    "on_hand": 19,
    "position": 1,
    "price": 129900,
    "product_count": 12,
    "quantity": 2,
    "rating": 5,
    "stock_quantity": 7,
    "tax_basis_points": 1800,
    "version": 3,
    "weight_grams": 900,
    "width": 800,
}
#: By `Schema.field`, else by the field's name.
_TEXTS: dict[str, Any] = {
    "name": "Asha Rao",
    "email": "asha@example.com",
    "pending_email": None,
    "password": "three green kettles",
    "current_password": "three green kettles",
    "new_password": "four blue kettles",
    "contact": "+919845012345",
    "phone": "+919845012345",
    "street": "4 Temple Street",
    "city": "Mysuru",
    "state": "KA",
    "zipcode": "570001",
    "country": "IN",
    "currency": "INR",
    "token": "Yx1f3o8T2hQmB4nWc7Vd9A",
    # pragma: allowlist nextline secret - it was never signed
    "access_token": "eyJhbGciOiJFZERTQSJ9.e30.c2ln",
    "refresh_token": "Zk3s9QpL0vXyB2nWc7Vd1A",
    "token_type": "Bearer",
    "grant_type": "refresh_token",
    "client_id": "shop",
    "ticket": "bM7xQ2c9LwPz4vTnYk1d8A",
    "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
    "uri": "otpauth://totp/Shop:asha%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=Shop",
    "qr_svg": "<svg xmlns='http://www.w3.org/2000/svg'></svg>",
    # pragma: allowlist nextline secret - of nobody
    "recovery_codes": ["QXKZ4-M2PSD-7JTRA-VW3LH-E5NCYB"],
    "recovery_code": None,
    "passkey": None,
    "SecondStepBody.code": "492039",
    "ProofBody.code": None,
    "CodeBody.code": "492039",
    "PasskeyView.name": "Phone",
    "NewPasskeyBody.name": "Phone",
    "reset_question": "What was your first teacher called?",
    "reset_answer": "Meera",
    "device": "Firefox on Linux",
    "slug": "copper-kettle",
    "title": "Copper kettle",
    "variant_title": "1.5 l",
    "path": "kitchen/kettles",
    "sku": "KET-CU-1",
    "hsn": "7418",
    "brand": "Kettleworks",
    "options": {"Size": "1.5 l"},
    "tags": ["Tea"],
    "specifications": [{"name": "Volume", "value": "1.5 l"}],
    "description_html": "<p>Holds a litre and a half.</p>",
    "image": "/media/kettle.svg",
    "url": "https://shop.example/media/kettle.svg",
    "alt": "A copper kettle",
    "author": "Asha",
    "body": "Boils fast, pours well.",
    "value": "1.5 l",
    "kind": "status",
    "number": "SHP-7K2M-9QXA",
    "status": "confirmed",
    "payment_status": "paid",
    "payment_method": "online",
    "method": "upi",
    "shipping_method": "standard",
    "coupon": None,
    "notice": None,
    "code": "WELCOME10",
    "carrier": "India Post",
    "tracking_number": "EK123456789IN",
    "location": "Bengaluru",
    "description": "On its way",
    "reason": "Arrived scratched",
    "invoice_number": "INV/2026/000042",
    "payment_link": None,
    "provider_payment_id": "pay_9kJ2mQ",
    "provider_refund_id": "rfnd_4hT8sL",
    "order_token": "q0Yw2b3kZr8m1n5tVx7c9A",
    "error": None,
    "next_cursor": None,
    "parent_id": None,
    "roles": ["customer"],
    "facets": None,
    "errors": [{"field": "items.0.quantity", "code": "value", "message": "Give 1 to 99."}],
    "facts": {"available": 2},
    "children": [],
    "detail": "Only 2 are left.",
    "type": "/problems/out-of-stock",
    "instance": "/api/v1/cart/items",
    "request_id": _ID,
    "subject": "Your order SHP-7K2M-9QXA is confirmed",
    "to": "asha@example.com",
    "from": "shop@example.com",
    "html": "<p>Thank you.</p>",
    "EmailView.status": "sent",
    "EmailView.body": "Thank you for your order.",
    "WholeEmailView.status": "sent",
    "WholeEmailView.body": "Thank you for your order.",
    "event": "payment.captured",
    "keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig"}],
    "Problem.title": "Out of stock",
    "Problem.code": "out-of-stock",
    "CategoryBody.name": "Kettles",
    "CategoryPatch.name": "Kettles",
    "CategoryNode.name": "Kettles",
    "CategoryNode.slug": "kettles",
    "CategoryRef.name": "Kettles",
    "CategoryRef.slug": "kettles",
    "StaffCategory.name": "Kettles",
    "CategoryBody.slug": "kettles",
    "OptionAxis.name": "Size",
    "SpecificationBody.name": "Volume",
    "Specification.name": "Volume",
    "Suggestion.kind": "product",
    "PaymentMethodView.code": "online",
    "PaymentMethodView.title": "Pay online",
    "ShippingMethodView.code": "standard",
    "ShippingMethodView.title": "Standard delivery",
    "ShippingMethodView.description": "3 to 6 working days",
    "ReviewBody.title": "A joy",
    "ReviewView.title": "A joy",
    "PaymentRef.url": "https://shop.example/pay/4hT8sL",
    "RefundBody.amount": 50000,
    "RefundBody.payment_id": None,
    "CheckoutBody.shipping_address_id": None,
    "CheckoutBody.billing_address": None,
}
#: Where the parts must fit together.
_WHOLE: dict[str, Any] = {
    "Breakdown.items": {"amount": 259800, "currency": "INR"},
    "Breakdown.discount": {"amount": 25980, "currency": "INR"},
    "Breakdown.shipping": {"amount": 0, "currency": "INR"},
    "Breakdown.tax": {"amount": 35668, "currency": "INR"},
    "Breakdown.total": {"amount": 233820, "currency": "INR"},
    "OrderView.total_amount": {"amount": 233820, "currency": "INR"},
    "CheckoutBody.expected_total": {"amount": 233820, "currency": "INR"},
    "CartItemView.line_total": {"amount": 259800, "currency": "INR"},
    "OrderItemView.tax": {"amount": 19815, "currency": "INR"},
    "ProductView.options": [{"name": "Size", "values": ["1.5 l"]}],
    "ProductCard.options": [{"name": "Size", "values": ["1.5 l"]}],
    "PaymentView.amount": 233820,
    "PaymentRef.status": "created",
    "TrackingView.number": "EK123456789IN",
    "TrackingView.events": [],
}
_FORMATS = {"uuid": _ID, "date-time": "2026-02-03T09:30:00Z", "date": "2026-02-03"}
_NOT_SAID = object()
_KINDS = {str: "string", list: "array", dict: "object", int: "integer", type(None): "null"}
_DEEP = 12


def example_of(
    schema: Json, schemas: Mapping[str, Json], owner: str = "", name: str = "", deep: int = 0
) -> Any:
    """A value that the schema allows, and that a reader understands."""
    said = _WHOLE.get(f"{owner}.{name}", _NOT_SAID)
    if said is not _NOT_SAID:
        return said
    if ref := schema.get("$ref"):
        target = ref.rpartition("/")[2]
        found = schemas[target]
        # An enum is a kind of text: it is known by the field that holds it.
        return example_of(found, schemas, owner if "enum" in found else target, name, deep + 1)
    said = _said(schema, owner, name)
    if said is not _NOT_SAID:
        return said
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return example_of(choices[0], schemas, owner, name, deep)
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {}).items()
            made: Any = {k: example_of(one, schemas, owner, k, deep + 1) for k, one in fields}
        case "array":
            inner = schema.get("items") or {}
            made = [] if deep > _DEEP else [example_of(inner, schemas, owner, name, deep + 1)]
        case _:
            made = _simple(schema, name)
    return made


def _simple(schema: Json, name: str) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "integer":
        number = _NUMBERS.get(name, 1)
        return max(schema.get("minimum", number), min(schema.get("maximum", number), number))
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "Tea")
    return {"boolean": bool(schema.get("default", False)), "number": 4.5}.get(kind, {})


def _said(schema: Json, owner: str, name: str) -> Any:
    for key in (f"{owner}.{name}", name):
        value = _TEXTS.get(key, _NOT_SAID)
        if value is not _NOT_SAID and _fits(schema, value):
            return value
    return _NOT_SAID


def _fits(schema: Json, value: Any) -> bool:
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return any(_fits(choice, value) for choice in choices)
    if "enum" in schema:
        return value in schema["enum"]
    if _KINDS[type(value)] != schema.get("type"):
        return False
    if isinstance(value, list) and value:
        items = schema.get("items", {})
        return "$ref" in items or _fits(items, value[0])
    return schema.get("format") in {None, "email"}
