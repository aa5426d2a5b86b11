"""Shared fixtures: the compiled knowledge, the engine over the released bundles, one HTTP client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import settings as property_settings

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from inference.engine import Engine
from inference.reading.reader import Reader
from inference.service.app import create_app
from inference.settings import Settings
from knowledge_base.compiled import KnowledgeBase, load

# a busy machine must not fail a property by its clock
property_settings.register_profile("patient", deadline=None)
property_settings.load_profile("patient")


@pytest.fixture(scope="session")
def kb() -> KnowledgeBase:
    """The compiled knowledge base."""
    return load()


@pytest.fixture(scope="session")
def rule_reader(kb: KnowledgeBase) -> Reader:
    """A reader by rules alone."""
    return Reader(kb)


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder of its own."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def engine(kb: KnowledgeBase, state: Path) -> Engine:
    """The engine over the released bundles."""
    return Engine(Settings(state=state), kb=kb)


@pytest.fixture(scope="session")
def client(engine: Engine, state: Path) -> Iterator[TestClient]:
    """The service, without a rate limit or a deadline that tests on a busy machine would meet."""
    settings = Settings(state=state, rate_per_second=100_000, rate_burst=100_000, deadline_seconds=120)
    with TestClient(create_app(settings, engine)) as made:
        yield made
