"""What the documentation says of the authorization endpoint, which reads its requests by itself."""

from dataclasses import dataclass
from typing import ClassVar

from litestar import MediaType
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, Parameter, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from shop.entrypoints.http.oauth_forms import FORM
from shop.entrypoints.http.web.authorization import MORE, NEEDED


@dataclass
class AskOperation(Operation):
    """Says in the documentation what the route reads by itself."""

    def __post_init__(self) -> None:
        text = Schema(type=OpenAPIType.STRING)
        self.parameters = [
            Parameter(name=name, param_in="query", schema=text, required=name in NEEDED)
            for name in (*NEEDED, *MORE)
        ]


@dataclass
class AnswerOperation(Operation):
    fields: ClassVar[tuple[str, ...]] = (
        *("csrf", "step", "email", "password", "ticket", "code", "decision"),
        *NEEDED,
        *MORE,
    )

    def __post_init__(self) -> None:
        text = Schema(type=OpenAPIType.STRING)
        schema = Schema(type=OpenAPIType.OBJECT, properties=dict.fromkeys(self.fields, text))
        self.request_body = RequestBody(
            content={FORM: OpenAPIMediaType(schema=schema)}, required=True
        )


def pages(*statuses: int) -> dict[int, ResponseSpec]:
    said = {
        200: "A page with one form: to sign in, or to consent.",
        303: (
            "Back to the program, with a code or an error, and `state` and `iss`; after a POST "
            "from elsewhere, to the page that it asks for."
        ),
        400: "The program or its address is not registered: nobody is sent there.",
        401: "The sign-in page again: what was typed is not right.",
        403: "The form is not one of this visitor's pages.",
        429: "Too many attempts.",
    }
    return {
        at: ResponseSpec(
            None if at == 303 else str,  # noqa: PLR2004
            description=said[at],
            media_type=MediaType.HTML,
            generate_examples=False,
        )
        for at in statuses
    }
