"""What a request pays to be known by a token that was seen before.

In one process, or where replicas share who has been signed out: then many requests are under way
at once, as in a shop that needs replicas, and their questions to the common cache go together.
"""

import asyncio
import gc
from time import perf_counter

from shop.core.kernel.access import Role
from shop.core.users.admins import Staffing
from shop.core.users.liveness import Liveness
from shop.core.users.signing_in import LogIn, SignIn
from shop.entrypoints.http.auth import JwtAuthenticator
from shop.ports.users import Tokens
from shop.settings import Cache, Database, Mail, Media, Passwords, Settings, Url
from shop.wiring import make_container

_CALLS = 20_000
_ROUNDS = 5
_EMAIL, _PASSWORD = "bench@example.com", "three green kettles"


async def microseconds(cache: str = "memory:", at_once: int = 1) -> list[float]:
    """For each round, the time of one call. The session is asked after each time, in `cache`."""
    memory = Url("memory:")
    settings = Settings(
        cache=Cache(url=Url(cache)),
        database=Database(url=memory),
        mail=Mail(url=memory),
        media=Media(url=memory),
        passwords=Passwords(memory_kib=8, time_cost=1),
    )
    container = make_container(settings)
    try:
        async with container() as scope:
            staffing = await scope.get(Staffing)
            await staffing.hire(_EMAIL, _PASSWORD, "Bench", frozenset({Role.CUSTOMER}))
            told = await (await scope.get(SignIn)).log_in(LogIn(email=_EMAIL, password=_PASSWORD))
        tokens, liveness = await container.get(Tokens), await container.get(Liveness)
        authenticator, header = (
            JwtAuthenticator(tokens, liveness),
            f"Bearer {told.tokens.access_token}",
        )
        await authenticator.caller(header)
        gc.collect()
        gc.freeze()
        return [await _round(authenticator, header, at_once) for _ in range(_ROUNDS)]
    finally:
        gc.unfreeze()
        await container.close()


async def _round(authenticator: JwtAuthenticator, header: str, at_once: int) -> float:
    each = _CALLS // at_once

    async def one() -> None:
        for _ in range(each):
            await authenticator.caller(header)

    began = perf_counter()
    if at_once == 1:
        await one()
    else:
        await asyncio.gather(*(one() for _ in range(at_once)))
    return (perf_counter() - began) / (each * at_once) * 1e6
