"""The service: create, guard, route."""

from __future__ import annotations

import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from data_contracts.problems import Problem, XinglinError, problem
from inference.engine import Engine
from inference.service.answers import items_of, parsed_body, problem_of_status, problem_response, respond
from inference.service.audit import AuditTrail
from inference.service.capabilities import CAPABILITIES, Capability
from inference.service.lane import Lane
from inference.service.security import Gate, refuse_unsafe
from inference.settings import Settings

WEB = Path(__file__).parent.parent / "web"
log = structlog.get_logger()
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
# Swagger's own page needs its inline script; it is a page for developers, without records
_DOCS = ("/docs", "/openapi.json")


class Service:
    """What handlers share: engine, lane, gate, audit, metrics."""

    def __init__(self, settings: Settings, engine: Engine | None = None) -> None:
        self.settings = settings
        self._engine = engine
        self.reason: Problem | None = problem("not-ready", "正在启动，请稍候。")
        self.lane = Lane(queue=settings.queue, deadline=settings.deadline_seconds)
        self.gate = Gate(settings)
        self.audit = AuditTrail(settings.state / "audit" / "audit.jsonl")
        self.registry = CollectorRegistry()
        self.requests = Counter("xinglin_requests_total", "Requests by route and status", ["route", "status"], registry=self.registry)
        self.seconds = Histogram("xinglin_request_seconds", "Seconds by route", ["route"], registry=self.registry)
        self.waiting = Gauge("xinglin_inference_waiting", "Requests in the inference lane", registry=self.registry)
        self.waiting.set_function(lambda: float(self.lane.waiting))

    @property
    def engine(self) -> Engine:
        """The engine; raises `not-ready` before it stands."""
        if self._engine is None or self.reason is not None:
            raise XinglinError("not-ready", self.reason.detail if self.reason else None)
        return self._engine

    def open(self) -> None:
        """Open knowledge and bundles; what fails is said by /readyz."""
        # the collector finds nothing in what is kept for good: off while loading (a sixth of the start), frozen after
        gc.disable()
        try:
            engine = self._engine or Engine(self.settings)
            opened = engine.warm()
            self._engine, self.reason = engine, None
            log.info("ready", knowledge=engine.kb.version, bundles=opened)
        except XinglinError as error:
            self.reason = problem("not-ready", error.problem.detail)
            log.error("not ready", reason=error.problem.detail)
        except Exception as error:  # whatever fails while opening, the process stays alive and /readyz says so
            self.reason = problem("not-ready", f"启动时出错（{type(error).__name__}）；请查看服务的日志。")
            log.exception("not ready")
        finally:
            gc.enable()
            gc.collect()
            gc.freeze()


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> FastAPI:
    """The application over `settings` (and, in tests, a given engine)."""
    settings = settings or Settings()
    refuse_unsafe(settings)
    service = Service(settings, engine)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # opening takes as long as it takes: the deadline is for answers
        await service.lane.run(service.open, deadline=float("inf"))
        yield
        service.lane.close()

    app = FastAPI(
        title="杏林 Xinglin",
        version="0.1.0",
        summary="基层诊疗辅助接口。结果供医生参考，不能代替诊断。",
        lifespan=lifespan,
        redoc_url=None,
        generate_unique_id_function=lambda route: f"{(route.tags or ['system'])[0]}-{route.name}",
    )
    app.state.service = service
    _guard(app, service)
    for capability in CAPABILITIES:
        _add_capability(app, service, capability)
    _add_knowledge(app, service)
    _add_system(app, service)
    _describe(app)
    app.mount("/static", StaticFiles(directory=WEB), name="static")
    return app


