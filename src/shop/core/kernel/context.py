"""What the call being served carries along: its correlation id, and where it came from."""

from contextvars import ContextVar

correlation: ContextVar[str] = ContextVar("correlation", default="")

#: The network address of whoever called; empty outside of requests.
address: ContextVar[str] = ContextVar("address", default="")
