"""What a browser sends: fields of forms, read without trusting any."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from urllib.parse import parse_qsl, urlsplit

from litestar.datastructures import UploadFile

from shop.core.kernel.errors import Malformed
from shop.core.kernel.postal import PostalAddress
from shop.core.users.postal import INDIA, check_place, line, phone, pin_code, state_code
from shop.entrypoints.http.parts import parts_of
from shop.entrypoints.http.raw import body
from shop.entrypoints.http.served import HttpRequest
from shop.ports.users import EmailAddresses

_MOST_FIELDS = 500
_MOST_MONEY = 13
_PERCENTAGE = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?")
_WHOLE = 10_000  # basis points
EMPTY = "Please fill this in."


class Form(dict[str, str]):
    """Each field once, the last one counts; what is missing is empty."""

    #: What was uploaded, by field; a field that was left empty is not there.
    files: Mapping[str, UploadFile] = MappingProxyType({})

    def __missing__(self, name: str) -> str:
        return ""

    def text(self, name: str) -> str:
        return self[name].strip()

    def count(self, name: str) -> int:
        """Raises `Malformed` for anything but a small whole number."""
        text = self.text(name)
        digits = text[1:] if text.startswith(("+", "-")) else text
        if not text.isascii() or not digits.isdigit() or len(text) > _MOST_MONEY:
            raise Malformed("This must be a whole number.", field=name, kind="number")
        return int(text)


async def read_form(request: HttpRequest) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _read_parts(request)
    if kind != "application/x-www-form-urlencoded":
        raise Malformed("This is no form of ours.", field="Content-Type", kind="format")
    try:
        text = (await body(request.scope, request.receive)).decode()
        return Form(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise Malformed("This form cannot be read.", field="", kind="format") from None


async def _read_parts(request: HttpRequest) -> Form:
    given = await parts_of(request)
    form = Form({name: part for name, part in given.items() if isinstance(part, str)})
    uploads = {name: part for name, part in given.items() if isinstance(part, UploadFile)}
    form.files = {name: part for name, part in uploads.items() if part.filename}
    return form


def amount(text: str, field: str) -> int:
    """Money as people write it, in minor units. Raises `Malformed`."""
    tidy = text.strip().removeprefix("₹").replace(",", "").strip()
    whole, _, rest = tidy.partition(".")
    if not (whole.isdigit() and tidy.isascii() and len(whole) < _MOST_MONEY) or (
        rest and not (rest.isdigit() and len(rest) <= 2)  # noqa: PLR2004 - paise
    ):
        raise Malformed("Please write an amount such as 1299 or 1299.50.", field=field)
    return int(whole) * 100 + int(rest.ljust(2, "0"))


def percentage(text: str, field: str) -> int:
    """A rate as people write it, in basis points. Raises `Malformed`."""
    found = _PERCENTAGE.fullmatch(text.strip().removesuffix("%").rstrip())
    points = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else _WHOLE + 1
    if points > _WHOLE:
        raise Malformed("Please write a rate from 0 to 100, such as 18 or 2.5.", field=field)
    return points


def local_path(text: str, otherwise: str = "/") -> str:
    """The path if it is one of ours: nobody is sent to another site by a link to this one."""
    if not text.startswith("/") or text.startswith("//") or "\\" in text:
        return otherwise
    if any(ord(c) < 33 or ord(c) > 126 for c in text):  # noqa: PLR2004 - browsers drop such
        return otherwise
    try:
        parts = urlsplit(text)
    except ValueError:
        return otherwise
    return otherwise if parts.scheme or parts.netloc else text


class Errors(dict[str, str]):
    """What is wrong with a form, field by field."""

    def missing(self, form: "Form", *names: str) -> None:
        """Note every field that was left empty."""
        self.update((name, EMPTY) for name in names if not form.text(name))

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Note a `Malformed` under its field and go on."""
        try:
            yield
        except Malformed as wrong:
            self.setdefault(wrong.field, wrong.detail)


def check_person(form: Form, errors: Errors, emails: EmailAddresses) -> None:
    """Note what is wrong with a name, an e-mail address and a telephone number."""
    errors.missing(form, "name", "email")
    checks: dict[str, Callable[[str], object]] = {
        "name": lambda text: line(text[:200], "name"),
        "email": emails.parse,
        "contact": phone,
    }
    for name, check in checks.items():
        if form.text(name):
            with errors.gathered():
                check(form.text(name))


ADDRESS_FIELDS = ("name", "phone", "street", "city", "state", "zipcode")


def read_address(form: Mapping[str, str], errors: Errors) -> PostalAddress:
    """An Indian address; every field that is wrong is noted, not just the first."""
    checks: dict[str, Callable[[str], str]] = {
        "name": lambda text: line(text, "name"),
        "phone": lambda text: phone(text, INDIA, field="phone"),
        "street": lambda text: line(text, "street"),
        "city": lambda text: line(text, "city"),
        "state": state_code,
        "zipcode": pin_code,
    }
    told = {}
    for name, check in checks.items():
        told[name] = ""
        if not form[name].strip():
            errors[name] = EMPTY
            continue
        with errors.gathered():
            told[name] = check(form[name])
    if told["zipcode"] and told["state"]:
        with errors.gathered():
            check_place(told["zipcode"], told["state"])
    return PostalAddress(**told)
