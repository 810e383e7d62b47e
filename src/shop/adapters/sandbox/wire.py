"""What the gateway's language looks like: its entities and the envelope of its events."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shop.ports.sandbox import SandboxLink, SandboxRefund

_ACCOUNT = "acc_SandboxOfShop0"


def event(name: str, payload: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    return {
        "entity": "event",
        "account_id": _ACCOUNT,
        "event": name,
        "contains": list(payload),
        "payload": {key: {"entity": entity} for key, entity in payload.items()},
        "created_at": _seconds(at),
    }


def order_id(link_id: str) -> str:
    """The order behind a link."""
    return "order_" + link_id.removeprefix("plink_")


def payment(link: SandboxLink, payment_id: str, status: str, at: datetime) -> dict[str, Any]:
    failed = status == "failed"
    return {
        "id": payment_id,
        "entity": "payment",
        "amount": link.amount.amount,
        "currency": link.amount.currency,
        "status": status,
        "order_id": order_id(link.id),
        "method": "card",
        "amount_refunded": 0,
        "refund_status": None,
        "captured": status == "captured",
        "description": link.description,
        "notes": {"reference": link.reference},
        "error_code": "BAD_REQUEST_ERROR" if failed else None,
        "error_description": "The payment was declined (sandbox)." if failed else None,
        "error_source": "customer" if failed else None,
        "error_step": "payment_authorization" if failed else None,
        "error_reason": "payment_failed" if failed else None,
        "created_at": _seconds(at),
    }


def payment_link(link: SandboxLink, at: datetime, url: str = "") -> dict[str, Any]:
    paid = link.status == "paid"
    taken: Sequence[dict[str, Any]] = [
        {
            "amount": link.amount.amount,
            "created_at": _seconds(link.paid_at or at),
            "method": "card",
            "payment_id": link.payment_id,
            "status": "captured",
        }
    ]
    return {
        "accept_partial": False,
        "amount": link.amount.amount,
        "amount_paid": link.amount.amount if paid else 0,
        "callback_method": "get",
        "callback_url": link.callback_url,
        "cancelled_at": _seconds(at) if link.status == "cancelled" else 0,
        "currency": link.amount.currency,
        "description": link.description,
        "entity": "payment_link",
        "expire_by": _seconds(link.expires_at),
        "expired_at": _seconds(link.expires_at) if link.status == "expired" else 0,
        "id": link.id,
        "notes": {"reference": link.reference},
        "order_id": order_id(link.id) if paid or link.failures else None,
        "payments": taken if paid else None,
        "reference_id": link.reference,
        "reminder_enable": False,
        "short_url": url,
        "status": link.status,
        "updated_at": _seconds(at),
    }


def refund(refund: SandboxRefund, status: str = "processed") -> dict[str, Any]:
    return {
        "id": refund.id,
        "entity": "refund",
        "amount": refund.amount.amount,
        "currency": refund.amount.currency,
        "payment_id": refund.payment_id,
        "notes": [],
        "receipt": refund.key,
        "status": status,
        "created_at": _seconds(refund.created_at),
    }


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
