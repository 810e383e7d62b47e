"""What `type` of a problem document leads to: its code in words."""

from litestar.params import FromPath

from shop.core.kernel.errors import NotFound
from shop.entrypoints.http.meanings import MEANINGS, statuses
from shop.entrypoints.http.served import HttpRequest
from shop.entrypoints.http.web.front import front_of
from shop.entrypoints.http.web.replies import Reply, html
from shop.entrypoints.http.web.routing import page


@page("/problems")
async def problems(request: HttpRequest) -> Reply:
    front = await front_of(request)
    known = statuses()
    told = [(code, known[code], text) for code, text in MEANINGS.items() if code in known]
    return html(front.look.render("problems.html", shop=front.shop_name, problems=told), keep=True)


@page("/problems/{code:str}")
async def problem(request: HttpRequest, code: FromPath[str]) -> Reply:
    known = statuses()
    if code not in known or code not in MEANINGS:
        raise NotFound("The shop answers with no such code.")
    front = await front_of(request)
    one = [(code, known[code], MEANINGS[code])]
    return html(front.look.render("problems.html", shop=front.shop_name, problems=one), keep=True)


ROUTES = (problems, problem)
