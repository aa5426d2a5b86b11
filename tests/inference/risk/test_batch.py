"""The county batch: same bits as one by one, broken rows answered, resumable, independent of blocks and workers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from benchmarks.risk_batch import residents
from data_contracts.problems import XinglinError
from inference.risk import batch
from inference.risk.batch import grade_file
from inference.risk.table import grade_block, layout_of
from knowledge_base.rules import grade_sheet, instruments
from knowledge_base.rules.policy import policy


def same(row: dict[str, Any], name: str, output: dict[str, Any]) -> bool:
    """Whether a table's row holds an instrument's output."""
    for key, value in output.items():
        if key == "warnings":
            continue
        got = row[f"{name}.{key}"]
        if key == "fields":
            value = ",".join(value)
        if isinstance(value, list):
            value = "+".join(value)
        if got != value:
            return False
    return True


def test_every_value_is_bit_identical_to_a_single_call(tmp_path: Path) -> None:
    table = residents(400, seed=5)
    pq.write_table(table, tmp_path / "in.parquet")
    grade_file(tmp_path / "in.parquet", tmp_path / "out.parquet", block_rows=150)
    graded = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["row"] for row in graded] == list(range(1, 401))
    chosen = policy(None)
    layout = layout_of(table.schema.names)
    for index in range(0, 400, 40):
        sheet, single = grade_block(table.slice(index, 1).combine_chunks().to_batches()[0], layout, chosen)
        assert set(single) == set(layout.runnable)
        for name, result in single.items():
            output = result.row(0)
            assert same(graded[index], name, output), (index, name, output)
            if not set(result.instrument.keys) - set(result.instrument.input_map):
                assert grade_sheet(instruments()[name], sheet, chosen.editions.get(name)).row(0) == output


def test_blocks_and_workers_change_nothing(tmp_path: Path) -> None:
    pq.write_table(residents(300, seed=9), tmp_path / "in.parquet")
    first = grade_file(tmp_path / "in.parquet", tmp_path / "a.parquet", block_rows=300)
    second = grade_file(tmp_path / "in.parquet", tmp_path / "b.parquet", block_rows=77, workers=2)
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == pq.read_table(tmp_path / "b.parquet").to_pylist()
    assert first == second
    assert not (tmp_path / "a.parquet.parts").exists()


def test_every_row_of_a_bad_csv_is_answered(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(
        "id,township,age_y,sex,sbp,sbp_unit,dbp,height,weight,waist,hypertension,smoker\n"
        "1,东镇,66,女,168,mmHg,96,160,62,85,true,false\n"
        "2,西镇,58,男,17.1,kPa,78,170,abc,90,false,是\n"
        "3,西镇,58,男,17.1,mmHg,78,170,70,90,否,否\n"
        "4,东镇,58,男\n"
        "5,,200,X,128,bar,78,170,70,,,\n",
        encoding="utf-8",
    )
    summary = grade_file(source, tmp_path / "out.csv")
    rows = {
        row["id"]: row
        for row in pacsv.read_csv(
            tmp_path / "out.csv", convert_options=pacsv.ConvertOptions(column_types={"id": pa.string()}, strings_can_be_null=True)
        ).to_pylist()
    }
    assert set(rows) == {"1", "2", "3", "4", "5"}
    assert rows["1"]["bp_grade.category"] == "grade2" and rows["1"]["errors"] is None
    assert rows["2"]["bp_grade.category"] == "high_normal" and rows["2"]["errors"] == "weight:implausible"
    assert rows["3"]["bp_grade.status"] == "implausible" and rows["3"]["errors"] == "sbp:implausible"
    assert "列数不对" in rows["4"]["errors"]
    assert rows["5"]["errors"] == "age_y:implausible; sbp:implausible; sex:implausible"
    assert summary["rows"] == 4 and summary["unreadable_lines"] == 1 and summary["rows_with_errors"] == 3
    assert summary["townships"]["东镇"]["高血压"] == {"n": 1, "of": 1, "rate": 1.0}
    assert summary["data_quality"]["weight"]["implausible"] == 1
    assert "china_par_10y" in summary["not_run"]
    assert json.loads((tmp_path / "out.csv.summary.json").read_text(encoding="utf-8")) == summary


def test_bytes_that_are_no_text_cost_their_cell(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes("﻿id,sbp,dbp,township\n1,150,90,东镇\n".encode() + b"2,16\xff,90,\xb6\xab\xd5\xf2\n3,120,70,\n")
    grade_file(source, tmp_path / "out.parquet")
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["bp_grade.status"] for row in rows] == ["ok", "implausible", "ok"]


def test_columns_of_a_strange_kind_are_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2], "sbp": [[150], [120]], "dbp": [90, 80]}), tmp_path / "in.parquet")
    grade_file(tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").column("errors").to_pylist() == ["sbp:implausible", "sbp:implausible"]


def test_a_run_that_was_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(residents(200, seed=1), tmp_path / "in.parquet")
    whole = grade_file(tmp_path / "in.parquet", tmp_path / "whole.parquet", block_rows=50)

    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(batch, "_collect", cut)
        with pytest.raises(KeyboardInterrupt):
            grade_file(tmp_path / "in.parquet", tmp_path / "out.parquet", block_rows=50)
    parts = tmp_path / "out.parquet.parts"
    kept = (parts / "000001.arrow").stat().st_mtime_ns
    (parts / "000002.json").unlink()
    stamps: dict[str, int] = {}
    original = batch._collect

    def noted(folder: Path, *rest: Any) -> Any:
        stamps.update({path.name: path.stat().st_mtime_ns for path in folder.glob("*.arrow")})
        return original(folder, *rest)

    monkeypatch.setattr(batch, "_collect", noted)
    assert grade_file(tmp_path / "in.parquet", tmp_path / "out.parquet", block_rows=50) == whole
    assert stamps["000001.arrow"] == kept
    assert pq.read_table(tmp_path / "out.parquet").equals(pq.read_table(tmp_path / "whole.parquet"))


def test_names_that_two_instruments_share_go_to_the_one_that_fits(tmp_path: Path) -> None:
    assert layout_of(["id", "total"]).columns["gad7.total"] == "total"
    both = layout_of(["id", "total", "item9"])
    assert both.columns["phq9.total"] == "total" and "gad7" not in both.runnable
    assert layout_of(["id", "systolic_bp", "diastolic_bp"]).columns["sbp"] == "systolic_bp"


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(XinglinError):
        grade_file(tmp_path / "none.csv", tmp_path / "o.csv")
    (tmp_path / "twice.csv").write_text("id,sbp,sbp,dbp\n1,150,150,90\n", encoding="utf-8")
    with pytest.raises(XinglinError, match="重复"):
        grade_file(tmp_path / "twice.csv", tmp_path / "o.csv")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(XinglinError):
        grade_file(tmp_path / "torn.parquet", tmp_path / "o.csv")
    (tmp_path / "x.csv").write_text("id,colour\n1,red\n", encoding="utf-8")
    with pytest.raises(XinglinError):
        grade_file(tmp_path / "x.csv", tmp_path / "o.csv")
