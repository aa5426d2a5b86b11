"""Property tests from the OpenAPI description, and hostile bodies: no endpoint fails, none answers an undocumented status."""

from __future__ import annotations

import base64
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data_contracts.record import Record
from inference.reading.reader import Reader
from inference.service.capabilities import CAPABILITIES

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis comes with the full environment")
from schemathesis.generation import GenerationMode  # noqa: E402

RECORD = {"id": "a", "text": "女，30岁，尿频尿急尿痛1天。BP 120/80mmHg"}
EXAMPLES = 12
LONG = 3000
"""Characters of a hostile text: long enough to find what grows faster than its length, short enough for a test."""
SECONDS = 4.0
"""A bound for each operation and mode, for machines under load."""


@pytest.fixture(scope="module")
def described(client: TestClient) -> dict[str, Any]:
    return dict(client.get("/openapi.json").json())


def sent(client: TestClient, case: Any) -> Any:
    """Send a generated case through the shared client."""
    absent = type(case.body).__name__ == "NotSet"
    content = b"" if absent else json.dumps(case.body, ensure_ascii=True, default=repr).encode()
    # what cannot stand in a URL is not what is tried here
    query = {k: v if isinstance(v, (str, int, float)) else json.dumps(v) for k, v in (case.query or {}).items()}
    return client.request(case.method, case.formatted_path, params=query, content=content, headers={"content-type": "application/json"})


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        *((path, mode) for path in [*(c.path for c in CAPABILITIES), "/v1/knowledge/search"] for mode in GenerationMode),
        # every text is a valid id
        ("/v1/knowledge/diseases/{ident}", GenerationMode.POSITIVE),
    ],
)
def test_only_documented_statuses(client: TestClient, described: dict[str, Any], path: str, mode: GenerationMode) -> None:
    method = "post" if "post" in described["paths"][path] else "get"
    documented = {int(status) for status in described["paths"][path][method]["responses"]}
    operation = schemathesis.openapi.from_dict(described)[path][method]
    until = time.monotonic() + SECONDS

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        if time.monotonic() > until:
            return
        response = sent(client, case)
        assert response.status_code in documented, response.text
        assert response.status_code < 500, response.text
        if response.status_code != 200:
            assert response.headers["content-type"] == "application/problem+json"

    check()


def test_every_documented_problem_is_in_the_catalogue(described: dict[str, Any]) -> None:
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert "application/problem+json" in answer["content"], (path, method, status)


