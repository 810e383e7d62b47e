from datetime import datetime, timedelta
from uuid import UUID

from shop.adapters.memory.cache import MemoryCache
from shop.adapters.memory.clients import MemoryClientReads
from shop.adapters.memory.store import MemoryStore
from shop.adapters.memory.users import MemoryUserReads
from shop.core.kernel.access import Role
from shop.core.kernel.ids import SessionId
from shop.core.users.liveness import Liveness
from shop.core.users.model import IdentityRules
from shop.ports.users import Standing
from tests.kit.clock import ManualClock

SESSION = SessionId(UUID(int=1))
CUSTOMER = Standing(frozenset({Role.CUSTOMER}), two_factors=False)
STAFF = Standing(frozenset({Role.CUSTOMER, Role.STAFF}), two_factors=False)
PROVED = Standing(STAFF.roles, two_factors=True)


class Reads(MemoryUserReads):
    """Answers what the test says, and counts."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.answer: Standing | None = CUSTOMER
        self.asked = 0
        self.meanwhile: Liveness | None = None

    async def standing(self, session_id: SessionId, at: datetime) -> Standing | None:
        self.asked += 1
        assert at.tzinfo is not None
        if self.meanwhile is not None:
            await self.meanwhile.ended(session_id)
        return self.answer


def _liveness(reads: Reads, clock: ManualClock, seconds: float = 5) -> Liveness:
    rules = IdentityRules(site_url="http://shop", alive_lasts=timedelta(seconds=seconds))
    return Liveness(MemoryCache(clock), reads, MemoryClientReads(MemoryStore()), clock, rules)


async def test_the_database_is_asked_once_in_a_while() -> None:
    reads, clock = Reads(), ManualClock()
    liveness = _liveness(reads, clock)
    for _ in range(3):
        assert await liveness.standing(SESSION) == CUSTOMER
    assert reads.asked == 1
    clock.advance(seconds=5)
    reads.answer = None
    assert await liveness.standing(SESSION) is None


async def test_what_is_unknown_is_never_alive() -> None:
    reads, clock = Reads(), ManualClock()
    reads.answer = None
    liveness = _liveness(reads, clock)
    assert await liveness.standing(SESSION) is None
    reads.answer = CUSTOMER
    assert await liveness.standing(SESSION) == CUSTOMER  # a refusal is not remembered either


async def test_an_end_bites_at_once() -> None:
    reads, clock = Reads(), ManualClock()
    liveness = _liveness(reads, clock)
    await liveness.standing(SESSION)
    await liveness.ended(SESSION)
    assert await liveness.standing(SESSION) is None


async def test_an_end_while_the_database_is_asked_is_not_overlooked() -> None:
    reads, clock = Reads(), ManualClock()
    liveness = reads.meanwhile = _liveness(reads, clock)
    assert await liveness.standing(SESSION) is None
    assert await liveness.standing(SESSION) is None


async def test_new_roles_are_asked_for() -> None:
    reads, clock = Reads(), ManualClock()
    liveness = _liveness(reads, clock)
    await liveness.standing(SESSION)
    reads.answer = Standing(frozenset({Role.ADMIN}), two_factors=False)
    await liveness.changed(SESSION)
    assert await liveness.standing(SESSION) == reads.answer


async def test_without_a_common_cache_nothing_is_believed() -> None:
    reads, clock = Reads(), ManualClock()
    liveness = _liveness(reads, clock, seconds=0)
    for _ in range(3):
        await liveness.standing(SESSION)
    assert reads.asked == 3


async def test_a_second_factor_is_remembered_with_the_rest() -> None:
    reads = Reads()
    reads.answer = PROVED
    liveness = _liveness(reads, ManualClock())
    assert await liveness.standing(SESSION) == await liveness.standing(SESSION) == PROVED
    assert reads.asked == 1


def test_staff_are_held_back_without_a_second_factor_where_the_rules_say_so() -> None:
    clock = ManualClock()
    rules = IdentityRules(site_url="http://shop", staff_second_factor=True)
    strict = Liveness(MemoryCache(clock), Reads(), MemoryClientReads(MemoryStore()), clock, rules)
    assert strict.holds_back(STAFF)
    assert not strict.holds_back(PROVED)
    assert not strict.holds_back(CUSTOMER)
    assert not _liveness(Reads(), clock).holds_back(STAFF)
