"""The `xinglin` command: JSON Lines in and out, and the service."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from data_contracts.problems import XinglinError
from inference.lines import answer_lines, opened, read_lines

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="杏林：基层诊疗辅助。结果供医生参考。")
knowledge = typer.Typer(no_args_is_help=True, help="知识库：检查、检索、查看、导入编码表、本地补充。")
models = typer.Typer(no_args_is_help=True, help="模型包：校验、列出、启用。")
app.add_typer(knowledge, name="knowledge")
app.add_typer(models, name="models")

Source = Annotated[str, typer.Argument(help="输入文件（JSON Lines；- 为标准输入；.txt 为一份病历）")]
Out = Annotated[str, typer.Option("--out", help="输出文件（- 为标准输出）")]


def _engine() -> Any:
    from inference.engine import Engine

    return Engine()


def _settings() -> Any:
    from inference.settings import Settings

    return Settings()


def _refresh_overlay() -> None:
    """Where a county's overlay serves, lay it over renewed knowledge before anything is answered."""
    from inference.knowledge.overlay import active_knowledge, refresh
    from models.bundle import RELEASED, Bundle

    settings = _settings()
    if active_knowledge(settings.state) is None:
        return
    path = (settings.bundles or RELEASED) / "ranker"
    refresh(settings.state, Bundle.open(path, replay=0) if (path / "manifest.json").is_file() else None)


def _lines(source: str, out: str, answer: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
    if source != "-" and not Path(source).is_file():
        raise typer.BadParameter(f"没有这个文件：{source}")
    _writable(source, out)
    with opened(source, "rb") as stream, opened(out, "wb") as sink, tqdm(unit="条", disable=not sys.stderr.isatty()) as bar:
        total, errors = answer_lines(
            read_lines(stream, whole_text=source.endswith(".txt")), answer, sink, progress=lambda n: _advance(bar, n)
        )
    if errors:
        print(f"共 {total} 条，其中 {errors} 条有误（见各行 error）", file=sys.stderr)


def _writable(source: str, out: str) -> None:
    """Refuse an output that cannot be written, before any work, and one that would wipe the input."""
    if out == "-":
        return
    target = Path(out)
    if target.is_dir():
        raise typer.BadParameter(f"--out 是一个文件夹：{out}；请给出文件名")
    if not target.parent.is_dir():
        raise typer.BadParameter(f"没有这个文件夹：{target.parent}")
    if source != "-" and target.exists() and Path(source).exists() and target.samefile(source):
        raise typer.BadParameter("--out 与输入是同一个文件，会把输入覆盖掉")


def _advance(bar: Any, count: int) -> None:
    bar.update(count)


@app.command()
def diagnose(source: Source, out: Out = "-") -> None:
    """鉴别诊断：排序、依据、红旗、下一步。"""
    _lines(source, out, _engine().diagnose)


@app.command()
def structure(
    source: Source,
    out: Out = "-",
    format: Annotated[str, typer.Option("--format", help="json 或 fhir")] = "json",
    feedback_out: Annotated[str | None, typer.Option("--feedback-out", help="把采纳与拒绝写成可训练的行（去标识）")] = None,
) -> None:
    """病历结构化：实体、断言、测量、时程、质量提示。"""
    if format not in ("json", "fhir"):
        raise typer.BadParameter("--format 只能是 json 或 fhir")
    engine = _engine()
    if feedback_out is None:
        _lines(source, out, engine.structure_fhir if format == "fhir" else engine.structure)
        return
    from inference.reading.feedback import training_lines

    with opened(feedback_out, "wb") as sink:

        def answer(items: Sequence[Any]) -> Sequence[Any]:
            answers: Sequence[Any] = engine.structure_fhir(items) if format == "fhir" else engine.structure(items)
            for item, result in zip(items, answers, strict=True):
                for line in training_lines(item, result, engine.kb.version):
                    sink.write(line)
            return answers

        _lines(source, out, answer)


@app.command()
def code(source: Source, out: Out = "-") -> None:
    """诊断或手术名称编码到导入的编码表。"""
    _lines(source, out, _engine().code)


@app.command()
def review(source: Source, out: Out = "-") -> None:
    """漏诊、存疑、红旗、病历不完整的提示。"""
    _lines(source, out, _engine().review)


@app.command()
def grade(
    source: Source,
    out: Out = "-",
    summary: Annotated[str | None, typer.Option("--summary", help="批量表格的汇总（JSON）")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="批量表格的进程数")] = 1,
    format: Annotated[str, typer.Option("--format", help="json、fhir 或 html（居民报告；--out 为文件夹时每人一页）")] = "json",
) -> None:
    """慢病分级与管理计划；也接受 CSV、Parquet 的居民表。"""
    if format not in ("json", "fhir", "html"):
        raise typer.BadParameter("--format 只能是 json、fhir 或 html")
    if Path(source).suffix.lower() in (".csv", ".parquet") and format != "json":
        raise typer.BadParameter("居民表只能得到表格；FHIR 与报告请用 JSON Lines 输入")
    if Path(source).suffix.lower() in (".csv", ".parquet"):
        if not Path(source).is_file():
            raise typer.BadParameter(f"没有这个文件：{source}")
        _writable(source, out)
        from inference.risk.batch import grade_file

        grade_file(Path(source), Path(out), summary=Path(summary) if summary else None, workers=workers)
        return
    engine = _engine()
    if format == "html" and out != "-" and Path(out).is_dir():
        from inference.risk.formats import write_page

        folder, number = Path(out), itertools.count(1)
        _lines(
            source,
            str(folder / "index.jsonl"),
            lambda items: [write_page(page, folder, next(number)) for page in engine.grade_pages(items)],
        )
        return
    _lines(source, out, {"json": engine.grade, "fhir": engine.grade_fhir, "html": engine.grade_pages}[format])