def _describe(app: FastAPI) -> None:
    """Put the request contracts among the components: bodies are parsed by hand, so that one bad item never fails a batch."""
    generate = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            requests = sorted({c.request for c in CAPABILITIES}, key=lambda model: model.__name__)
            _, definitions = models_json_schema([(model, "validation") for model in requests], ref_template="#/components/schemas/{model}")
            schema["components"]["schemas"] = {**definitions["$defs"], **schema["components"].get("schemas", {})}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _guard(app: FastAPI, service: Service) -> None:
    @app.middleware("http")
    async def admit(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        began = time.perf_counter()
        path = request.url.path
        try:
            if path.startswith("/v1/"):
                client = request.client.host if request.client else "?"
                request.state.who = service.gate.admit(request.headers.get("authorization"), client)
            response = await call_next(request)
        except XinglinError as error:
            response = problem_response(error.problem)
        for name, value in _HEADERS.items():
            if not (name == "Content-Security-Policy" and path in _DOCS):
                response.headers.setdefault(name, value)
        route = getattr(request.scope.get("route"), "path", "other")
        service.requests.labels(route, str(response.status_code)).inc()
        service.seconds.labels(route).observe(time.perf_counter() - began)
        return response

    @app.exception_handler(XinglinError)
    async def known(_: Request, error: Exception) -> Response:
        assert isinstance(error, XinglinError)
        return problem_response(error.problem)

    @app.exception_handler(RequestValidationError)
    async def parameters(_: Request, error: Exception) -> Response:
        # only query parameters are parsed by the framework; what was sent is not repeated
        assert isinstance(error, RequestValidationError)
        name = str(error.errors()[0]["loc"][-1])
        return problem_response(problem("invalid-input", f"参数 {name} 缺失或格式不对，请按接口文档修改。", f"/{name}"))

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem_response(problem_of_status(error.status_code), headers=dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def unknown(_: Request, error: Exception) -> Response:
        log.error("request failed", error=type(error).__name__)
        return problem_response(problem("internal"))


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": Problem, "description": problem_of_status(status).title, "content": {"application/problem+json": {}}}
        for status in statuses
    }


def _add_capability(app: FastAPI, service: Service, capability: Capability) -> None:
    reference = {"$ref": f"#/components/schemas/{capability.request.__name__}"}
    batch = {
        "type": "object",
        "required": ["items"],
        "additionalProperties": False,
        "properties": {"items": {"type": "array", "items": reference, "minItems": 1, "maxItems": 64}},
    }
    limit = service.settings.max_image_bytes if capability.image else service.settings.max_body_bytes

    async def handle(request: Request) -> Response:
        body, digest = await parsed_body(request, limit)
        items, is_batch = items_of(body)
        engine = service.engine
        accept = request.headers.get("accept", "")
        media = next((form for form in capability.forms if form in accept), "application/json")
        call = partial(capability.forms.get(media, capability.call), engine)
        answers = await service.lane.run_each(call, items)
        failed = sum(isinstance(answer, Problem) for answer in answers)
        patient = body.get("patient") if isinstance(body, dict) else None
        pseudonym = patient.get("pseudonym") if isinstance(patient, dict) else None
        service.audit.append(
            who=request.state.who,
            action=capability.name,
            digest=digest,
            versions=engine.versions().model_dump(),
            outcome=f"{len(answers) - failed} answered, {failed} problems",
            patient=pseudonym if isinstance(pseudonym, str) else None,
        )
        return respond(answers, items, batch=is_batch, media=media)

    app.add_api_route(
        capability.path,
        handle,
        methods=["POST"],
        name=capability.name,
        tags=[capability.tag],
        summary=capability.summary,
        response_model=None,
        responses={
            200: {
                "model": capability.answer,
                "description": "一条输入得一条结果；items 得同样多条",
                **({"content": {form: {} for form in capability.forms}} if capability.forms else {}),
            },
            **_problems(400, 401, 404, 413, 415, 422, 429, 500, 503, 504),
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"anyOf": [reference, batch]}, "example": capability.example}},
            }
        },
    )


def _add_knowledge(app: FastAPI, service: Service) -> None:
    @app.get(
        "/v1/knowledge/search",
        name="search",
        tags=["knowledge"],
        summary="按病名、俗称、拼音或首字母检索",
        responses=_problems(401, 422, 429, 503, 504),
        response_model=None,
    )
    async def search(q: str, limit: int = 10) -> Response:
        if not 1 <= limit <= 50:
            raise XinglinError("invalid-input", "limit 应在 1 至 50 之间。", "/limit")
        engine = service.engine
        item = {"id": "q", "q": q}
        answers = await service.lane.run(lambda: engine.search([item], limit=limit))
        return respond(answers, [item], batch=False)

    @app.get(
        "/v1/knowledge/diseases/{ident}",
        name="disease",
        tags=["knowledge"],
        summary="一个病种的全部内容",
        responses=_problems(401, 404, 422, 429, 503),
        response_model=None,
    )
    async def disease(ident: str) -> Response:
        from inference.knowledge.pages import disease_page

        return respond([disease_page(service.engine.kb, ident)], [{"id": ident}], batch=False)

    @app.get(
        "/v1/models",
        name="models",
        tags=["models"],
        summary="模型包：版本、指标、说明",
        responses=_problems(401, 429, 503),
        response_model=None,
    )
    async def models() -> Response:
        engine = service.engine
        bundles = [engine.bundle(path.parent.name) for path in sorted(engine.bundles_folder.glob("*/manifest.json"))]
        shown = [
            {k: b.manifest.get(k) for k in ("task", "version", "created", "knowledge_version", "metrics", "data", "source_commit")}
            for b in bundles
            if b is not None
        ]
        return respond([{"knowledge": engine.kb.version, "bundles": shown}], [{}], batch=False)


def _add_system(app: FastAPI, service: Service) -> None:
    @app.get("/livez", name="livez", tags=["system"], summary="进程是否活着")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", name="readyz", tags=["system"], summary="是否可以回答", responses=_problems(503), response_model=None)
    async def readyz() -> Response:
        if service.reason is not None:
            return problem_response(service.reason)
        engine = service.engine
        return respond([{"status": "ready", "knowledge": engine.kb.version, "bundles": engine.opened()}], [{}], batch=False)

    @app.get("/metrics", name="metrics", tags=["system"], summary="Prometheus 指标", response_model=None)
    async def metrics() -> Response:
        return Response(generate_latest(service.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(WEB / "index.html")
