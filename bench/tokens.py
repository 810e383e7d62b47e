"""What a request pays to be known by a token that was seen before, in one process."""

import gc
from time import perf_counter

from shop.core.kernel.access import Role
from shop.core.users.admins import Staffing
from shop.core.users.liveness import Liveness
from shop.core.users.signing_in import LogIn, SignIn
from shop.entrypoints.http.auth import JwtAuthenticator
from shop.ports.users import Tokens
from shop.settings import Database, Mail, Media, Passwords, Settings, Url
from shop.wiring import make_container

_CALLS = 20_000
_ROUNDS = 5
_EMAIL, _PASSWORD = "bench@example.com", "three green kettles"


async def microseconds() -> list[float]:
    """For each round, the time of one call. The session is asked after each time, in memory."""
    memory = Url("memory:")
    settings = Settings(
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
        return [await _round(authenticator, header) for _ in range(_ROUNDS)]
    finally:
        gc.unfreeze()
        await container.close()


async def _round(authenticator: JwtAuthenticator, header: str) -> float:
    began = perf_counter()
    for _ in range(_CALLS):
        await authenticator.caller(header)
    return (perf_counter() - began) / _CALLS * 1e6
