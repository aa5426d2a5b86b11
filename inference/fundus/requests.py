"""Requests with photographs in base64, as the service gets them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from data_contracts.problems import Problem, problem, problem_from_validation
from data_contracts.screen import ScreenRequest, ScreenResult
from inference.fundus.screener import Screener


def screen_requests(screener: Screener, items: Sequence[Any]) -> list[ScreenResult | Problem]:
    """One answer a request, in order; `image` is base64, with or without a data URL's head."""
    return [_answer(screener, item) for item in items]


def _answer(screener: Screener, item: Any) -> ScreenResult | Problem:
    try:
        request = item if isinstance(item, ScreenRequest) else ScreenRequest.model_validate(item)
    except ValidationError as error:
        return problem_from_validation(error)
    text = request.image
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return problem("not-an-image", "image 不是合法的 base64 编码，请对文件的原始字节做 base64 编码后提交。", "/image")
    return screener.screen_one(request.id, data, heat_map=request.heat_map)
