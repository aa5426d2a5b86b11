"""What the semantic part compares a record with: a few short views of each disease.

Training, export and serving call these same functions; a changed entry changes its views and only its vectors.
"""

from __future__ import annotations

from knowledge_base.compiled import Disease, Finding, KnowledgeBase, ThinEntry

_STORY = frozenset({"symptom", "history", "exposure"})
_COURSE = {"acute": "急性起病", "subacute": "亚急性", "chronic": "慢性", "recurrent": "反复发作", "congenital": "先天性"}


def name_view(names: tuple[str, ...]) -> str:
    """The view of a name and its aliases; the only one of a thin entry, and that of a bare candidate name."""
    return "疾病：" + "，".join(names[:8])


def _listed(disease: Disease, kb: KnowledgeBase, kinds: frozenset[str], count: int) -> str:
    chosen: list[Finding] = [
        kb.findings[ident] for ident in sorted(disease.findings, key=lambda f: -disease.findings[f]) if ident in kb.findings
    ]
    return "、".join(finding.name for finding in chosen if finding.kind in kinds)[: count * 8]


def disease_views(disease: Disease, kb: KnowledgeBase) -> list[str]:
    """Three to four views: names; the typical story; signs and tests; the atypical course."""
    population = disease.entry["population"]
    who = {"male": "男性", "female": "女性"}.get(population["sex"], "")
    low, high = population["age_years"]
    who += "孕妇" if population.get("pregnancy") == "only" else ""
    who += "小儿" if high <= 18 else "老人" if low >= 60 else ""
    course = _COURSE.get(disease.entry["onset"]["course"], "")
    views = [name_view(disease.names)]
    story = _listed(disease, kb, _STORY, 14)
    risks = "、".join(kb.findings[ident].name for ident in disease.risk_factors if ident in kb.findings)
    views.append(f"{disease.name}：{who}{course}，{story}{'，' + risks[:40] if risks else ''}")
    signs = _listed(disease, kb, frozenset({"sign", "laboratory", "imaging"}), 14)
    if signs:
        views.append(f"{disease.name}：{signs}")
    atypical = disease.entry.get("atypical") or ()
    if atypical:
        views.append(f"{disease.name}：" + "；".join(atypical)[:110])
    return views


def thin_views(entry: ThinEntry) -> list[str]:
    """The one view of a thin entry."""
    return [name_view(entry.names)]


def all_views(kb: KnowledgeBase) -> tuple[list[str], list[str]]:
    """Every view and the target (disease id or `icd10:XXX`) that it belongs to, full entries first."""
    texts: list[str] = []
    targets: list[str] = []
    for disease in kb.diseases.values():
        for view in disease_views(disease, kb):
            texts.append(view)
            targets.append(disease.id)
    for thin in kb.thin.values():
        for view in thin_views(thin):
            texts.append(view)
            targets.append(thin.id)
    return texts, targets
