"""From a request's body to the engine and back: one item or `{"items": […]}`, problems as RFC 9457 documents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel

from data_contracts.problems import CATALOGUE, TYPE_PREFIX, Problem, XinglinError, problem

MAX_ITEMS = 64
PROBLEM_JSON = "application/problem+json"
HTML = "text/html"
# a report is one page with its own style and drawings, and runs no script
REPORT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
}
RETRY = {429: "1", 503: "2"}


def problem_response(found: Problem, *, headers: dict[str, str] | None = None) -> Response:
    """A problem as an HTTP response, with Retry-After where waiting helps."""
    extra = dict(headers or {})
    if found.status in RETRY:
        extra["Retry-After"] = RETRY[found.status]
    return Response(orjson.dumps(found.model_dump(exclude_none=True)), status_code=found.status, media_type=PROBLEM_JSON, headers=extra)


async def parsed_body(request: Request, limit: int) -> tuple[Any, str]:
    """The parsed JSON body and its digest; the body is cut off as soon as it is too large.

    Raises:
        XinglinError: `unsupported-media`, `body-too-large`, `not-utf8` or `invalid-json`.
    """
    media = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if media not in ("application/json", "application/fhir+json"):
        raise XinglinError("unsupported-media")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise XinglinError("body-too-large", f"请求体超过 {limit // 2**20} MB；请分批提交。")
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise XinglinError("body-too-large", f"请求体超过 {limit // 2**20} MB；请分批提交。")
        chunks.append(chunk)
    body = b"".join(chunks)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise XinglinError("not-utf8") from error
    try:
        return orjson.loads(text), hashlib.sha256(body).hexdigest()
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise XinglinError("invalid-json") from error


def items_of(body: Any) -> tuple[list[Any], bool]:
    """The items of a body, and whether it was a batch.

    Raises:
        XinglinError: `invalid-input` for a batch that is empty or over 64 items.
    """
    if isinstance(body, dict) and set(body) == {"items"}:
        items = body["items"]
        if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
            raise XinglinError("invalid-input", f"items 应为 1 至 {MAX_ITEMS} 条的列表。", "/items")
        return items, True
    return [body], False


def as_json(answer: Any, item: Any) -> Any:
    """An answer for a batch: a result, or `{"id", "error"}`."""
    if isinstance(answer, Problem):
        ident = item.get("id") if isinstance(item, dict) else None
        return {"id": str(ident) if isinstance(ident, (str, int)) else None, "error": answer.model_dump(exclude_none=True)}
    return answer.model_dump(mode="json", by_alias=True) if isinstance(answer, BaseModel) else answer


def respond(answers: Sequence[Any], items: Sequence[Any], *, batch: bool, media: str = "application/json") -> Response:
    """The HTTP response of the answers."""
    if batch:
        return Response(
            orjson.dumps({"items": [as_json(a, i) for a, i in zip(answers, items, strict=True)]}), media_type="application/json"
        )
    answer = answers[0]
    if isinstance(answer, Problem):
        return problem_response(answer)
    if media == HTML:
        return Response(answer["html"], media_type=f"{HTML}; charset=utf-8", headers=REPORT_HEADERS)
    return Response(orjson.dumps(as_json(answer, items[0])), media_type=media)


def problem_of_status(status: int) -> Problem:
    """The catalogue's problem for a bare HTTP status."""
    for code, kind in CATALOGUE.items():
        if kind.status == status:
            return problem(code)
    return Problem(type=f"{TYPE_PREFIX}http-{status}", title="请求不能处理", status=status, detail="请按接口文档修改请求。")


Answer = Callable[[Sequence[Any]], Sequence[Any]]
