"""Kinds of text that bodies hold."""

from typing import Annotated

from msgspec import Meta

_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"

#: What people call themselves, or a town: one line that can be printed.
Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=_ONE_LINE)]
#: The same, but it may be left empty.
OptionalLine = Annotated[str, Meta(max_length=200, pattern=_ONE_LINE)]
Street = Annotated[str, Meta(min_length=1, max_length=500, pattern=_ONE_LINE)]
Short = Annotated[str, Meta(max_length=32, pattern=_ONE_LINE)]
Email = Annotated[
    str, Meta(min_length=3, max_length=254, pattern=_ONE_LINE, examples=["asha@example.com"])
]
Phone = Annotated[
    str, Meta(min_length=4, max_length=32, pattern=_ONE_LINE, examples=["+919845012345"])
]
#: Bounded, so that nobody makes the shop hash a book; the rules for new ones are stricter.
Password = Annotated[str, Meta(min_length=1, max_length=1024, examples=["three green kettles"])]
#: A secret from a mail.
Token = Annotated[str, Meta(min_length=1, max_length=200, pattern=_ONE_LINE)]
