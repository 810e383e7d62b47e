"""Every event the shop publishes, by its type on the wire."""

from collections.abc import Collection

from shop.adapters.system.cloudevents import unseal
from shop.core.catalog import model as catalog
from shop.core.inventory import model as inventory
from shop.core.kernel.events import Event
from shop.core.notifications import model as notifications
from shop.core.orders import model as orders
from shop.core.payments import model as payments
from shop.core.privacy import model as privacy
from shop.core.users import factor_facts, facts as users, linked
from shop.entrypoints.actors.lanes import Arrived
from shop.ports.bus import UNREADABLE
from shop.ports.outbox import Envelope

_MODELS = (
    catalog,
    inventory,
    notifications,
    orders,
    payments,
    users,
    factor_facts,
    linked,
    privacy,
)


def _published() -> dict[str, type[Event]]:
    found = (one for model in _MODELS for one in vars(model).values() if isinstance(one, type))
    return {one.kind(): one for one in found if issubclass(one, Event) and hasattr(one, "fact")}


EVENTS: dict[str, type[Event]] = _published()


class Opener:
    """Takes those events out of their envelopes that somebody wants to hear of."""

    def __init__(self, wanted: Collection[type[Event]]) -> None:
        self._wanted = {kind.kind(): kind for kind in wanted}
        self.topics = frozenset(kind.topic for kind in wanted)

    def __call__(self, envelope: Envelope) -> Arrived | None:
        """None for other events. Raises `ValueError` for a body that cannot be read."""
        kind = self._wanted.get(envelope.kind)
        if envelope.kind == UNREADABLE:
            raise ValueError("This is no CloudEvent of the shop.")
        if kind is None:
            return None
        opened = unseal(envelope, kind)
        return Arrived(envelope.id, opened.fact, opened.correlation, opened.trace)
