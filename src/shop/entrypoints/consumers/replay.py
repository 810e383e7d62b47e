"""Dead letters get another chance."""

from collections.abc import Sequence
from uuid import UUID

from dishka import AsyncContainer
from msgspec import Struct

from shop.core.kernel.context import correlation
from shop.entrypoints.actors.consumer import Reaction
from shop.ports.bus import DeadLetter, DeadLetters

_MOST = 10_000


class Replayed(Struct):
    through: int
    failures: list[str]


async def replay_all(
    container: AsyncContainer,
    reactions: Sequence[Reaction],
    *,
    consumer: str | None = None,
    event: UUID | None = None,
) -> Replayed:
    """Each once, the oldest first; the inbox sees to it that no effect comes twice."""
    letters = await container.get(DeadLetters)
    by_name = {reaction.name: reaction for reaction in reactions}
    done = Replayed(0, [])
    for letter in await letters.all(_MOST):
        if consumer not in {None, letter.consumer} or event not in {None, letter.event.id}:
            continue
        try:
            await _react(by_name, letter)
        except Exception as error:  # noqa: BLE001 - the others are tried as well
            done.failures.append(f"{letter.consumer} {letter.event.id}: {error}")
        else:
            await letters.remove(letter.consumer, letter.event.id)
            done.through += 1
    return done


async def _react(by_name: dict[str, Reaction], letter: DeadLetter) -> None:
    reaction = by_name.get(letter.consumer)
    if reaction is None:
        raise LookupError("there is no such consumer")
    arrived = reaction.open(letter.event)
    if arrived is None:
        return
    token = correlation.set(arrived.correlation)
    try:
        await reaction.react([arrived])
    finally:
        correlation.reset(token)
