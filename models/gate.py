"""The gate: a candidate replaces the champion whole, or not at all, and the last one is kept for rollback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_contracts.problems import XinglinError
from models.bundle import RELEASED, Bundle

TOLERANCE = 0.01
"""A share may fall by this much; safety may not fall at all."""
SAFETY = ("safety.found",)


def figures(report: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every share of a report by its dotted path (intervals, counts and groups left out)."""
    if isinstance(report, Mapping):
        for key, value in report.items():
            if key not in ("interval", "n", "groups", "out_of_fold", "versions", "missed"):
                yield from figures(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(report, float) and 0 <= report <= 1 and not prefix.endswith(("ece", "on_calm")):
        yield prefix, report


def worse(champion: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[str]:
    """Figures in which the candidate falls behind by more than its tolerance."""
    new = dict(figures(candidate))
    found = []
    for name, value in figures(champion):
        allowed = 0.0 if name in SAFETY else TOLERANCE
        if name not in new:
            found.append(f"{name}：候选报告缺少这一项（现任 {value:.3f}）")
        elif new[name] < value - allowed:
            found.append(f"{name}：{value:.3f} → {new[name]:.3f}")
    return found


def promote(candidate: Path, reports: Path, *, released: Path = RELEASED) -> str:
    """Put the candidate in the champion's place where no figure is worse.

    `reports` holds `<task>.json` (champion) and `<task>.candidate.json`; without a champion the candidate only has to be whole.

    Raises:
        XinglinError: `bundle-invalid`, listing every figure that is worse.
    """
    bundle = Bundle.open(candidate, replay=0)
    bundle.replay()
    place = released / bundle.task
    if (place / "manifest.json").is_file():
        paths = reports / f"{bundle.task}.json", reports / f"{bundle.task}.candidate.json"
        missing = [path.name for path in paths if not path.is_file()]
        if missing:
            raise XinglinError("bundle-invalid", f"缺少评估报告：{'、'.join(missing)}。")
        behind = worse(*(json.loads(path.read_text(encoding="utf-8")) for path in paths))
        if behind:
            raise XinglinError("bundle-invalid", "候选包没有通过门槛：" + "；".join(behind))
        last = released / ".previous" / bundle.task
        shutil.rmtree(last, ignore_errors=True)
        last.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(place, last)
    shutil.copytree(candidate, place)
    return f"{bundle.task} {bundle.version} 已启用"