@app.command("prescribe-check")
def prescribe_check(source: Source, out: Out = "-") -> None:
    """处方核对：过敏、禁忌、相互作用、重复、剂量等分级提示。"""
    _lines(source, out, _engine().check_prescriptions)


@app.command()
def surveillance(source: Source, out: Out = "-") -> None:
    """疑似法定传染病症候群的每周计数（只有计数，小格隐去）。"""
    from collections import Counter

    from inference.surveillance import as_csv, syndrome_counts

    if source != "-" and not Path(source).is_file():
        raise typer.BadParameter(f"没有这个文件：{source}")
    _writable(source, out)
    engine = _engine()
    counts: Counter[tuple[str, str, str]] = Counter()
    with opened(source, "rb") as stream:
        for line in read_lines(stream):
            if line.problem is None and isinstance(line.value, dict):
                counts += syndrome_counts([line.value], engine.diagnose([line.value]), engine.kb)
    with opened(out, "wb") as sink:
        sink.write(as_csv(counts).encode("utf-8"))


@app.command()
def screen(
    source: Source,
    out: Out = "-",
    patients: Annotated[str | None, typer.Option("--patients", help="CSV：image,patient,eye；每位患者一行结果")] = None,
    heat_maps: Annotated[str | None, typer.Option("--heat-maps", help="把热图写到这个文件夹")] = None,
    dicom_reports: Annotated[str | None, typer.Option("--dicom-reports", help="为 DICOM 照片写结构化报告（SR）的文件夹")] = None,
) -> None:
    """眼底照片筛查糖尿病视网膜病变（研究用）。"""
    from inference.fundus.files import screen_files

    if not Path(source).exists():
        raise typer.BadParameter(f"没有这个文件或文件夹：{source}")
    _writable(source, out)
    with opened(out, "wb") as sink:
        folders = {
            name: Path(value) if value else None
            for name, value in (("patients", patients), ("heat_maps", heat_maps), ("dicom_reports", dicom_reports))
        }
        screen_files(_engine().screener, Path(source), sink, **folders)


@app.command()
def serve(host: Annotated[str | None, typer.Option()] = None, port: Annotated[int | None, typer.Option()] = None) -> None:
    """启动本机服务与网页。"""
    from inference.service.run import run

    _refresh_overlay()
    run(host=host, port=port)


