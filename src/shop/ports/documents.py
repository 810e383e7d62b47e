"""Papers of an order."""

from abc import abstractmethod
from typing import Protocol

from shop.core.orders.model import Order
from shop.core.payments.model import Payment


class Documents(Protocol):
    """Each comes as the bytes of a PDF."""

    @abstractmethod
    async def invoice(self, order: Order) -> bytes:
        """The tax invoice of a confirmed order."""

    @abstractmethod
    async def receipt(self, order: Order, payment: Payment) -> bytes:
        """The receipt of a payment that has arrived."""
