"""Start the service with uvicorn on loopback (another address only with API keys)."""

from __future__ import annotations

import logging
import sys

import structlog
import uvicorn

from inference.service.app import create_app
from inference.settings import Settings


def run(*, host: str | None = None, port: int | None = None) -> None:
    """Serve until stopped."""
    settings = Settings()
    changes = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update=changes)
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, log_level="warning", access_log=False, timeout_graceful_shutdown=5)
