"""Every command on small inputs: one answer a line in the same order, bad lines in their place, exit codes, streams."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inference import cli, lines
from inference.engine import Engine

CHEST = "主诉：胸痛2小时。现病史：2小时前活动后胸骨后压榨样痛，向左肩放射，大汗。既往高血压10年。BP 168/98mmHg，P 96次/分。"
RECORDS: list[dict[str, Any]] = [
    {"id": "a", "patient": {"sex": "male", "age": {"value": 61, "unit": "year"}}, "text": CHEST},
    {"id": "b", "text": "咽痛、发热2天。扁桃体Ⅱ度肿大，有脓点。"},
    {"id": "c", "sections": {"主诉": "尿频尿急尿痛1天。", "既往史": "否认高血压。青霉素过敏。"}, "patient": {"sex": "女", "age": "30岁"}},
]
INPUTS: dict[str, list[dict[str, Any]]] = {
    "diagnose": RECORDS,
    "structure": RECORDS,
    "review": [{**record, "diagnoses": [{"name": "慢性胃炎"}]} for record in RECORDS],
    "prescribe-check": [{**record, "medications": [{"name": "阿莫西林", "dose": "0.5g", "frequency": "tid"}]} for record in RECORDS],
    "code": [{"id": ident, "text": "2型糖尿病、高血压3级 很高危", "system": "icd10"} for ident in "abc"],
    "grade": [
        {"id": ident, "patient": {"sex": "female", "age": {"value": age, "unit": "year"}}, "measurements": [{"name": "systolic_bp", "value": 168, "unit": "mmHg"}, {"name": "diastolic_bp", "value": 96, "unit": "mmHg"}]}
        for ident, age in (("a", 66), ("b", 40), ("c", 71))
    ],
    "knowledge search": [{"id": "a", "q": "gxy"}, {"id": "b", "q": "拉肚子"}, {"id": "c", "q": "心梗"}],
}  # fmt: skip
Run = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def run(engine: Engine, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """The command in this process, over the shared engine: exit code, stdout, stderr."""
    monkeypatch.setattr(cli, "_engine", lambda: engine)

    def command(*arguments: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
        monkeypatch.setattr(sys, "argv", ["xinglin", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        out, err = capsysbinary.readouterr()
        return status, out, err.decode()

    return command


def jsonl(items: list[Any]) -> bytes:
    return b"".join(json.dumps(item, ensure_ascii=False).encode() + b"\n" for item in items)


def parsed(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("command", INPUTS)
def test_order_and_bad_lines(run: Run, command: str, tmp_path: Path) -> None:
    a, b, c = INPUTS[command]
    bad = {"id": "bad", "text": 5, "q": 5, "zzz": 1}
    raw = (
        jsonl([a, bad])
        + b"{broken\n"
        + b"\n"
        + b'{"id": "x", "text": "\xb7\xa2\xc9\xd5"}\n'
        + jsonl([b])
        + b"[1]\n"
        + b"null\n"
        + jsonl([c])
    )
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(raw)
    status, _, err = run(*command.split(), str(source), "--out", str(out))
    answers = parsed(out.read_bytes())
    assert status == 0
    assert [answer["id"] for answer in answers] == ["a", "bad", None, None, "b", None, None, "c"]
    assert [answer.get("line") for answer in answers] == [None, None, 3, 5, None, 7, 8, None]
    assert ["error" in answer for answer in answers] == [False, True, True, True, False, True, True, False]
    codes = [answer["error"]["type"].rpartition(":")[2] for answer in answers if "error" in answer]
    assert codes == ["invalid-input", "invalid-json", "not-utf8", "invalid-input", "invalid-input"]
    assert "共 8 条，其中 5 条有误" in err


@pytest.mark.parametrize("command", INPUTS)
def test_streams_give_what_files_give(run: Run, command: str, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(jsonl(INPUTS[command]))
    assert run(*command.split(), str(source), "--out", str(out))[0] == 0
    status, streamed, err = run(*command.split(), "-", "--out", "-", stdin=source.read_bytes())
    assert status == 0
    assert streamed == out.read_bytes()
    assert err == ""


@pytest.mark.parametrize("command", INPUTS)
def test_answers_do_not_depend_on_the_batch(run: Run, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    items = INPUTS[command]
    _, together, _ = run(*command.split(), "-", "--out", "-", stdin=jsonl(items * 2))
    monkeypatch.setattr(lines, "CHUNK", 1)
    _, alone, _ = run(*command.split(), "-", "--out", "-", stdin=jsonl(items * 2))
    _, turned, _ = run(*command.split(), "-", "--out", "-", stdin=jsonl(items[::-1]))
    assert together == alone
    assert parsed(turned)[::-1] == parsed(alone)[: len(items)]


def test_a_plain_text_file_is_one_record(run: Run, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("\ufeff" + CHEST.replace("。", "。\n"), encoding="utf-8")
    _, out, _ = run("diagnose", str(note))
    answer = parsed(out)[0]
    assert answer["status"] == "ranked"
    assert answer["red_flags"]
    text = note.read_text(encoding="utf-8-sig")
    for evidence in answer["candidates"][0]["for"]:
        span = evidence["span"]
        assert text[span["start"] : span["end"]] == span["text"]
    note.write_bytes("咳嗽".encode("gbk"))
    status, out, err = run("diagnose", str(note))
    assert status == 0
    assert parsed(out)[0]["error"]["type"].endswith("not-utf8")
    assert "1 条有误" in err


def test_empty_and_blank_input(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    assert run("diagnose", str(empty)) == (0, b"", "")
    status, out, _ = run("diagnose", "-", stdin=b'{"id": "a", "text": "  "}\n')
    assert status == 0
    assert parsed(out)[0]["error"]["type"].endswith(("empty-record", "invalid-input"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing-such",),
        ("diagnose",),
        ("diagnose", "no-such-file.jsonl"),
        ("diagnose", "-", "--nonsense"),
        ("structure", "-", "--format", "xml"),
        ("grade", "-", "--format", "pdf"),
        ("grade", "no-such-table.csv", "--out", "out.csv"),
        ("screen", "no-such-folder"),
        ("surveillance", "no-such-file"),
        ("diagnose", "-", "--out", "no-such-folder/out.jsonl"),
        ("knowledge", "show", "nothing_such"),
        ("knowledge", "import-icd", "no-such.csv", "--system", "icd10", "--name", "a", "--edition", "1"),
    ],
)
def test_misuse_exits_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    status, out, err = run(*arguments)
    assert status == 2
    assert out == b""
    assert err
    assert "Traceback" not in err


def test_an_output_never_wipes_the_input(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(jsonl(RECORDS))
    assert run("diagnose", str(source), "--out", str(source))[0] == 2
    assert source.read_bytes() == jsonl(RECORDS)
    assert run("diagnose", str(source), "--out", str(tmp_path))[0] == 2


def test_grade_in_other_forms(run: Run, tmp_path: Path) -> None:
    raw = jsonl([*INPUTS["grade"], {"id": "i", "instrument": "bp_grade", "inputs": {"sbp": {"value": 158, "unit": "mmHg"}}}])
    _, out, _ = run("grade", "-", "--format", "fhir", stdin=raw)
    bundles = parsed(out)
    assert [bundle.get("resourceType") for bundle in bundles] == ["Bundle"] * 3 + [None]
    assert bundles[3]["error"]["pointer"] == "/instrument"
    _, out, _ = run("grade", "-", "--format", "html", stdin=raw)
    assert "健康评估报告" in parsed(out)[0]["html"]
    folder = tmp_path / "reports"
    folder.mkdir()
    assert run("grade", "-", "--format", "html", "--out", str(folder), stdin=raw)[0] == 0
    index = parsed((folder / "index.jsonl").read_bytes())
    assert [entry.get("page") for entry in index] == ["00001-a.html", "00002-b.html", "00003-c.html", None]
    assert all((folder / entry["page"]).is_file() for entry in index[:3])


def test_tables_of_residents(run: Run, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("id,age_y,sex,sbp,dbp\nr1,66,female,168,96\nr2,50,male,128,78\n", encoding="utf-8")
    assert run("grade", str(source), "--out", str(out))[0] == 0
    rows = out.read_text(encoding="utf-8-sig").splitlines()
    assert len(rows) == 3
    assert "bp_grade.category" in rows[0]
    assert run("grade", str(source), "--out", str(out), "--format", "html")[0] == 2


def test_screen_answers_every_image(run: Run, tmp_path: Path) -> None:
    from PIL import Image

    photographs = tmp_path / "photographs"
    photographs.mkdir()
    Image.new("RGB", (640, 480)).save(photographs / "black.png")
    (photographs / "half.jpg").write_bytes(b"\xff\xd8\xff\xe0half")
    (photographs / "notes.txt").write_text("not an image")
    status, out, _ = run("screen", str(photographs))
    answers = parsed(out)
    assert status == 0
    assert [answer["id"] for answer in answers] == ["black.png", "half.jpg"]
    assert answers[0]["gradable"] is False
    assert answers[0]["reason"]
    assert "error" in answers[1]


def test_knowledge_and_models(run: Run) -> None:
    status, out, _ = run("knowledge", "search", "拉肚子")
    assert status == 0
    assert "disease" in out.decode()
    assert "id: acute_appendicitis" in run("knowledge", "show", "acute_appendicitis")[1].decode()
    assert "ranker" in run("models", "list")[1].decode()


def test_surveillance_counts_without_records(run: Run) -> None:
    status, out, _ = run("surveillance", "-", stdin=jsonl(RECORDS))
    assert status == 0
    assert CHEST[:8] not in out.decode()


def test_import_of_a_table(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINGLIN_STATE", str(tmp_path / "state"))
    table = tmp_path / "table.csv"
    table.write_text("编码,名称\nI10.x00,高血压\nE11.900,2型糖尿病\n", encoding="utf-8")
    status, out, err = run("knowledge", "import-icd", str(table), "--system", "icd10", "--name", "试", "--edition", "1")
    assert status == 0, err
    assert "已导入 2 条编码" in out.decode()
    assert run("knowledge", "import-icd", str(table), "--system", "icd11", "--name", "试", "--edition", "1")[0] == 2


def test_the_real_command_and_a_closed_pipe(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(jsonl(RECORDS * 30))
    command = [sys.executable, "-m", "inference.cli", "grade", str(source)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONWARNINGS": "ignore"}
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        err = process.stderr.read().decode()
        assert process.wait(60) in (0, 1)
    assert "Traceback" not in err
