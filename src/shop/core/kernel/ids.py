"""Names for ids, so that one kind is never passed for another. All are UUIDv7 (RFC 9562)."""

from typing import NewType
from uuid import UUID

UserId = NewType("UserId", UUID)
SessionId = NewType("SessionId", UUID)
AddressId = NewType("AddressId", UUID)
ProfileId = NewType("ProfileId", UUID)
PasskeyId = NewType("PasskeyId", UUID)
CategoryId = NewType("CategoryId", UUID)
ProductId = NewType("ProductId", UUID)
VariantId = NewType("VariantId", UUID)
CartId = NewType("CartId", UUID)
LineId = NewType("LineId", UUID)
OrderId = NewType("OrderId", UUID)
PaymentId = NewType("PaymentId", UUID)
RefundId = NewType("RefundId", UUID)
EmailId = NewType("EmailId", UUID)
EventId = NewType("EventId", UUID)
