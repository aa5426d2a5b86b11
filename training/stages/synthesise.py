"""Stage `synthesise`: draw cases from the entries and write them in the many voices of real notes.

    python -m training.stages.synthesise [--out build/training/synthesised.jsonl]

Each case draws age, sex and findings from its entry, adds background findings, denials (preferably what would point to the
entry's differential), old diseases, and is verbalised tersely, by template, colloquially, with abbreviations and typos.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

from knowledge_base.compiled import Disease, KnowledgeBase, load
from training.parameters import Parameters, load_block

OUT = Path("build/training/synthesised.jsonl")
_CONFUSED = {"痛": "疼", "疼": "痛", "的": "得", "腹": "肚子", "发热": "发烧", "呕吐": "吐"}


class SynthesiseParameters(Parameters):
    """How many cases an entry gives, and how noisy they are."""

    per_disease: int = 8
    seed: int = 20
    typo: float = 0.03


def draw_age(disease: Disease, rng: random.Random) -> float:
    """An age in years by the entry's bands."""
    low, high = disease.entry["population"]["age_years"]
    bands = disease.entry["prior"].get("by_age") or {}
    if bands and rng.random() < 0.7:
        keys = list(bands)
        key = rng.choices(keys, [max(bands[k], 0.01) for k in keys])[0]
        start, _, end = str(key).replace("+", "-95").partition("-")
        low, high = max(low, float(start)), min(high, float(end or start) + 1)
    return rng.uniform(low, max(high if high < 100 else 88, low + 0.1))


def _shown_age(years: float) -> dict[str, Any]:
    if years < 0.12:
        return {"value": max(1, int(years * 365)), "unit": "day"}
    if years < 2:
        return {"value": max(1, int(years * 12)), "unit": "month"}
    return {"value": int(years), "unit": "year"}


def _duration(disease: Disease, rng: random.Random) -> str:
    onset = disease.entry["onset"]
    days = onset.get("days") or [h / 24 for h in onset.get("hours") or (24, 72)]
    value = rng.uniform(days[0], max(days[1], days[0]))
    if value < 1:
        return f"{max(1, int(value * 24))}小时"
    if value < 28:
        return f"{max(1, int(value))}天"
    return f"{max(1, int(value / 30))}{rng.choice(('个月', '月余', '月'))}" if value < 360 else f"{max(1, int(value / 365))}年"


def _say(kb: KnowledgeBase, finding: str, rng: random.Random) -> str:
    names = kb.findings[finding].names
    return names[0] if rng.random() < 0.5 else rng.choice(names)


def draw_findings(kb: KnowledgeBase, disease: Disease, rng: random.Random) -> tuple[list[str], list[str]]:
    """Present and denied findings of one case: about a third to two thirds of the textbook."""
    thinning = rng.uniform(0.45, 0.9)
    present = [f for f, p in disease.findings.items() if f in kb.findings and rng.random() < p * thinning]
    if len(present) < 2:
        present = sorted(disease.findings, key=lambda f: -disease.findings[f])[:3]
    implied = {a for f in present for a in kb.findings[f].ancestors}
    present = [f for f in present if f not in implied]
    denied: list[str] = []
    rivals = [kb.diseases[d] for d in disease.entry["differential"] if d in kb.diseases]
    for rival in rng.sample(rivals, min(2, len(rivals))):
        telling = [f for f in rival.findings if f not in disease.findings and f in kb.findings and kb.findings[f].kind == "symptom"]
        denied += rng.sample(telling, min(rng.randint(0, 2), len(telling)))
    denied += [
        f
        for f, p in disease.findings.items()
        if f not in present and f not in implied and kb.findings[f].kind == "symptom" and rng.random() < 0.3 * (1 - p)
    ]
    above = {a for f in present for a in kb.findings[f].ancestors}
    return present, [f for f in dict.fromkeys(denied) if f not in above and not (kb.findings[f].descendants & set(present))]


def verbalise(kb: KnowledgeBase, disease: Disease, rng: random.Random, typo: float) -> tuple[str, dict[str, Any]]:
    """One case's text and its patient."""
    present, denied = draw_findings(kb, disease, rng)
    by_kind: dict[str, list[str]] = {}
    for finding in present:
        by_kind.setdefault(kb.findings[finding].kind, []).append(_say(kb, finding, rng))
    symptoms = by_kind.get("symptom", [])
    rng.shuffle(symptoms)
    signs = by_kind.get("sign", []) + by_kind.get("laboratory", []) + by_kind.get("imaging", [])
    past = by_kind.get("history", []) + by_kind.get("exposure", [])
    if not symptoms and not signs:
        symptoms = past or ["不适"]
        past = []
    no = [_say(kb, f, rng) for f in denied]
    population = disease.entry["population"]
    sex = population["sex"] if population["sex"] != "any" else rng.choice(("male", "female"))
    patient: dict[str, Any] = {"sex": sex, "age": _shown_age(draw_age(disease, rng))}
    if population.get("pregnancy") == "only":
        patient["pregnancy_weeks"] = rng.randint(6, 40)
    lasting = _duration(disease, rng)
    voice = rng.choice(("terse", "templated", "colloquial", "headline"))
    if voice == "headline":
        text = f"{'、'.join(symptoms[:3] or signs[:2])}{lasting}"
    elif voice == "terse":
        text = f"主诉：{'、'.join(symptoms[:2] or signs[:1])}{lasting}。" + "，".join(symptoms[2:]) + ("。" if symptoms[2:] else "")
        text += f"无{'、'.join(no)}。" if no else ""
        text += ("查：" + "，".join(signs) + "。") if signs else ""
        text += ("既往" + "，".join(past) + "。") if past else ""
    elif voice == "templated":
        text = f"主诉：{'伴'.join(symptoms[:2] or signs[:1])}{lasting}。\n现病史：患者{lasting}前{rng.choice(('无明显诱因', '受凉后', '劳累后', ''))}出现{'，'.join(symptoms) or signs[0]}"
        text += f"，无{'、'.join(no)}" if no else ""
        text += rng.choice(("，自服药物效果不佳", "，未予诊治", "", "，为求诊治来诊")) + "。\n"
        text += ("既往史：" + "，".join(past) + "。\n") if past else "既往史：否认高血压、糖尿病史。\n" if rng.random() < 0.5 else ""
        text += ("体格检查：" + "，".join(signs) + "。") if signs else ""
    else:
        text = f"{'，'.join(symptoms) or '、'.join(signs)}，{rng.choice(('有', '都', '大概'))}{lasting}了"
        text += ("，" + "，".join(past)) if past else ""
        text += ("，没有" + "，也没有".join(no)) if no else ""
        text += ("。医生看了说" + "、".join(signs)) if signs and symptoms else ""
    if rng.random() < typo * 5:
        word = rng.choice(list(_CONFUSED))
        text = text.replace(word, _CONFUSED[word], 1)
    return text, patient


def run(kb: KnowledgeBase, parameters: SynthesiseParameters, out: Path = OUT) -> int:
    """Write the synthesised cases; their number."""
    rng = random.Random(parameters.seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with out.open("w", encoding="utf-8") as stream:
        for disease in kb.diseases.values():
            for number in range(parameters.per_disease):
                text, patient = verbalise(kb, disease, rng, parameters.typo)
                ident = f"synthesised-{disease.id}-{number}"
                row = {
                    "id": ident,
                    "record": {"id": ident, "patient": patient, "text": text},
                    "diagnoses": [{"disease": disease.id, "role": "main"}],
                }
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    print(f"{run(load(), load_block(SynthesiseParameters, 'synthesise'), options.out)} synthesised cases")
