"""One catalogue of problems for library, commands and HTTP, as RFC 9457 problem documents in plain Chinese.

A problem never carries the record's text: `detail` says what was wrong and how to mend it, `pointer` where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from data_contracts.base import Contract

TYPE_PREFIX = "urn:xinglin:problem:"


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A kind of problem: its code, HTTP status, title and the remedy that is said when none is more exact."""

    code: str
    status: int
    title: str
    remedy: str


CATALOGUE: dict[str, ProblemKind] = {
    kind.code: kind
    for kind in (
        ProblemKind("invalid-json", 400, "不是合法的 JSON", "请检查引号、逗号与括号，并以 UTF-8 编码发送。"),
        ProblemKind("not-utf8", 400, "不是 UTF-8 编码", "请把内容转换为 UTF-8 编码后再发送。"),
        ProblemKind("invalid-input", 422, "输入不符合约定", "请按接口文档修改所指字段。"),
        ProblemKind("empty-record", 422, "病历是空的", "请填写 text（整份病历）或 sections（分节病历）之一。"),
        ProblemKind("text-too-long", 422, "病历过长", "请删去重复粘贴的内容，或分次提交。"),
        ProblemKind("implausible-value", 422, "数值不可能", "请核对数值与单位。"),
        ProblemKind("unit-unknown", 422, "单位缺失或不认识", "请写明单位。"),
        ProblemKind("not-found", 404, "没有找到", "请核对名称或编号。"),
        ProblemKind("method-not-allowed", 405, "不支持这种请求方法", "请按接口文档使用正确的方法。"),
        ProblemKind("body-too-large", 413, "请求过大", "请分批提交，每批不超过 64 条。"),
        ProblemKind("unsupported-media", 415, "不支持的内容类型", "请以 application/json 提交。"),
        ProblemKind("not-an-image", 422, "不是可读的图片", "请提交 JPEG、PNG 或 8 位 DICOM 眼底照片。"),
        ProblemKind("unauthorised", 401, "未提供有效的密钥", "请在 Authorization 头中携带有效的 API 密钥。"),
        ProblemKind("forbidden", 403, "没有权限", "请联系管理员开通。"),
        ProblemKind("too-many-requests", 429, "请求过多", "请稍后重试。"),
        ProblemKind("overloaded", 503, "服务繁忙", "请稍后重试。"),
        ProblemKind("not-ready", 503, "服务未就绪", "请查看 /readyz 的说明。"),
        ProblemKind("deadline", 504, "处理超时", "请缩短病历或稍后重试。"),
        ProblemKind("bundle-invalid", 500, "模型包无法使用", "请运行 xinglin models verify 查看原因。"),
        ProblemKind("knowledge-invalid", 500, "知识库无法使用", "请运行 xinglin knowledge check 查看原因。"),
        ProblemKind("internal", 500, "内部错误", "请把时间与版本号告诉维护人员。"),
    )
}


class Problem(Contract):
    """A problem document (application/problem+json)."""

    type: str
    title: str
    status: int
    detail: str
    pointer: str | None = None


def problem(code: str, detail: str | None = None, pointer: str | None = None) -> Problem:
    """Build a problem of the catalogue; `detail` defaults to the kind's remedy."""
    kind = CATALOGUE[code]
    return Problem(type=TYPE_PREFIX + code, title=kind.title, status=kind.status, detail=detail or kind.remedy, pointer=pointer)


class XinglinError(Exception):
    """An error that carries its problem document."""

    def __init__(self, code: str, detail: str | None = None, pointer: str | None = None) -> None:
        self.problem = problem(code, detail, pointer)
        super().__init__(self.problem.detail)


_MESSAGES: dict[str, str] = {
    "missing": "缺少必填字段",
    "extra_forbidden": "不认识的字段，请删除或改正字段名",
    "string_type": "应为文字",
    "string_unicode": "含有非法字符（不成对的代理码），请重新以 UTF-8 编码",
    "string_too_long": "文字过长",
    "string_too_short": "文字过短",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_from_float": "应为整数",
    "float_type": "应为数字",
    "float_parsing": "应为数字",
    "finite_number": "应为有限的数字",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "list_type": "应为列表",
    "tuple_type": "应为列表",
    "dict_type": "应为对象",
    "model_type": "应为对象",
    "model_attributes_type": "应为对象",
    "date_parsing": "日期应写作 2026-03-01",
    "date_from_datetime_parsing": "日期应写作 2026-03-01",
    "date_type": "日期应写作 2026-03-01",
}


def _message(error: dict[str, Any]) -> str:
    kind = error["type"]
    context = error.get("ctx") or {}
    if kind == "value_error":
        return str(context.get("error", "不符合约定"))
    if kind == "literal_error":
        return f"只能是 {context.get('expected', '').replace(' or ', '、')} 之一"
    if kind in ("greater_than_equal", "greater_than"):
        return f"不能小于 {context.get('ge', context.get('gt'))}"
    if kind in ("less_than_equal", "less_than"):
        return f"不能大于 {context.get('le', context.get('lt'))}"
    if kind in ("too_long", "string_too_long"):
        return f"最多 {context.get('max_length')} 项（字）"
    return _MESSAGES.get(kind, "不符合约定")


def pointer_of(location: tuple[int | str, ...]) -> str:
    """Turn a pydantic location into a JSON pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def problem_from_validation(error: ValidationError) -> Problem:
    """The problem of a failed validation: the first error's field and remedy, and how many more there are."""
    errors: list[dict[str, Any]] = [dict(e) for e in error.errors(include_url=False, include_input=False)]
    carried = next((e["ctx"]["error"] for e in errors if isinstance((e.get("ctx") or {}).get("error"), CodedValueError)), None)
    first = errors[0]
    pointer = pointer_of(first["loc"])
    if carried is not None:
        return problem(carried.code, str(carried), carried.pointer or pointer or None)
    name = pointer or "整条输入"
    more = f"（另有 {len(errors) - 1} 处问题）" if len(errors) > 1 else ""
    return problem("invalid-input", f"{name}：{_message(first)}。{more}", pointer or None)


class CodedValueError(ValueError):
    """A ValueError raised inside a validator that names its problem of the catalogue."""

    def __init__(self, code: str, detail: str, pointer: str | None = None) -> None:
        self.code = code
        self.pointer = pointer
        super().__init__(detail)
