"""Export the JSON Schemas of the contracts to `data_contracts/schemas/`, or check that they are current.

python -m data_contracts.export            writes
python -m data_contracts.export --check    exit 1 where a file differs
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from data_contracts.coding import CodeAnswer, CodeRequest
from data_contracts.diagnosis import DiagnoseRequest, Diagnosis
from data_contracts.grade import GradeRequest, InstrumentAnswer, InstrumentRequest, ResidentGrades
from data_contracts.prescription import PrescriptionCheck
from data_contracts.problems import Problem
from data_contracts.record import Record
from data_contracts.review import Review
from data_contracts.screen import PatientScreen, ScreenRequest, ScreenResult
from data_contracts.search import SearchAnswer, SearchRequest
from data_contracts.structure import Structure

CONTRACTS: tuple[type[BaseModel], ...] = (
    Record,
    DiagnoseRequest,
    Diagnosis,
    Structure,
    CodeRequest,
    CodeAnswer,
    Review,
    GradeRequest,
    InstrumentRequest,
    InstrumentAnswer,
    ResidentGrades,
    ScreenRequest,
    ScreenResult,
    PatientScreen,
    PrescriptionCheck,
    SearchRequest,
    SearchAnswer,
    Problem,
)
FOLDER = Path(__file__).parent / "schemas"


def schemas() -> dict[str, str]:
    """File name to JSON Schema text of every contract."""
    return {
        f"{contract.__name__}.json": json.dumps(contract.model_json_schema(by_alias=True), ensure_ascii=False, indent=1, sort_keys=True)
        + "\n"
        for contract in CONTRACTS
    }


def main(arguments: list[str]) -> int:
    """Write the schemas, or with `--check` say which differ."""
    wanted = schemas()
    if "--check" in arguments:
        stale = [
            name for name, text in wanted.items() if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != text
        ]
        for name in stale:
            print(f"{name}: not current; run python -m data_contracts.export", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
