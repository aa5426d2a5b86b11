"""The resident's report: one page a resident can read, as HTML, and as PDF through a browser on the machine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from data_contracts.grade import GradeRequest, ResidentGrades
from data_contracts.problems import XinglinError
from inference.risk.charts import AMBER, BLUE, RED, risk_chart, trend_chart
from knowledge_base.rules import instruments

TEMPLATE = Path(__file__).with_name("report.html")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
UNITS = {"fpg": " mmol/L", "ldl": " mmol/L", "hba1c": "%", "bmi": "", "waist": " 厘米", "ua": " µmol/L"}
MOST_LACKING = 10


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _who(request: GradeRequest) -> str:
    patient = request.patient
    sex = {"male": "男", "female": "女"}.get(patient.sex, "")
    age = "" if patient.age is None else f"{patient.age.years:.0f}岁"
    return "　".join(part for part in (f"编号 {patient.pseudonym or request.id}", sex, age) if part)


def _risk(answer: ResidentGrades, levers: list[dict[str, Any]]) -> dict[str, Any] | None:
    for result in answer.results:
        if result.instrument == "china_par_10y" and result.value is not None:
            ideal = float(result.interpretation.split("理想时约")[1].split("%")[0])
            return {"people": max(1, round(float(result.value))), "chart": Markup(risk_chart(float(result.value), ideal, levers))}
    return None


def _charts(plan: dict[str, Any]) -> list[Markup]:
    series = plan["trend"]["series"]
    goals = {goal["quantity"]: goal for goal in plan["goals"]}
    charts: list[Markup] = []
    pressure = [(name, colour, series[key]) for key, name, colour in (("sbp", "收缩压", RED), ("dbp", "舒张压", BLUE)) if key in series]
    if pressure:
        charts.append(Markup(trend_chart("血压变化", pressure, [("收缩压目标", float(goals["sbp"]["below"]))] if "sbp" in goals else [])))
    if "fpg" in series:
        charts.append(
            Markup(
                trend_chart(
                    "空腹血糖变化",
                    [("空腹血糖", AMBER, series["fpg"])],
                    [("目标", float(goals["fpg"]["below"]))] if "fpg" in goals else [],
                    decimals=1,
                )
            )
        )
    return charts


def _shown(quantity: str, now: float | None, also: float | None) -> str:
    if now is None:
        return "—"
    if quantity == "sbp":
        return f"{now:.0f}" + ("" if also is None else f"/{also:.0f}") + " mmHg"
    return f"{now:.1f}".rstrip("0").rstrip(".") + UNITS.get(quantity, "")


def report_html(request: GradeRequest, answer: ResidentGrades) -> str:
    """The report of a graded resident."""
    plan = dict(answer.plan)
    levers = plan["what_if"]
    plan["goals"] = [{**goal, "shown": _shown(goal["quantity"], goal["now"], goal.get("also_now"))} for goal in plan["goals"]]
    advice: dict[str, list[str]] = {}
    for entry in plan["advice"]:
        advice.setdefault(entry["topic"], []).append(entry["say"])
    known = instruments()
    results = [
        {
            "title": known[result.instrument].title if result.instrument in known else "高血糖可能性（学习评分）",
            "text": result.interpretation.replace("【待核对】", ""),
            "unconfirmed": result.unconfirmed,
        }
        for result in answer.results
        if result.grade is not None
    ]
    lacking = list(dict.fromkeys(entry["label"] for entry in plan["would_change"] if entry["matters"]))[:MOST_LACKING]
    return _template().render(
        who=_who(request),
        date=None if request.encounter.date is None else request.encounter.date.isoformat(),
        plan=plan,
        errors=answer.errors,
        risk=_risk(answer, levers),
        levers=levers,
        charts=_charts(plan),
        advice=list(advice.items()),
        results=results,
        lacking=lacking,
    )


def report_pdf(html: str, out: Path, browser: str | None = None) -> None:
    """Print the report to PDF with a Chromium on this machine.

    Raises:
        XinglinError: no browser was found, or it failed.
    """
    found = browser or next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        raise XinglinError("not-ready", "本机没有 Chromium 浏览器，不能生成 PDF；请用浏览器打开 HTML 报告后打印。")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(html, encoding="utf-8")
        command = [
            found,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={out}",
            page.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    if done.returncode != 0 or not out.is_file():
        raise XinglinError("internal", "浏览器没有生成 PDF。")
