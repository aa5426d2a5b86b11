"""A county's overlay: its own entries, rules and thresholds, tried on stored cases before they serve, and taken back.

An overlay is a directory of the same files as `knowledge_base/content/`, holding only what differs (`knowledge_base/merging.py`): an entry
with a `name` is a new or a whole other entry, one without changes only what it names. Applying one writes `state/knowledge/<version>.json`,
keeps a copy of the directory with its owner and reason, and moves the pointer `state/knowledge/current`; a rollback moves it back.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from data_contracts.problems import XinglinError
from data_contracts.record import Record
from inference.facts import facts_of
from inference.flagging import red_flags
from inference.medication.checker import PrescriptionChecker
from inference.ranking.ranker import Ranker
from inference.reading.reader import Reader
from knowledge_base.build import COMPILED, CONTENT, Content
from knowledge_base.compiled import KnowledgeBase, load
from models.bundle import Bundle

LOG = "overlays.jsonl"
CASES = CONTENT.parent / "cases"


@dataclass(frozen=True, slots=True)
class Change:
    """A stored case that would be answered differently: first candidates, red flags, prescription warnings."""

    id: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    flags_before: tuple[str, ...] = ()
    flags_after: tuple[str, ...] = ()
    warnings_before: tuple[str, ...] = ()
    warnings_after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What an overlay changes in the knowledge: ids by kind (`diseases`, `findings`, `medicines`, a table's name)."""

    kind: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


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


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What two compiled knowledge bases differ in, entry by entry."""
    found = []
    for kind in ("diseases", "findings", "medicines"):
        old, new = before[kind], after[kind]
        row = Difference(
            kind,
            tuple(sorted(set(new) - set(old))),
            tuple(sorted(ident for ident in set(old) & set(new) if old[ident] != new[ident])),
            tuple(sorted(set(old) - set(new))),
        )
        if row.added or row.changed or row.removed:
            found.append(row)
    old, new = ({f"lexicon/{k}": v for k, v in side["lexicon"].items()} | dict(side["tables"]) for side in (before, after))
    tables = tuple(sorted(name for name in {*old, *new} if old.get(name) != new.get(name)))
    return [*found, Difference("tables", (), tables, ())] if tables else found


class _Side:
    """One knowledge base, asked the way the service asks it but without the trained reader, which no overlay changes."""

    def __init__(self, kb: KnowledgeBase, bundle: Bundle | None, state: Path) -> None:
        self.kb = kb
        self.reader = Reader(kb)
        self.ranker = Ranker(kb, bundle, state=state)
        self.checker = PrescriptionChecker(kb)

    def answers(self, record: Record, top: int) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """First candidates, red flags, and warnings about the orders."""
        reading = self.reader.read([record])[0]
        facts = facts_of(reading, self.kb)
        ranked = self.ranker.rank(reading, facts)
        warnings = self.checker.check(reading).warnings if record.medications else ()
        return (
            tuple(self.name(self.ranker.targets[t]) for t in ranked.targets[:top].tolist()),
            tuple(sorted(flag.rule for flag in red_flags(facts, self.kb))),
            tuple(f"{warning.message}（{warning.severity}）" for warning in warnings),
        )

    def name(self, target: str) -> str:
        """A target's name, for people."""
        return self.kb.diseases[target].name if target in self.kb.diseases else self.kb.thin[target].name


def changes(
    before: KnowledgeBase, after: KnowledgeBase, records: Iterable[Any], bundle: Bundle | None, state: Path, *, top: int = 3
) -> list[Change]:
    """The stored records that would be answered differently."""
    old, new = _Side(before, bundle, state), _Side(after, bundle, state)
    found = []
    for item in records:
        record = Record.model_validate(item)
        (first, flags, warned), (first_after, flags_after, warned_after) = old.answers(record, top), new.answers(record, top)
        if (first, flags, warned) != (first_after, flags_after, warned_after):
            found.append(Change(record.id, first, first_after, flags, flags_after, warned, warned_after))
    return found


def authored_records(count: int = 200) -> list[dict[str, Any]]:
    """Records of the authored cases, evenly drawn, for a county that has no stored cases at hand."""
    paths = sorted(CASES.glob("*.jsonl"))
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    return [orjson.loads(line)["record"] for line in lines[:: max(1, len(lines) // count)]][:count]


def apply(overlay: Path, state: Path, *, owner: str, reason: str, bundle: Bundle | None) -> str:
    """Make the overlay serve; the new knowledge version. Vectors of changed entries are computed now, not at start."""
    version = _store(overlay, state, bundle)
    applied = history(state)
    previous = applied[-1]["version"] if applied else None
    _note(state, {"action": "apply", "version": version, "previous": previous, "owner": owner, "reason": reason})
    (_folder(state) / "current").write_text(version)
    return version


def refresh(state: Path, bundle: Bundle | None) -> str | None:
    """Lay the overlay that serves over the present content again where the house's own knowledge has been renewed since.

    Returns:
        The version that serves now, or None where no overlay is applied. Owner and reason stay those of the overlay.
    """
    pointer = _folder(state) / "current"
    if not pointer.is_file():
        return None
    serving = pointer.read_text().strip()
    row = next(row for row in reversed(history(state)) if row["version"] == serving)
    if row.get("base") == _base():
        return serving
    version = _store(_folder(state) / "overlays" / serving, state, bundle)
    _note(state, {**{key: row[key] for key in ("previous", "owner", "reason")}, "action": "refresh", "version": version})
    pointer.write_text(version)
    return version


def _store(overlay: Path, state: Path, bundle: Bundle | None) -> str:
    """Compile and keep an overlay without letting it serve yet; its version."""
    compiled = compiled_with(overlay)
    folder = _folder(state)
    folder.mkdir(parents=True, exist_ok=True)
    version = str(compiled["version"])
    temporary = folder / f"{version}.tmp"
    temporary.write_bytes(orjson.dumps(compiled))
    temporary.replace(folder / f"{version}.json")
    copy = folder / "overlays" / version
    if not copy.exists():
        shutil.copytree(overlay, copy)
    Ranker(load(folder / f"{version}.json"), bundle, state=state)
    return version


def _base() -> str:
    """The version of the house's own compiled knowledge."""
    return str(orjson.loads(COMPILED.read_bytes())["version"]) if COMPILED.is_file() else ""


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
    older = next((row["previous"] for row in applied if row["version"] == previous and row["action"] != "rollback"), None)
    _note(state, {"action": "rollback", "version": previous, "previous": older, "owner": owner, "reason": reason})
    return previous


def history(state: Path) -> Sequence[dict[str, Any]]:
    """What was applied and taken back, in order."""
    path = _folder(state) / LOG
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def _note(state: Path, row: dict[str, Any]) -> None:
    with (_folder(state) / LOG).open("a", encoding="utf-8") as stream:
        stamp = {"at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "base": _base()}
        stream.write(json.dumps({**stamp, **row}, ensure_ascii=False) + "\n")
