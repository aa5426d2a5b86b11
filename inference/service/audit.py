"""The audit trail: one append-only, hash-chained line for each answer. No record text, no names."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

GENESIS = "0" * 64


class AuditTrail:
    """Appends lines to `audit.jsonl`; each carries the hash of the line before it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._last = self._mend()

    def _mend(self) -> str:
        """The hash of the last whole line; half a line (a crash while writing) is cut off."""
        if not self.path.is_file():
            return GENESIS
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) != len(data):
            with self.path.open("r+b") as stream:
                stream.truncate(len(whole))
        lines = whole.splitlines()
        return str(orjson.loads(lines[-1])["hash"]) if lines else GENESIS

    def append(self, *, who: str, action: str, digest: str, versions: Mapping[str, Any], outcome: str, patient: str | None = None) -> str:
        """Write one line durably; its hash."""
        with self._lock:
            line: dict[str, Any] = {
                "at": dt.datetime.now(dt.UTC).isoformat(),
                "who": who,
                "action": action,
                "input": digest,
                "patient": patient,
                "versions": dict(versions),
                "outcome": outcome,
                "previous": self._last,
            }
            seal = hashlib.sha256(orjson.dumps(line, option=orjson.OPT_SORT_KEYS)).hexdigest()
            line["hash"] = seal
            with self.path.open("ab") as stream:
                stream.write(orjson.dumps(line) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            self._last = seal
            return seal


def broken_line(path: Path) -> int | None:
    """The number of the first line whose hash or chain does not hold; None where all hold."""
    previous = GENESIS
    for number, line in _lines(path):
        stated = line.pop("hash", None)
        if line.get("previous") != previous or hashlib.sha256(orjson.dumps(line, option=orjson.OPT_SORT_KEYS)).hexdigest() != stated:
            return number
        previous = stated
    return None


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            yield number, orjson.loads(raw)
