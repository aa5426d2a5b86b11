"""Start the service with uvicorn on loopback (another address only with API keys)."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

import structlog
import uvicorn

from data_contracts.problems import XinglinError
from inference.service.app import create_app
from inference.settings import Settings

SAMPLE = {
    "id": "r-001",
    "patient": {"sex": "male", "age": {"value": 61, "unit": "year"}},
    "text": "胸痛2小时，压榨样，向左肩放射，大汗。高血压10年。BP 168/98mmHg",
    "top_k": 3,
}


def greet(host: str, port: int, *, patience: float = 60.0) -> None:
    """Once the service answers, print what to open and a curl line with its real output."""
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=2):
                break
        except OSError:
            time.sleep(0.2)
    else:
        print(f"服务没有在 {patience:.0f} 秒内就绪，请看 {address}/readyz", flush=True)
        return
    body = json.dumps(SAMPLE, ensure_ascii=False)
    print(
        f"杏林已就绪。网页：{address}/  接口文档：{address}/docs\n试一试：\ncurl -s {address}/v1/diagnose -H 'Content-Type: application/json' -d '{body}'",
        flush=True,
    )
    request = urllib.request.Request(f"{address}/v1/diagnose", data=body.encode(), headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            print(response.read().decode(), flush=True)
    except urllib.error.HTTPError as error:
        # with API keys set the sample is refused, as it should be; say so instead of an answer
        print(f"HTTP {error.code}：{error.read().decode()}", flush=True)


def refuse_taken(host: str, port: int) -> None:
    """Say in plain words that another program has the port, before anything is opened.

    Raises:
        XinglinError: `invalid-input` where nothing can listen at the address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            raise XinglinError(
                "invalid-input", f"{host} 的 {port} 端口不能使用（可能已有一个服务在运行）；请先停掉它，或用 XINGLIN_PORT 换一个端口。"
            ) from error


def run(*, host: str | None = None, port: int | None = None) -> None:
    """Serve until stopped."""
    settings = Settings()
    changes = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update=changes)
    refuse_taken(settings.host, settings.port)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    threading.Thread(target=greet, args=(settings.host, settings.port), daemon=True).start()
    uvicorn.run(
        create_app(settings), host=settings.host, port=settings.port, log_level="warning", access_log=False, timeout_graceful_shutdown=5
    )
