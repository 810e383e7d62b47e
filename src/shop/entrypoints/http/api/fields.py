"""Kinds of text that bodies and queries hold."""

from typing import Annotated

from litestar.params import QueryParameter
from msgspec import Meta

_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"

#: What people call themselves, or a town: one line that can be printed.
Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=_ONE_LINE)]
#: The same, but it may be left empty.
OptionalLine = Annotated[str, Meta(max_length=200, pattern=_ONE_LINE)]
Email = Annotated[
    str, Meta(min_length=3, max_length=254, pattern=_ONE_LINE, examples=["asha@example.com"])
]
Phone = Annotated[
    str, Meta(min_length=4, max_length=32, pattern=_ONE_LINE, examples=["+919845012345"])
]
#: Bounded, so that nobody makes the shop hash a book; the rules for new ones are stricter.
Password = Annotated[str, Meta(min_length=1, max_length=1024, examples=["three green kettles"])]
#: Of a list that is read page by page.
Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many items a page has.")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=4000, description="`next_cursor` of the page before.")
]
#: A secret from a mail.
Token = Annotated[str, Meta(min_length=1, max_length=200, pattern=_ONE_LINE)]
