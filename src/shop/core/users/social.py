"""Signing in with a profile of another service, and which profiles an account has."""

from shop.core.kernel.access import Caller
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import ProfileId, UserId
from shop.core.users.admission import Admission, SignedIn
from shop.core.users.letters import Letters
from shop.core.users.linked import (
    EmailUnproven,
    LastWayIn,
    LinkedProfile,
    PasswordFirst,
    ProfileNotFound,
    ProfileTaken,
    TooManyProfiles,
)
from shop.core.users.model import EmailAddress, EmailTaken, User
from shop.core.users.postal import line
from shop.core.users.presence import Presence
from shop.ports.social import Claimed, ProfileReads, Profiles
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork
from shop.ports.users import EmailAddresses, Users

_TRIES = 3
#: How a session says that somebody else knew the person.
_FEDERATED = "fed"


class Recognition:
    """Whose account it is that a profile signs in to; a new one where there is none.

    Call only inside an open unit of work.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        profiles: Profiles,
        emails: EmailAddresses,
        letters: Letters,
        ids: Ids,
    ) -> None:
        self._uow = uow
        self._users = users
        self._profiles = profiles
        self._emails = emails
        self._letters = letters
        self._ids = ids

    async def whose(self, claimed: Claimed, clock: Clock) -> User:
        """An e-mail address counts only when the provider has verified it, and even then it never
        opens an account that has a password.

        Raises `EmailUnproven`, `PasswordFirst`, or `EmailTaken` and `ProfileTaken` in a race.
        """
        known = await self._profiles.find(claimed.issuer, claimed.subject)
        if known is not None:
            return await self._users.get(known.user_id)
        email = self._proven(claimed)
        user = await self._users.by_email(email.key)
        if user is None:
            user = await self._welcome(claimed, email, clock)
        elif user.password_hash is not None or user.verified_at is None:
            raise PasswordFirst(
                "There is an account with this e-mail address already. Please sign in with its "
                "password; then you can link the profile in your account."
            )
        else:
            await self._letters.notice("profile-linked", user, user.email.written)
        await self.link(user.id, claimed, clock)
        return user

    async def link(self, user_id: UserId, claimed: Claimed, clock: Clock) -> LinkedProfile:
        """Raises `ProfileTaken`."""
        profile, linked = LinkedProfile(
            id=ProfileId(self._ids.new()),
            user_id=user_id,
            provider=claimed.provider,
            issuer=claimed.issuer,
            subject=claimed.subject,
            email=claimed.email,
            linked_at=clock.now(),
        ).link()
        await self._profiles.add(profile)
        self._uow.emit(linked)
        return profile

    def _proven(self, claimed: Claimed) -> EmailAddress:
        try:
            if claimed.email and claimed.email_verified:
                return self._emails.parse(claimed.email)
        except Malformed:
            pass
        raise EmailUnproven(
            "The service did not tell us an e-mail address that it has verified. You can create "
            "an account with your e-mail address and a password instead."
        )

    async def _welcome(self, claimed: Claimed, email: EmailAddress, clock: Clock) -> User:
        now = clock.now()
        user, registered = User(
            id=UserId(self._ids.new()),
            email=email,
            name=_name(claimed.name) or _name(email.written.partition("@")[0]) or "Customer",
            password_hash=None,
            verified_at=now,
            created_at=now,
        ).register()
        await self._users.add(user)
        self._uow.emit(registered)
        return user


class SocialSignIn:
    def __init__(
        self, uow: UnitOfWork, recognition: Recognition, admission: Admission, clock: Clock
    ) -> None:
        self._uow = uow
        self._recognition = recognition
        self._admission = admission
        self._clock = clock

    async def sign_in(self, claimed: Claimed, device: str) -> SignedIn:
        """Raises `EmailUnproven`, `PasswordFirst` or `SecondFactorRequired`."""
        for left in reversed(range(_TRIES)):
            try:
                async with self._uow.begin():
                    user = await self._recognition.whose(claimed, self._clock)
                    outcome = await self._admission.admit(user, device, _FEDERATED)
                break
            except (EmailTaken, ProfileTaken):  # by the same person in another window
                if not left:
                    raise
        return await self._admission.answer(outcome)


class ProfileLinks:
    """The profiles of whoever is signed in."""

    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        profiles: Profiles,
        reads: ProfileReads,
        recognition: Recognition,
        presence: Presence,
        letters: Letters,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._users = users
        self._profiles = profiles
        self._reads = reads
        self._recognition = recognition
        self._presence = presence
        self._letters = letters
        self._clock = clock

    async def mine(self, caller: Caller) -> list[LinkedProfile]:
        """The one linked first comes first."""
        return await self._reads.of(caller.known())

    async def ask(self, caller: Caller) -> UserId:
        """Whether one more may be linked now. Raises `SignInAgain` or `TooManyProfiles`."""
        user_id = caller.known()
        async with self._uow.begin():
            await self._presence.confirm(caller)
            have = await self._profiles.of(user_id)
        if len(have) >= LinkedProfile.MOST:
            raise TooManyProfiles(f"An account keeps at most {LinkedProfile.MOST} profiles.")
        return user_id

    async def link(self, caller: Caller, claimed: Claimed) -> None:
        """One that is linked already stays as it is. Raises `ProfileTaken` or `Unauthenticated`."""
        user_id = caller.known()
        async with self._uow.begin():
            await self._presence.lasts(caller)
            user = await self._users.get(user_id)
            known = await self._profiles.find(claimed.issuer, claimed.subject)
            if known is not None and known.user_id == user_id:
                return
            if known is not None:
                raise ProfileTaken("This profile signs in to another account.")
            await self._recognition.link(user_id, claimed, self._clock)
            await self._letters.notice("profile-linked", user, user.email.written)

    async def unlink(self, caller: Caller, profile_id: ProfileId) -> None:
        """Raises `ProfileNotFound`, or `LastWayIn` when nobody could sign in afterwards."""
        user_id = caller.known()
        async with self._uow.begin():
            user = await self._users.get(user_id)  # locked: two windows take away one by one
            have = await self._profiles.of(user_id)
            profile = next((one for one in have if one.id == profile_id), None)
            if profile is None:
                raise ProfileNotFound("There is no such profile.")
            if user.password_hash is None and len(have) == 1:
                raise LastWayIn("Please set a password first: this is the only way to sign in.")
            await self._profiles.remove(profile)
            self._uow.emit(profile.unlink(self._clock.now()))


def _name(text: str) -> str:
    try:
        return line(text[:120], "name")
    except Malformed:
        return ""
