"""Stage `register`: put the released bundles into MLflow's registry, the serving one as `champion`.

    python -m training.stages.register

Each bundle's folder becomes a version of the registered model `xinglin-<task>`, once for each sealed version.
"""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from models.bundle import Bundle, digest, released
from training.tracking import run_of

OUT = Path("build/training/registered.json")


def register(bundle: Bundle, client: MlflowClient) -> str:
    """The registry version of a bundle; an unchanged one keeps its version."""
    name = f"xinglin-{bundle.task}"
    seal = digest(bundle.path / "manifest.json")
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    for version in client.search_model_versions(f"name='{name}'"):
        if version.tags.get("manifest_sha256") == seal:
            client.set_registered_model_alias(name, "champion", version.version)
            return str(version.version)
    with run_of(f"register-{bundle.task}", {"version": bundle.version, "manifest_sha256": seal}) as run_id:
        mlflow.log_artifacts(str(bundle.path), artifact_path="bundle")
        source = f"{mlflow.get_artifact_uri()}/bundle"
        made = client.create_model_version(
            name, source=source, run_id=run_id, tags={"manifest_sha256": seal, "bundle_version": bundle.version}
        )
    client.set_registered_model_alias(name, "champion", made.version)
    return str(made.version)


def run(folders: list[Path], out: Path = OUT) -> dict[str, str]:
    """Register the bundles of `folders`; task to registry version."""
    with run_of("register", {"bundles": [folder.name for folder in folders]}):
        client = MlflowClient()
    found = {bundle.task: register(bundle, client) for bundle in (Bundle.open(folder) for folder in folders)}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


if __name__ == "__main__":
    print(json.dumps(run(released())))
