"""A disease's page: what a doctor reads in half a minute, with the whole entry beside."""

from __future__ import annotations

from typing import Any

from data_contracts.problems import XinglinError
from knowledge_base.compiled import KnowledgeBase

_LEVEL = {"village": "村卫生室", "township": "乡镇卫生院", "county": "县级医院"}
_URGENCY = {"immediate": "立即", "today": "当日", "soon": "尽快", "routine": "择期"}


def disease_page(kb: KnowledgeBase, ident: str) -> dict[str, Any]:
    """Sections of plain lines, the differential table, and the entry as written.

    Raises:
        XinglinError: `not-found` for an id that the knowledge base does not hold.
    """
    if ident in kb.thin:
        thin = kb.thin[ident]
        lines = [f"别名：{'、'.join(thin.aliases)}"] if thin.aliases else []
        return {
            "id": ident,
            "name": thin.name,
            "icd10": [thin.code],
            "department": thin.department,
            "sections": [{"title": "简目（无完整条目）", "lines": lines}],
            "entry": None,
        }
    if ident not in kb.diseases:
        raise XinglinError("not-found", f"没有病种 {ident[:60]}。")
    disease = kb.diseases[ident]
    entry = disease.entry
    estimates = "（概率为估计值，除注明出处者外）"
    findings = [
        f"{kb.findings[f].name}：约 {round(100 * p)}%{_sourced(entry['findings'][f])}"
        for f, p in sorted(disease.findings.items(), key=lambda item: -item[1])
    ]
    sections = [
        {"title": "要点" + estimates, "lines": findings[:12]},
        {"title": "不支持", "lines": [f"{kb.findings[f].name}（似然比 {v:g}）" for f, v in disease.against.items()]},
        {"title": "易误诊", "lines": list(entry.get("atypical", ()))},
        {"title": "红旗", "lines": [rule["message"] for rule in entry.get("red_flags", ())]},
        {
            "title": "鉴别",
            "lines": [f"{kb.diseases[d].name if d in kb.diseases else d}：{how}" for d, how in entry["differential"].items()],
        },
        {"title": "检查", "lines": [f"{t['test']}（{_LEVEL[t['level']]}）：{t['why']}" for t in entry["tests"]]},
        {"title": "处理", "lines": [f"{_LEVEL[level]}：{text}" for level, text in entry["management"].items()]},
        {"title": "转诊", "lines": [f"{r['when']}：{_URGENCY[r['urgency']]}转{r['to']}" for r in entry["referral"]]},
        {"title": "随访", "lines": [entry["follow_up"]]},
        {"title": "告知患者", "lines": [entry["advice"]]},
        {
            "title": "出处",
            "lines": [
                f"{s['title']}{'，' + str(s['year']) if s.get('year') else ''}{'：' + s['section'] if s.get('section') else ''}"
                for s in entry["sources"]
            ],
        },
    ]
    notifiable = entry.get("notifiable")
    if notifiable:
        row: dict[str, Any] = next((r for r in kb.tables.get("notifiable", ()) if r["disease"] == ident), {})
        sections.insert(
            0, {"title": "法定传染病", "lines": [f"{notifiable['class']}类，{notifiable['hours']:g} 小时内报告。{row.get('action', '')}"]}
        )
    return {
        "id": ident,
        "name": disease.name,
        "aliases": list(disease.aliases),
        "icd10": list(disease.icd10),
        "department": disease.department,
        "must_not_miss": disease.must_not_miss,
        "reviewed": entry["review"]["state"] == "reviewed",
        "sections": [section for section in sections if section["lines"]],
        "entry": dict(entry),
    }


def _sourced(figure: dict[str, Any]) -> str:
    return f"（{figure['source']}）" if figure.get("source") and figure["source"] != "estimate" else ""
