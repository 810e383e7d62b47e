"""The correlation id of the call being served: it follows a request into events and logs."""

from contextvars import ContextVar

correlation: ContextVar[str] = ContextVar("correlation", default="")
