"""Files and folders of photographs to answer lines, reports and heat maps."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

import orjson
from pydantic import BaseModel
from tqdm import tqdm

from data_contracts.problems import Problem, XinglinError
from data_contracts.screen import ScreenResult
from inference.fundus.decode import is_dicom
from inference.fundus.dicom import heat_map_capture, structured_report
from inference.fundus.screener import Screener, collect_inputs, photograph_paths

Eye = Literal["left", "right"]
EYES: dict[str, Eye] = {
    "left": "left", "l": "left", "os": "left", "左": "left", "左眼": "left",
    "right": "right", "r": "right", "od": "right", "右": "right", "右眼": "right",
}  # fmt: skip


def screen_files(
    screener: Screener,
    source: Path,
    sink: IO[bytes],
    *,
    patients: Path | None = None,
    heat_maps: Path | None = None,
    dicom_reports: Path | None = None,
) -> None:
    """Write a line a photograph, or with `patients` a line a patient, in order.

    Args:
        screener: the bound screener.
        source: a photograph or a folder.
        sink: where the lines go.
        patients: CSV with the columns image, patient and optionally eye; images are relative to the folder.
        heat_maps: folder for overlays, one PNG a gradable photograph; the answer's `heat_map` names it.
        dicom_reports: folder for an SR and a heat-map capture of each DICOM photograph.
    """
    if patients is not None:
        _screen_patients(screener, source, sink, patients)
        return
    total = len(photograph_paths(source)) if source.is_dir() else 1
    errors = 0
    for name, data in tqdm(collect_inputs(source), total=total, unit="张", disable=not sys.stderr.isatty()):
        result = screener.screen_one(name, data)
        if isinstance(result, ScreenResult) and result.gradable:
            if heat_maps is not None:
                target = _beside(heat_maps, name, ".heat.png")
                target.write_bytes(screener.heat_map_png(data))
                result = result.model_copy(update={"heat_map": target.relative_to(heat_maps).as_posix()})
            if dicom_reports is not None and is_dicom(data):
                _beside(dicom_reports, name, ".heat.dcm").write_bytes(heat_map_capture(data, screener.heat_map_png(data)))
        if dicom_reports is not None and is_dicom(data) and isinstance(result, ScreenResult):
            _beside(dicom_reports, name, ".sr.dcm").write_bytes(structured_report(data, result))
        errors += isinstance(result, Problem)
        sink.write(_line(name, result))
    if errors:
        print(f"共 {total} 张，其中 {errors} 张无法读取（见各行 error）", file=sys.stderr)


def _beside(folder: Path, name: str, ending: str) -> Path:
    target = folder / f"{name}{ending}"
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _line(name: str, result: BaseModel) -> bytes:
    if isinstance(result, Problem):
        return orjson.dumps({"id": name, "error": result.model_dump(exclude_none=True)}) + b"\n"
    return result.model_dump_json().encode("utf-8") + b"\n"


def _screen_patients(screener: Screener, source: Path, sink: IO[bytes], table: Path) -> None:
    folder = source if source.is_dir() else source.parent
    rows = read_patients(table)
    for patient, photographs in tqdm(rows.items(), unit="人", disable=not sys.stderr.isatty()):
        sink.write(_line(patient, screener.screen_patients([(patient, list(_photographs(folder, photographs)))])[0]))


def _photographs(folder: Path, photographs: list[tuple[str, Eye | None]]) -> Iterator[tuple[str, bytes, Eye | None]]:
    for name, eye in photographs:
        path = (folder / name).resolve()
        # A table from elsewhere must not reach files outside the folder that was named.
        inside = path.is_relative_to(folder.resolve()) and path.is_file()
        yield name, path.read_bytes() if inside else b"", eye


def read_patients(table: Path) -> dict[str, list[tuple[str, Eye | None]]]:
    """Photographs by patient, in the table's order.

    Raises:
        XinglinError: `invalid-input` where a column is missing or an eye is not known.
    """
    patients: dict[str, list[tuple[str, Eye | None]]] = {}
    with table.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        absent = [c for c in ("image", "patient") if c not in (reader.fieldnames or ())]
        if absent:
            raise XinglinError("invalid-input", f"患者表缺少列 {'、'.join(absent)}；需要 image,patient，可选 eye。")
        for number, row in enumerate(reader, start=2):
            eye = (row.get("eye") or "").strip().lower()
            if eye and eye not in EYES:
                raise XinglinError("invalid-input", f"患者表第 {number} 行的 eye 应为 left 或 right。")
            patients.setdefault(row["patient"], []).append((row["image"], EYES.get(eye)))
    return patients
