"""The service: every endpoint by its contract, problems as documents, limits, headers, audit."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from inference.engine import Engine
from inference.service.app import create_app
from inference.service.audit import AuditTrail, broken_line
from inference.service.capabilities import CAPABILITIES
from inference.service.security import refuse_unsafe
from inference.settings import Settings

RECORD = {"id": "a", "text": "女，30岁，尿频尿急尿痛1天。BP 120/80mmHg"}
TEXTUAL = [c for c in CAPABILITIES if not c.image]


def problem_of(response: Any) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert {"type", "title", "status", "detail"} <= set(body)
    assert body["status"] == response.status_code
    return dict(body)


@pytest.mark.parametrize("capability", TEXTUAL, ids=lambda c: c.name)
def test_the_documented_example_is_answered(client: TestClient, capability: Any) -> None:
    response = client.post(capability.path, json=capability.example)
    assert response.status_code == 200, response.text
    assert response.json()["id"] == capability.example["id"]


@pytest.mark.parametrize("capability", TEXTUAL, ids=lambda c: c.name)
def test_a_batch_keeps_order_and_errors(client: TestClient, capability: Any) -> None:
    items = [capability.example, {"id": "bad", "text": 5, "nonsense": 1}, capability.example]
    response = client.post(capability.path, json={"items": items})
    assert response.status_code == 200
    answers = response.json()["items"]
    assert [a["id"] for a in answers] == [capability.example["id"], "bad", capability.example["id"]]
    assert "error" in answers[1]
    assert "error" not in answers[0]


@pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda c: c.name)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[]", 422),
        (b"3", 422),
        (b'{"items": []}', 422),
        (b"null", 422),
        (b'{"id": "x", "zzz": 1}', 422),
        (b"[" * 5000, 400),
    ],
)
def test_bad_bodies(client: TestClient, capability: Any, body: bytes, status: int) -> None:
    response = client.post(capability.path, content=body, headers={"content-type": "application/json"})
    assert response.status_code == status, response.text
    problem_of(response)


def test_too_large_and_wrong_kind(client: TestClient) -> None:
    began = time.perf_counter()
    response = client.post("/v1/diagnose", content=b"x" * 10_000_000, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert time.perf_counter() - began < 2
    problem_of(response)
    assert client.post("/v1/diagnose", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    assert client.post("/v1/diagnose", json={"items": [RECORD] * 65}).status_code == 422
    assert client.get("/v1/diagnose").status_code == 405
    assert client.get("/nowhere").status_code == 404


def test_health_and_metrics(client: TestClient) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    ready = client.get("/readyz").json()
    assert ready["status"] == "ready"
    client.post("/v1/diagnose", json=RECORD)
    assert 'xinglin_requests_total{route="/v1/diagnose",status="200"}' in client.get("/metrics").text


def test_knowledge_endpoints(client: TestClient) -> None:
    found = client.get("/v1/knowledge/search", params={"q": "拉肚子"}).json()
    assert found["results"]
    page = client.get("/v1/knowledge/diseases/acute_appendicitis")
    assert page.status_code == 200
    assert problem_of(client.get("/v1/knowledge/diseases/nothing_such"))["status"] == 404
    assert problem_of(client.get("/v1/knowledge/search", params={"q": ""}))["status"] == 422


def test_models_are_described(client: TestClient) -> None:
    assert "knowledge" in client.get("/v1/models").json()


def test_pages_and_headers(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "杏林" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    for name in ("app.js", "style.css"):
        assert client.get(f"/static/{name}").status_code == 200
    assert client.get("/docs").status_code == 200


def test_openapi_is_whole(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    text = json.dumps(schema)
    for capability in CAPABILITIES:
        operation = schema["paths"][capability.path]["post"]
        assert operation["operationId"] == f"{capability.tag}-{capability.name}"
    names = set(schema["components"]["schemas"])
    referenced = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert referenced <= names


def test_fhir_by_accept(client: TestClient) -> None:
    response = client.post("/v1/structure", json=RECORD, headers={"accept": "application/fhir+json"})
    assert response.headers["content-type"] == "application/fhir+json"
    assert response.json()["resourceType"] == "Bundle"


def test_keys_and_rates(engine: Engine, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"secret").hexdigest()
    settings = Settings(state=tmp_path, api_keys=digest, rate_per_second=0.001, rate_burst=2)
    with TestClient(create_app(settings, engine)) as guarded:
        assert guarded.get("/livez").status_code == 200
        assert problem_of(guarded.post("/v1/diagnose", json=RECORD))["status"] == 401
        assert guarded.post("/v1/diagnose", json=RECORD, headers={"authorization": "Bearer wrong"}).status_code == 401
        headers = {"authorization": "Bearer secret"}
        statuses = [guarded.post("/v1/diagnose", json=RECORD, headers=headers).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert guarded.post("/v1/diagnose", json=RECORD, headers=headers).headers["retry-after"]


def test_unsafe_addresses_are_refused() -> None:
    with pytest.raises(SystemExit, match="XINGLIN_API_KEYS"):
        refuse_unsafe(Settings(host="0.0.0.0"))
    with pytest.raises(SystemExit, match="SHA-256"):
        refuse_unsafe(Settings(host="0.0.0.0", api_keys="plain"))
    refuse_unsafe(Settings(host="127.0.0.1"))


def test_not_ready_says_why(tmp_path: Path, kb: Any) -> None:
    broken = tmp_path / "bundles" / "ranker"
    broken.mkdir(parents=True)
    (broken / "manifest.json").write_text("{}")
    settings = Settings(state=tmp_path, bundles=tmp_path / "bundles")
    with TestClient(create_app(settings, None)) as waiting:
        assert "manifest.json" in problem_of(waiting.get("/readyz"))["detail"]
        assert problem_of(waiting.post("/v1/diagnose", json=RECORD))["status"] == 503
        assert waiting.get("/livez").status_code == 200


def test_overload_is_shed_while_health_answers(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Engine(Settings(state=tmp_path), kb=engine.kb)
    hold = threading.Event()
    settings = Settings(state=tmp_path, queue=1, deadline_seconds=0.5, rate_per_second=1000, rate_burst=1000)
    app = create_app(settings, slow)
    with TestClient(app) as busy:
        monkeypatch.setattr(slow, "diagnose", lambda items: hold.wait(5) and [])
        statuses: list[int] = []
        first = threading.Thread(target=lambda: statuses.append(busy.post("/v1/diagnose", json=RECORD).status_code))
        first.start()
        time.sleep(0.15)
        shed = busy.post("/v1/diagnose", json=RECORD)
        began = time.perf_counter()
        assert busy.get("/livez").status_code == 200
        assert time.perf_counter() - began < 0.3
        first.join()
        hold.set()
    assert shed.status_code == 503
    assert shed.headers["retry-after"]
    assert statuses == [504]


def test_audit_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    trail = AuditTrail(path)
    for i in range(5):
        trail.append(who="local", action="diagnose", digest=str(i), versions={}, outcome="ok")
    assert broken_line(path) is None
    with path.open("ab") as stream:
        stream.write(b'{"half')
    AuditTrail(path).append(who="local", action="diagnose", digest="6", versions={}, outcome="ok")
    assert broken_line(path) is None
    text = path.read_text().replace('"input":"2"', '"input":"9"')
    path.write_text(text)
    assert broken_line(path) == 3


def test_no_record_text_in_audit_or_logs(client: TestClient, state: Path, capfd: pytest.CaptureFixture[str]) -> None:
    canary = "金丝雀13912345678"
    client.post("/v1/diagnose", json={"id": "a", "text": f"{canary}咳嗽3天"})
    client.post("/v1/diagnose", json={"id": "a", "text": [canary]})
    assert canary not in (state / "audit" / "audit.jsonl").read_text(encoding="utf-8")
    assert canary not in client.get("/metrics").text
    out, err = capfd.readouterr()
    assert canary not in out + err


def test_grade_by_accept(client: TestClient) -> None:
    capability = next(c for c in CAPABILITIES if c.name == "grade")
    fhir = client.post(capability.path, json=capability.example, headers={"accept": "application/fhir+json"})
    assert fhir.headers["content-type"] == "application/fhir+json"
    assert fhir.json()["resourceType"] == "Bundle"
    page = client.post(capability.path, json=capability.example, headers={"accept": "text/html"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in page.headers["content-security-policy"]
    assert "健康评估报告" in page.text
    alone = {"id": "b", "instrument": "bp_grade", "inputs": {"sbp": {"value": 158, "unit": "mmHg"}}}
    assert problem_of(client.post(capability.path, json=alone, headers={"accept": "text/html"}))["pointer"] == "/instrument"
    both = client.post(capability.path, json={"items": [capability.example, alone]}, headers={"accept": "text/html"}).json()["items"]
    assert both[0]["html"].startswith("<!doctype html>")
    assert "error" in both[1]
