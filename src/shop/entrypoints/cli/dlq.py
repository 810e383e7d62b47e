"""`shop dlq`: events that a consumer gave up on."""

from typing import Any
from uuid import UUID

import click

from shop.entrypoints.cli.common import Failure, in_container, with_settings
from shop.settings import Settings


@click.group()
def dlq() -> None:
    """List or replay events that a consumer gave up on."""


@dlq.command("list")
@click.option(
    "--limit",
    default=100,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="At most so many.",
)
@with_settings
def list_(settings: Settings, limit: int) -> None:
    """Show them, the oldest first."""
    from shop.ports.bus import DeadLetter, DeadLetters

    async def work(container: Any) -> list[DeadLetter]:
        letters: DeadLetters = await container.get(DeadLetters)
        return await letters.all(limit)

    found = in_container(settings, work)
    for letter in found:
        event = letter.event
        click.echo(
            f"{letter.at:%Y-%m-%d %H:%M:%S}  {letter.consumer}  {event.id}  {event.kind}"
            f"  key {event.key}  after {letter.attempts}: {letter.reason}"
        )
    click.echo(f"{len(found)} dead letters." if found else "There are no dead letters.")


@dlq.command()
@click.option("--consumer", help="Only what this consumer gave up on.")
@click.option("--event", type=click.UUID, help="Only this event.")
@with_settings
def replay(settings: Settings, consumer: str | None, event: UUID | None) -> None:
    """Hand them to their consumers again, the oldest first; those that go through are dropped."""
    from shop.core.users.deeds import Deeds
    from shop.entrypoints.consumers.reactions import reactions
    from shop.entrypoints.consumers.replay import Replayed, replay_all

    async def work(container: Any) -> Replayed:
        async with container() as scope:
            deeds = await scope.get(Deeds)
            await deeds.note("events.replay", str(event or ""), consumer or "every consumer")
        return await replay_all(container, reactions(container), consumer=consumer, event=event)

    done = in_container(settings, work)
    click.echo(f"{done.through} went through, {len(done.failures)} failed again.")
    for failure in done.failures:
        click.echo(failure, err=True)
    if done.failures:
        raise Failure("Some events failed again; they are still there.")
