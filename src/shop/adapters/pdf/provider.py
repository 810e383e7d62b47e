"""Papers as PDF, for dishka."""

import asyncio

from dishka import Provider, Scope, provide

from shop.adapters.pdf.seller import Seller
from shop.core.orders.model import Order
from shop.core.payments.model import Payment
from shop.ports.documents import Documents


class PdfPapers(Provider):
    scope = Scope.APP

    def __init__(self, seller: Seller) -> None:
        super().__init__()
        self._seller = seller

    @provide
    def documents(self) -> Documents:
        return _Papers(self._seller)


class _Papers(Documents):
    """Loads the library with the first paper, off the loop: a tenth of each start, else."""

    def __init__(self, seller: Seller) -> None:
        self._seller = seller
        self._loaded: Documents | None = None

    async def invoice(self, order: Order) -> bytes:
        return await (await self._documents()).invoice(order)

    async def receipt(self, order: Order, payment: Payment) -> bytes:
        return await (await self._documents()).receipt(order, payment)

    async def _documents(self) -> Documents:
        if self._loaded is None:
            self._loaded = await asyncio.to_thread(_load, self._seller)
        return self._loaded


def _load(seller: Seller) -> Documents:
    from shop.adapters.pdf.documents import PdfDocuments

    return PdfDocuments(seller)
