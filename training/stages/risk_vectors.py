"""Stage `risk_vectors`: every instrument against the corpus' independent vectors, by confidence; China-PAR against the official answers.

python -m training.stages.risk_vectors        needs XINGLIN_CORPORA; writes reports/risk_vectors.json
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from knowledge_base.rules import grade_one

REPORT = Path("reports/risk_vectors.json")
CONFIDENCE = {"H": "sourced twice", "M": "recalled", "L": "uncertain"}


def _same(expected: Any, got: Any, tolerance: float) -> bool:
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (expected, got))
    return abs(expected - got) <= tolerance + 1e-12 if numbers else type(expected) is type(got) and expected == got


def evaluate(folder: Path) -> dict[str, Any]:
    """Agreement of all vectors under `folder`, and the ids of those that differ."""
    seen: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    differing: list[str] = []
    errors: list[float] = []
    names: set[str] = set()
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            vector = json.loads(line)
            names.add(vector["instrument"])
            output = grade_one(vector["instrument"], vector.get("edition"), vector["inputs"])
            tolerance = vector.get("tolerance", {})
            wrong = [
                key
                for key, value in vector["expected"].items()
                if key not in output or not _same(value, output[key], tolerance.get(key, 0))
            ]
            seen[vector["confidence"]] += 1
            agreed[vector["confidence"]] += not wrong
            if wrong:
                differing.append(f"{vector['id']}: {', '.join(wrong)}")
            if vector["instrument"] == "china_par_10y" and str(vector.get("edition")).startswith("official"):
                errors.append(abs(output["risk_pct"] - vector["expected"]["risk_pct"]))
    error = sum(errors) / len(errors) if errors else None
    rows: list[list[Any]] = [
        [f"vectors that agree, {said} [{mark}]", f"{agreed[mark]} of {seen[mark]}"] for mark, said in CONFIDENCE.items() if seen[mark]
    ]
    if error is not None:
        rows.append(
            ["China-PAR 10 years against the official site, mean absolute error in percentage points (aim ≤ 0.05)", round(error, 4)]
        )
    return {"instruments": len(names), "differing": differing, "readme": [["instruments with vectors", len(names)], *rows]}


def main() -> int:
    """Write the report; 1 where a vector differs, 2 without the corpora."""
    corpora = os.environ.get("XINGLIN_CORPORA")
    if not corpora:
        print("XINGLIN_CORPORA is not set: there are no vectors to compare with", file=sys.stderr)
        return 2
    report = evaluate(Path(corpora) / "risk" / "vectors")
    REPORT.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for said, value in report["readme"]:
        print(f"{said}: {value}")
    return int(bool(report["differing"]))


if __name__ == "__main__":
    sys.exit(main())
