"""No text of a patient reaches metrics or logs, whatever the answer is."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

MARK = "独一无二的紫薯色皮疹"
REQUESTS = [
    ("/v1/diagnose", {"id": "p-1", "text": f"发热3天，{MARK}，BP 90/60mmHg"}),
    ("/v1/structure", {"id": "p-1", "text": f"发热3天，{MARK}"}),
    ("/v1/review", {"id": "p-1", "text": f"发热3天，{MARK}", "diagnoses": [{"name": MARK}]}),
    ("/v1/code", {"id": "p-1", "text": MARK}),
    ("/v1/medication/check", {"id": "p-1", "text": f"发热，{MARK}", "medications": [{"name": MARK}]}),
    ("/v1/diagnose", {"id": "p-1", "text": MARK * 5000}),
    ("/v1/diagnose", {"id": "p-1", MARK: MARK}),
    ("/v1/risk/grade", {"id": "p-1", "age": MARK}),
]


def test_metrics_and_logs_carry_no_patient_text(
    client: TestClient, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        for path, body in REQUESTS:
            assert client.post(path, json=body).status_code < 500
        client.get("/v1/knowledge/search", params={"q": MARK})
        metrics = client.get("/metrics").text
    assert "紫薯色" not in metrics
    out, err = capfd.readouterr()
    ours = [r.getMessage() for r in caplog.records if r.name.split(".")[0] not in ("httpx", "httpcore", "asyncio")]
    assert all("紫薯色" not in text for text in (out, err, *ours))