@knowledge.command("check")
def knowledge_check(
    all: Annotated[bool, typer.Option("--all", help="列出全部问题")] = False,
    texts: Annotated[list[str] | None, typer.Argument(help="只看含这些字的问题")] = None,
) -> None:
    """检查知识库并给出覆盖报告。"""
    from knowledge_base.check import main as check

    raise typer.Exit(check([*(["--all"] if all else []), *(texts or [])]))


@knowledge.command("build")
def knowledge_build() -> None:
    """编译知识库。"""
    from knowledge_base.build import build

    done = build()
    _refresh_overlay()
    print(f"知识库 {done['version']}：{len(done['diseases'])} 个病种，{len(done['findings'])} 项表现，{len(done['medicines'])} 种药品")


@knowledge.command("search")
def knowledge_search(
    query: Annotated[str, typer.Argument(help="检索词，或 JSON Lines 文件（配合 --out）")],
    out: Annotated[str | None, typer.Option("--out")] = None,
) -> None:
    """按病名、俗称、拼音或首字母检索。"""
    engine = _engine()
    if out is not None:
        _lines(query, out, engine.search)
        return
    answer = engine.search([{"id": "q", "q": query}])[0]
    for hit in getattr(answer, "results", ()):
        print(f"{hit.score:5.2f}  {hit.kind:8}  {hit.name}  {hit.icd10 or ''}  {hit.id}")


@knowledge.command("show")
def knowledge_show(ident: Annotated[str, typer.Argument(help="病种编号，如 acute_appendicitis")]) -> None:
    """显示一个病种的全部内容。"""
    import yaml

    from inference.knowledge.overlay import active_knowledge
    from knowledge_base.compiled import load

    kb = load(active_knowledge(_settings().state))
    if ident not in kb.diseases:
        raise typer.BadParameter(f"没有这个病种：{ident}")
    print(yaml.safe_dump(dict(kb.diseases[ident].entry), allow_unicode=True, sort_keys=False))


