"""All reactions of the shop."""

from dishka import AsyncContainer

from shop.entrypoints.actors.consumer import Reaction
from shop.entrypoints.consumers.order_mails import order_mails


def reactions(container: AsyncContainer) -> list[Reaction]:
    return [order_mails(container)]
