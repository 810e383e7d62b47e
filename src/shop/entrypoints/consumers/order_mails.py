"""Mails about orders."""

from collections.abc import Sequence

from dishka import AsyncContainer

from shop.core.checkout.order_mails import CONSUMER, HEARS, News, OrderMails
from shop.entrypoints.actors.consumer import Reaction
from shop.entrypoints.actors.lanes import Arrived
from shop.entrypoints.consumers.registry import Opener


def order_mails(container: AsyncContainer) -> Reaction:
    async def react(events: Sequence[Arrived]) -> None:
        async with container() as scope:
            mails = await scope.get(OrderMails)
            await mails.react_all([News(one.id, one.fact) for one in events])

    opener = Opener(HEARS)
    return Reaction(CONSUMER, opener.topics, opener, react)
