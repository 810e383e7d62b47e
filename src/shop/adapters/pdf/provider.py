"""Papers as PDF, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.pdf.documents import PdfDocuments, Seller
from shop.ports.documents import Documents


class PdfPapers(Provider):
    scope = Scope.APP

    def __init__(self, seller: Seller) -> None:
        super().__init__()
        self._seller = seller

    @provide
    def documents(self) -> Documents:
        return PdfDocuments(self._seller)
