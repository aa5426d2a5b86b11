"""What the README says to type works: targets, commands, endpoints, the batch example, named files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.main import get_command

from inference.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
TABLE = README[README.index("| command | HTTP |") : README.index("Shapes: ")]


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"\bmake ([a-z]+)", README))
    assert {"run", "test"} <= targets
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_named_files_exist() -> None:
    # what is left out of a checkout is made by a command that the README names
    made = {"reports/"}
    named = re.findall(r"`((?:[a-z_]+/)+[A-Za-z_.]*|[a-z]+\.(?:yaml|toml))`", README)
    assert named
    assert [path for path in named if path not in made and not path.startswith("v1/") and not (ROOT / path).exists()] == []


def test_commands_of_the_table_exist() -> None:
    command = get_command(app)
    names = {name for line in TABLE.splitlines() for name in re.findall(r"`xinglin ([a-z-]+)", line)}
    assert {"diagnose", "grade", "screen"} <= names
    assert names <= set(command.commands)  # type: ignore[attr-defined]
    sub = command.commands  # type: ignore[attr-defined]
    for name in ("check", "search", "show", "import-icd"):
        assert name in sub["knowledge"].commands
    for name in ("verify", "list", "promote"):
        assert name in sub["models"].commands


def test_endpoints_of_the_table_exist(client: TestClient) -> None:
    paths = {path.replace("{id}", "{ident}") for path in re.findall(r"(/v1/[a-z0-9/{}-]+)", TABLE)}
    assert len(paths) >= 10
    assert paths <= set(client.get("/openapi.json").json()["paths"])


@pytest.mark.parametrize("block", [block for block in BLOCKS if "xinglin diagnose" in block])
def test_the_batch_example_answers(block: str) -> None:
    """The example as written, but for the environment that it runs in."""
    typed = block.strip().replace(".venv-serve/bin/xinglin", f"{sys.executable} -m inference.cli")
    done = subprocess.run(["bash", "-c", typed], cwd=ROOT, capture_output=True, text=True, timeout=200, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == ["a"]
    assert answers[0]["status"] == "ranked"
    assert answers[0]["candidates"]


def test_the_first_curl_answers(client: TestClient) -> None:
    """`make run` prints a curl line with its real output: that request is answered."""
    from inference.service.run import SAMPLE

    answer = client.post("/v1/diagnose", json=SAMPLE).json()
    assert answer["red_flags"]
    assert len(answer["candidates"]) == SAMPLE["top_k"]
