"""A county's overlay: its own entries, rules and thresholds, tried on stored cases before they serve, and taken back.

An overlay is a directory of the same files as `knowledge_base/content/`. Applying one writes `state/knowledge/<version>.json`, keeps a copy
of the directory with its owner and reason, and moves the pointer `state/knowledge/current`; a rollback moves it back.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from data_contracts.problems import XinglinError
from data_contracts.record import Record
from inference.ranking.ranker import Ranker
from inference.reading.reader import Reader
from knowledge_base.build import CONTENT, Content
from knowledge_base.compiled import KnowledgeBase, load
from models.bundle import Bundle

LOG = "overlays.jsonl"


@dataclass(frozen=True, slots=True)
class Change:
    """A stored case that would rank differently."""

    id: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def _folder(state: Path) -> Path:
    return state / "knowledge"


def active_knowledge(state: Path) -> Path | None:
    """The compiled knowledge with the applied overlay, or None where none is applied."""
    pointer = _folder(state) / "current"
    return _folder(state) / f"{pointer.read_text().strip()}.json" if pointer.is_file() else None


def compiled_with(overlay: Path) -> dict[str, Any]:
    """The compiled knowledge with an overlay.

    Raises:
        XinglinError: `knowledge-invalid`, naming file, line and remedy of each error.
    """
    content = Content((CONTENT, overlay))
    errors = [str(issue) for issue in content.check() if issue.severity == "error"]
    if errors:
        raise XinglinError("knowledge-invalid", "；".join(errors[:10]))
    return content.compile()


def changes(
    before: KnowledgeBase, after: KnowledgeBase, records: Iterable[Any], bundle: Bundle | None, state: Path, *, top: int = 3
) -> list[Change]:
    """The stored records whose first `top` candidates would change."""
    sides = [(Reader(kb), Ranker(kb, bundle, state=state)) for kb in (before, after)]
    found = []
    for item in records:
        record = Record.model_validate(item)
        lists = []
        for reader, ranker in sides:
            ranked = ranker.rank(reader.read([record])[0])
            lists.append(tuple(ranker.targets[t] for t in ranked.targets[:top].tolist()))
        if lists[0] != lists[1]:
            found.append(Change(record.id, lists[0], lists[1]))
    return found


def apply(overlay: Path, state: Path, *, owner: str, reason: str, bundle: Bundle | None) -> str:
    """Make the overlay serve; the new knowledge version. Vectors of changed entries are computed now, not at start."""
    compiled = compiled_with(overlay)
    folder = _folder(state)
    folder.mkdir(parents=True, exist_ok=True)
    version = compiled["version"]
    temporary = folder / f"{version}.tmp"
    temporary.write_bytes(orjson.dumps(compiled))
    temporary.replace(folder / f"{version}.json")
    copy = folder / "overlays" / version
    if not copy.exists():
        shutil.copytree(overlay, copy)
    Ranker(load(folder / f"{version}.json"), bundle, state=state)
    previous = history(state)[-1]["version"] if history(state) else None
    _note(state, {"action": "apply", "version": version, "previous": previous, "owner": owner, "reason": reason})
    (folder / "current").write_text(version)
    return str(version)


def rollback(state: Path, *, owner: str, reason: str) -> str | None:
    """Take the last applied overlay back; the version that serves now, or None for the house's own knowledge."""
    applied = history(state)
    if not applied or applied[-1]["version"] is None:
        raise XinglinError("not-found", "没有可以撤回的本地补充。")
    previous = applied[-1]["previous"]
    pointer = _folder(state) / "current"
    if previous is None:
        pointer.unlink(missing_ok=True)
    else:
        pointer.write_text(previous)
    older = next((row["previous"] for row in applied if row["version"] == previous and row["action"] == "apply"), None)
    _note(state, {"action": "rollback", "version": previous, "previous": older, "owner": owner, "reason": reason})
    return previous


def history(state: Path) -> Sequence[dict[str, Any]]:
    """What was applied and taken back, in order."""
    path = _folder(state) / LOG
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def _note(state: Path, row: dict[str, Any]) -> None:
    with (_folder(state) / LOG).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), **row}, ensure_ascii=False) + "\n")