HOSTILE: dict[str, Any] = {
    "NUL": {**RECORD, "text": "咳嗽\x00\x00发热3天\x00"},
    "NUL in the id": {**RECORD, "id": "\x00"},
    "bidi": {**RECORD, "text": "\u202e咳嗽3天\u202c\u2066发热\u2069\u200b\u200f"},
    "noncharacters": {**RECORD, "text": "\ufffe\uffff\U0010ffff咳嗽\ufeff" * 50},
    "combining marks": {**RECORD, "text": "咳嗽" + "\u0301" * LONG},
    "one character": {**RECORD, "text": "痛" * LONG},
    "digits": {**RECORD, "text": "9" * LONG},
    "slashes": {**RECORD, "text": "120/80/" * (LONG // 7)},
    "lines": {**RECORD, "text": "\n" * LONG + "咳嗽3天"},
    "brackets": {**RECORD, "text": "（" * (LONG // 2) + "）" * (LONG // 2)},
    "headings": {**RECORD, "text": "主诉：现病史：既往史：" * (LONG // 11)},
    "denials": {**RECORD, "text": "无发热、" * (LONG // 4)},
    "English": {**RECORD, "text": "Patient denies chest pain. " * (LONG // 27)},
    "emoji": {**RECORD, "text": "😷🤒" * (LONG // 2)},
    "a long field": {**RECORD, "text": "咳" * 1_000_000},
    "a long id": {**RECORD, "id": "x" * 1_000_000},
    "huge numbers": {**RECORD, "measurements": [{"name": "systolic_bp", "value": 1e308, "unit": "mmHg"}]},
    "huge integers": {**RECORD, "patient": {"age": {"value": 10**30, "unit": "year"}}},
    "a negative age": {**RECORD, "patient": {"age": {"value": -1, "unit": "year"}}},
    "an impossible age": {**RECORD, "patient": {"age": {"value": 400, "unit": "year"}}},
    "many diagnoses": {**RECORD, "diagnoses": [{"name": "高血压病"}] * 5000},
    "wrong date": {**RECORD, "encounter": {"date": "2026-02-31"}},
    "a far date": {**RECORD, "encounter": {"date": "0001-01-01"}},
    "formula": {**RECORD, "id": "=cmd|' /C calc'!A0"},
    "path": {**RECORD, "id": "../../../../etc/passwd"},
    "markup": {**RECORD, "text": "<script>alert(1)</script>咳嗽3天" * 100},
}
TEXTUAL = [c for c in CAPABILITIES if not c.image]


@pytest.mark.parametrize("capability", TEXTUAL, ids=lambda c: c.name)
def test_hostile_values_are_answered(client: TestClient, capability: Any) -> None:
    for name, item in HOSTILE.items():
        began = time.process_time()
        response = client.post(capability.path, json=item)
        assert response.status_code in (200, 422, 413), (name, response.text[:300])
        assert time.process_time() - began < 5, name
        if response.status_code == 200:
            assert response.json()["id"] == item["id"], name


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"id": "a", "text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
        (b'{"id": "a", "text": "\\ud83d"}', 400),
        (b'{"id": "a", "text": "\\udc00\\ud800"}', 400),
        (b'{"id": "a", "text": "\xed\xa0\x80"}', 400),
        (b'{"id": "a", "text": NaN}', 400),
        (b'{"id": "a", "id": "b", "text": 1e999}', 400),
        (b'\xef\xbb\xbf{"id": "a"}', 400),
        ('{"id": "a", "text": "咳嗽"}'.encode("utf-16"), 400),
        (b"", 400),
        (b"\x00" * 1000, 400),
        (b'{"items": [' + b"1," * 100 + b"1]}", 422),
        (b" " * 10_000_000, 413),
    ],
    ids=["deep list", "deep object", "lone high", "lone low", "raw surrogate", "NaN", "infinity", "BOM", "UTF-16", "empty", "NULs", "too many items", "10 MB"],
)  # fmt: skip
def test_hostile_bodies(client: TestClient, body: bytes, status: int) -> None:
    response = client.post("/v1/diagnose", content=body, headers={"content-type": "application/json"})
    assert response.status_code == status, response.text[:300]
    assert response.headers["content-type"] == "application/problem+json"
    assert "咳嗽" not in response.text


def test_hostile_images(client: TestClient) -> None:
    rng = random.Random(0)
    heads = [
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\x00\x00\x00",
        b"GIF89a",
        b"\x00" * 128 + b"DICM",
        b"PK\x03\x04",
        b"%PDF-1.7",
    ]
    for number in range(60):
        data = heads[number % len(heads)] + rng.randbytes(rng.randrange(0, 400))
        response = client.post("/v1/fundus/screen", json={"id": "x", "image": base64.b64encode(data).decode()})
        assert response.status_code in (200, 413, 415, 422), response.text
    for image in ("", "咳嗽", "data:image/png;base64,", "A" * 1001):
        assert client.post("/v1/fundus/screen", json={"id": "x", "image": image}).status_code in (415, 422)  # fmt: skip


@pytest.mark.parametrize("unit", ["9", "痛", "120/80/", "一", "3～", "无发热、", "主诉：现病史：", "（", "1.", "12 h"])
def test_reading_a_page_of_one_sign_takes_no_minutes(rule_reader: Reader, unit: str) -> None:
    began = time.process_time()
    rule_reader.read([Record(id="a", text=unit * (20_000 // len(unit)))])
    assert time.process_time() - began < 20  # seconds; one to five on an ordinary PC, minutes where a rule looks back over the whole page


def test_memory_of_hostile_requests_is_given_back(client: TestClient) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    bodies = [json.dumps(HOSTILE[name]).encode() for name in ("a long field", "a long id", "many diagnoses")]
    for body in bodies:
        client.post("/v1/diagnose", content=body, headers={"content-type": "application/json"})
    before = resident()
    for _ in range(15):
        for body in bodies:
            client.post("/v1/diagnose", content=body, headers={"content-type": "application/json"})
    assert resident() <= before * 1.05
