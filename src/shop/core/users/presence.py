"""Whether somebody is here, or only a call of theirs that was let in."""

from datetime import timedelta

from shop.core.kernel.access import Caller
from shop.core.kernel.errors import Unauthenticated
from shop.core.users.linked import SignInAgain
from shop.ports.system import Clock
from shop.ports.users import Sessions

#: A sign-in this long ago still is one of a moment ago.
RECENT = timedelta(minutes=15)


class Presence:
    """Call only inside an open unit of work."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    async def confirm(self, caller: Caller) -> None:
        """Whether the person was here a moment ago, not only a session. Raises `SignInAgain`."""
        session = caller.session_id and await self._sessions.find(caller.session_id)
        now = self._clock.now()
        if not session or not session.alive(now) or session.created_at + RECENT < now:
            raise SignInAgain("Please sign in again first: this asks for a sign-in just now.")

    async def lasts(self, caller: Caller) -> None:
        """Raises `Unauthenticated` where the session has ended since the call was let in.

        Hashing and other services take their time: whoever was thrown out meanwhile, as by a new
        password, must leave no way back in.
        """
        if caller.session_id is None:
            return
        session = await self._sessions.find(caller.session_id)
        if session is None or not session.alive(self._clock.now()):
            raise Unauthenticated("This session has ended; please sign in again.")