@knowledge.command("overlay")
def knowledge_overlay(
    folder: Annotated[Path | None, typer.Argument(help="本县补充的文件夹：与知识库内容同样的文件，只写不同之处")] = None,
    owner: Annotated[str, typer.Option(help="负责人")] = "",
    reason: Annotated[str, typer.Option(help="原因")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只看改了什么、哪些病例的结果会变，不启用")] = False,
    cases: Annotated[Path | None, typer.Option(help="试算用的病例（JSON Lines）；不给则用随附的 200 份病例")] = None,
    undo: Annotated[bool, typer.Option("--rollback", help="撤回上一次补充")] = False,
    log: Annotated[bool, typer.Option("--history", help="列出启用与撤回的记录")] = False,
) -> None:
    """试算、启用或撤回本县的补充；不需要重新训练，重启服务后生效。"""
    from inference.knowledge.overlay import apply, history, rollback

    state = _settings().state
    if log:
        for row in history(state):
            what = {"apply": "启用", "rollback": "撤回到", "refresh": "随新版知识库重算"}[row["action"]]
            print(f"{row['at']}  {what} {row['version'] or '自带版本'}  {row['owner']}：{row['reason']}")
        return
    if not dry_run and not (owner and reason):
        raise typer.BadParameter("请写明 --owner 与 --reason")
    engine = _engine()
    if undo:
        print(f"已撤回，现用知识库 {rollback(state, owner=owner, reason=reason) or '自带版本'}；重启服务后生效")
        return
    if folder is None or not folder.is_dir():
        raise typer.BadParameter("请给出补充内容所在的文件夹")
    if dry_run:
        _overlay_dry_run(engine, folder, cases)
        return
    version = apply(folder, state, owner=owner, reason=reason, bundle=engine.bundle("ranker"))
    print(f"已启用，知识库 {version}；重启服务后生效，撤回用 --rollback")


def _overlay_dry_run(engine: Any, folder: Path, cases: Path | None) -> None:
    """Say what an overlay changes, and which stored cases would be answered differently."""
    from inference.knowledge.overlay import authored_records, changes, compiled_with, differences
    from knowledge_base.build import CONTENT, Content
    from knowledge_base.compiled import KnowledgeBase

    after = compiled_with(folder)
    kinds = {"diseases": "病种", "findings": "表现", "medicines": "药品", "tables": "表"}
    for row in differences(Content((CONTENT,)).compile(), after):
        for said, names in (("新增", row.added), ("修改", row.changed), ("删除", row.removed)):
            if names:
                print(f"{said}{kinds[row.kind]}：{'、'.join(names)}")
    if cases is not None:
        with cases.open("rb") as stream:
            records = [line.value for line in read_lines(stream) if line.problem is None]
    else:
        records = authored_records()
    found = changes(engine.kb, KnowledgeBase(after), records, engine.bundle("ranker"), engine.settings.state)
    for change in found:
        print(f"{change.id}:")
        for said, old, new in (
            ("前三位", change.before, change.after),
            ("红旗", change.flags_before, change.flags_after),
            ("处方提示", change.warnings_before, change.warnings_after),
        ):
            if old != new:
                print(f"  {said} {'、'.join(old) or '无'} → {'、'.join(new) or '无'}")
    print(f"{len(records)} 份病例中有 {len(found)} 份的结果会变化")


@knowledge.command("import-icd")
def knowledge_import_icd(
    file: Annotated[Path, typer.Argument(help="CSV、CSV.gz 或 XLSX，含编码与名称两列", exists=True, dir_okay=False)],
    system: Annotated[str, typer.Option(help="icd10 或 icd9cm3")],
    name: Annotated[str, typer.Option(help="编码表名称")],
    edition: Annotated[str, typer.Option(help="版本")],
) -> None:
    """导入医院的编码表并建立索引。"""
    from inference.coding.tables import TableError, import_table
    from inference.settings import Settings

    if system not in ("icd10", "icd9cm3"):
        raise typer.BadParameter("--system 只能是 icd10 或 icd9cm3")
    try:
        table = import_table(file, system, name, edition, Settings().state)
    except TableError as error:
        raise XinglinError("invalid-input", str(error)) from error
    print(f"已导入 {len(table.codes)} 条编码：{name} {edition}")


@models.command("verify")
def models_verify() -> None:
    """逐个打开模型包，校验摘要并重放封存的样例。"""
    from models.bundle import Bundle, released

    failed = 0
    for path in released():
        try:
            bundle = Bundle.open(path, replay=0)
            count = bundle.replay()
            print(f"{bundle.task} {bundle.version}：完好，重放 {count} 例")
        except XinglinError as error:
            failed += 1
            print(f"{path.name}：{error}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


@models.command("list")
def models_list() -> None:
    """列出已发布的模型包。"""
    from models.bundle import Bundle, released

    for path in released():
        bundle = Bundle.open(path, replay=0)
        size = sum(entry["size"] for entry in bundle.manifest["files"].values()) / 2**20
        print(f"{bundle.task:16} {bundle.version:24} {size:6.1f} MB  {bundle.manifest['created']}")


@models.command("promote")
def models_promote(
    candidate: Annotated[Path, typer.Argument(help="候选模型包文件夹", exists=True, file_okay=False)],
    reports: Annotated[Path, typer.Option(help="候选与现任的评估报告所在文件夹")] = Path("reports"),
) -> None:
    """候选包通过门槛后整体替换现任包（保留上一版以便回退）。"""
    from models.gate import promote

    print(promote(candidate, reports))


def main() -> None:
    """Entry point of the `xinglin` command; problems are printed in plain Chinese, misuse exits with 2."""
    try:
        app(standalone_mode=False)
    except typer.Exit as stop:
        raise SystemExit(stop.exit_code) from None
    except XinglinError as error:
        print(f"{error.problem.title}：{error.problem.detail}", file=sys.stderr)
        raise SystemExit(2) from None
    except typer.Abort:
        print("已中断。", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        # click's own exceptions carry the exit code and a message for people
        show: Callable[[], None] | None = getattr(error, "show", None)
        if show is None:
            raise
        show()
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
