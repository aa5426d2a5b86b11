"""One way to track a run: MLflow with an embedded SQLite store in the working tree, telemetry off."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow

STORE = "sqlite:///mlflow.db"


def file_hash(path: Path) -> str:
    """SHA-256 of a file, the first 16 digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def source_commit() -> str | None:
    """The commit of the working tree, or None outside of one."""
    said = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return said or None


@contextmanager
def run_of(experiment: str, parameters: Mapping[str, Any], *, inputs: Mapping[str, Path] | None = None) -> Iterator[str]:
    """An MLflow run of `experiment` with flat parameters and the hashes of its inputs; yields the run id."""
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", STORE))
    if mlflow.get_experiment_by_name(experiment) is None:
        mlflow.create_experiment(experiment, artifact_location=Path("artifacts").resolve().as_uri())
    mlflow.set_experiment(experiment)
    # MLflow's migrations silence loggers that exist already
    for name, logger in logging.Logger.manager.loggerDict.items():
        if name.startswith("training") and isinstance(logger, logging.Logger):
            logger.disabled = False
    with mlflow.start_run() as active:
        mlflow.log_params({key: str(value)[:250] for key, value in parameters.items()})
        mlflow.set_tags({f"sha256.{name}": file_hash(path) for name, path in (inputs or {}).items() if path.is_file()})
        yield active.info.run_id
