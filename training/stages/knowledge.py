"""Stage `knowledge`: check and compile the knowledge base, and write its coverage report.

python -m training.stages.knowledge
"""

from __future__ import annotations

import json
from pathlib import Path

from knowledge_base.build import Content, build, coverage

OUT = Path("reports/coverage.json")


def run(out: Path = OUT) -> dict[str, object]:
    """Build, then report coverage."""
    build()
    report = coverage(Content())
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return report


if __name__ == "__main__":
    print({key: len(value) if isinstance(value, list) else value for key, value in run().items()})
