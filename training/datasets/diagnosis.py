"""Labelled records for the ranker: authored cases, synthesised cases and the research corpora, in one shape.

A label is a disease id, a three-character category (`icd10:I21`) or a bare name (`name:膝关节韧带损伤`), for sets whose
classes are no diseases of the knowledge base. Development and test parts are read by `development`, never by `training`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference.ranking.names import NameIndex, normalise_name
from knowledge_base.build import ROOT
from knowledge_base.compiled import KnowledgeBase

CASES, PRESENTATIONS, ADMISSIONS, CALM_VISITS, EXAMINATIONS = (
    ROOT / name for name in ("cases", "presentations", "admissions", "calm_visits", "examinations")
)
_SECTIONS = ("主诉", "现病史", "既往史", "个人史", "婚育史", "月经史", "家族史", "体格检查", "查体", "专科检查", "入院情况", "辅助检查")
_AGE_BAND = re.compile(r"(\d+)\+")


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled record: `record` by the contract, labels with the main one first, `options` of an exam question."""

    id: str
    source: str
    record: dict[str, Any]
    labels: tuple[str, ...]
    group: str
    options: tuple[str, ...] = ()
    gold_names: tuple[str, ...] = ()
    gold_codes: tuple[tuple[str, ...], ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)


def corpora() -> Path | None:
    """The research corpora's diagnosis folder, where `XINGLIN_CORPORA` names one."""
    root = os.environ.get("XINGLIN_CORPORA")
    folder = Path(root) / "diagnosis" if root else None
    return folder if folder is not None and folder.is_dir() else None


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)


def split_of(ident: str) -> str:
    """train, dev or test (70/15/15) by hash of an authored case's id."""
    share = int(hashlib.sha256(ident.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return "train" if share < 0.7 else "dev" if share < 0.85 else "test"


def authored(kb: KnowledgeBase, split: str | None = None) -> list[Example]:
    """The authored cases of a split (all where None)."""
    found = []
    for path in sorted(CASES.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            labels = tuple(d["disease"] for d in case["diagnoses"] if d["disease"] in kb.diseases)
            if not labels or (split and split_of(case["id"]) != split):
                continue
            codes = tuple(kb.diseases[d].categories for d in labels)
            found.append(
                Example(
                    case["id"],
                    "authored",
                    case["record"],
                    labels,
                    case["id"],
                    gold_names=tuple(kb.diseases[d].name for d in labels),
                    gold_codes=codes,
                    meta={"level": case["level"], "voice": case["voice"], "red_flags": case.get("red_flags", [])},
                )
            )
    return found


def presentations(kb: KnowledgeBase) -> list[Example]:
    """Short presentations of full and thin entries, one or two sentences each: for training alone, so none is held out."""
    found = []
    for path in sorted(PRESENTATIONS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            ident = f"presentation-{hashlib.sha256(row['text'].encode()).hexdigest()[:12]}"
            found.append(Example(ident, "presentation", _record(ident, text=row["text"]), (row["disease"],), ident))
    return [example for example in found if example.labels[0] in kb.diseases or example.labels[0] in kb.thin]


def admissions(kb: KnowledgeBase) -> list[Example]:
    """In-patient admission records with all their final diagnoses, the main one first: for training alone, so none is held out."""
    found = []
    for path in sorted(ADMISSIONS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            sections = {k: v for k, v in row["sections"].items() if k in _SECTIONS and v.strip()}
            ident = f"admission-{hashlib.sha256(json.dumps(sections, ensure_ascii=False).encode()).hexdigest()[:12]}"
            labels = tuple(entry for entry in row["gold"] if entry in kb.diseases or entry[len("icd10:") :] in kb.by_category)
            if labels:
                record = _record(ident, sections=sections, patient=_patient(row["sex"], row["age"]))
                found.append(Example(ident, "admission", record, labels, ident, meta={"differential": row["differential"]}))
    return found


def examinations(kb: KnowledgeBase) -> list[Example]:
    """Questions in the manner of a licensing examination with five options, written for training, so none is held out."""
    names = {d.id: (d.name, *d.aliases) for d in kb.diseases.values()} | {t.id: t.names for t in (*kb.thin.values(), *kb.covered)}
    found = []
    for path in sorted(EXAMINATIONS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["gold"] in names:
                answer = next(option for option in row["options"] if option in names[row["gold"]])
                ident = f"examination-{hashlib.sha256(row['text'].encode()).hexdigest()[:12]}"
                record, options = _record(ident, text=row["text"]), tuple(row["options"])
                found.append(Example(ident, "examination", record, (row["gold"],), ident, options=options, meta={"answer": answer}))
    return found


def calm_visits() -> list[Example]:
    """Short records of visits in which nothing is dangerous, without a disease: what the reading of danger learns calm from."""
    found = []
    for path in sorted(CALM_VISITS.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            text = json.loads(line)["text"]
            ident = f"calm-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
            found.append(Example(ident, "calm", _record(ident, text=text), (), ident))
    return found


def gold_codes(folder: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """(set, name) to its three-character categories, the best first."""
    table: dict[tuple[str, str], tuple[str, ...]] = {}
    for file, has_set in ((folder / "gold_codes.tsv.gz", True), (folder / "msdiagnosis" / "gold_codes.tsv.gz", False)):
        with gzip.open(file, "rt", encoding="utf-8") as stream:
            for line in stream:
                parts = line.rstrip("\n").split("\t")
                group, name, codes = parts[:3] if has_set else ("msdiagnosis", parts[0], parts[1])
                table[(group, name)] = tuple(c for c in codes.split(",") if c)
    return table


def _codes(table: dict[tuple[str, str], tuple[str, ...]], group: str, name: str) -> tuple[str, ...]:
    return table.get((group, name)) or table.get((f"{group}/train", name)) or table.get((f"{group}/dev", name)) or ()


def label_of(kb: KnowledgeBase, names: NameIndex, name: str, codes: Sequence[str]) -> str | None:
    """A label for a gold name: its entry by name, else its category where the product can name it."""
    target = names.find(name)
    if target is not None:
        return target
    for code in codes:
        if code[:3] in kb.by_category:
            return f"icd10:{code[:3]}"
    return None


def _labelled(kb: KnowledgeBase, names: NameIndex, gold: Sequence[str], codes: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    labels = [label_of(kb, names, name, code) for name, code in zip(gold, codes, strict=True)]
    return tuple(dict.fromkeys(label for label in labels if label))


def _patient(sex: Any, age: Any) -> dict[str, Any]:
    patient: dict[str, Any] = {}
    if sex in ("M", "F", "男", "女"):
        patient["sex"] = sex
    if isinstance(age, str) and re.fullmatch(r"\d+(\.\d+)?(岁|月|个月|天)?", age.strip()):
        patient["age"] = age.strip()
    return patient


def _record(
    ident: str, *, text: str | None = None, sections: dict[str, str] | None = None, patient: dict[str, Any] | None = None
) -> dict[str, Any]:
    record: dict[str, Any] = {"id": ident, "patient": patient or {}}
    if sections is not None:
        record["sections"] = {k: v for k, v in sections.items() if k in _SECTIONS and v and v.strip()}
    else:
        record["text"] = (text or "")[:3000]
    return record


def msdiagnosis(folder: Path, kb: KnowledgeBase) -> list[Example]:
    """The validation records (development only): admission sections, never title, course or the doctors' basis."""
    names, table = NameIndex(kb), gold_codes(folder)
    found = []
    for row in _rows(folder / "msdiagnosis" / "validation.jsonl.gz"):
        codes = [_codes(table, "msdiagnosis", name) for name in row["gold"]]
        record = _record(row["id"], sections=row["sections"], patient=_patient(row["sex"], row["age"]))
        found.append(
            Example(
                row["id"],
                "msdiagnosis",
                record,
                _labelled(kb, names, row["gold"], codes),
                row["id"],
                gold_names=tuple(row["gold"]),
                gold_codes=tuple(codes),
                meta={
                    "department": row["department"],
                    "gold_in_text": row["gold_in_text"],
                    "differential": [(n, _codes(table, "msdiagnosis", n)) for n in row["differential_dx"]],
                },
            )
        )
    return found


def vignettes(folder: Path, kb: KnowledgeBase, part: str) -> list[Example]:
    """Exam vignettes (`train` or `dev`) with their options."""
    names, table = NameIndex(kb), gold_codes(folder)
    found = []
    for row in _rows(folder / "cmexam_vignettes" / f"{part}.jsonl.gz"):
        codes = [_codes(table, "cmexam_vignettes", name) for name in row["gold"]]
        labels = _labelled(kb, names, row["gold"], codes) or (f"name:{row['gold'][0]}",)
        found.append(
            Example(
                row["id"],
                "vignettes",
                _record(row["id"], text=row["question"]),
                labels,
                row["id"],
                options=tuple(row["options"].values()),
                gold_names=tuple(row["gold"]),
                gold_codes=tuple(codes),
                meta={"answer": row["options"][row["answer"]]},
            )
        )
    return found


def ai_hospital(folder: Path, kb: KnowledgeBase) -> list[Example]:
    """Acted consultations of real cases."""
    names, table = NameIndex(kb), gold_codes(folder)
    found = []
    for row in _rows(folder / "ai_hospital" / "train.jsonl.gz"):
        codes = [_codes(table, "ai_hospital", name) for name in row["gold"]]
        labels = _labelled(kb, names, row["gold"], codes)
        text = "\n".join(turn.split("：", 1)[-1] for turn in row["turns"])
        if labels:
            found.append(
                Example(
                    row["id"],
                    "ai_hospital",
                    _record(row["id"], text=text),
                    labels,
                    row["id"],
                    gold_names=tuple(row["gold"]),
                    gold_codes=tuple(codes),
                )
            )
    return found


def jmed(folder: Path, kb: KnowledgeBase, part: str) -> list[Example]:
    """Online consultations with silver gold: the summary (or complaint and patient turns), certain ones only.

    The set has no development part of its own: a fifth by hash of the id is `dev`, the others `train`.
    """
    names, table = NameIndex(kb), gold_codes(folder)
    found = []
    for row in _rows(folder / "jmed" / "train.jsonl.gz"):
        held = int(hashlib.sha256(f"jmed {row['id']}".encode()).hexdigest()[:8], 16) % 5 == 0
        if float(row.get("silver_score") or 0) != 1 or row.get("tcm") or held != (part == "dev"):
            continue
        codes = [_codes(table, "jmed", name) for name in row["gold"]]
        labels = _labelled(kb, names, row["gold"], codes) or (f"name:{row['gold'][0]}",)
        spoken = "，".join(turn[3:] for turn in row["dialogue"] if turn.startswith("患者："))
        own_words = int(hashlib.sha256(row["id"].encode()).hexdigest()[:2], 16) % 2
        text = f"{row['complaint']}。{spoken}" if own_words else row["summary"]
        found.append(
            Example(
                row["id"],
                "jmed",
                _record(row["id"], text=text, patient=_patient(row["sex"], row["age"])),
                labels,
                row["id"],
                options=tuple(row["options"].values()),
                gold_names=tuple(row["gold"]),
                gold_codes=tuple(codes),
                meta={"answer": row["options"].get(row["answer"])},
            )
        )
    return found


def ccl_cardiology(folder: Path, kb: KnowledgeBase) -> list[Example]:
    """Real discharge records of one cardiology service, with their admission sections."""
    names = NameIndex(kb)
    found = []
    for row in _rows(folder / "ccl2025_emr" / "train.jsonl.gz"):
        codes = [()] * len(row["gold"])
        main = row["gold_icd10"][:3]
        labels = dict.fromkeys([f"icd10:{main}"] if main in kb.by_category else [])
        labels |= dict.fromkeys(_labelled(kb, names, row["gold"], codes))
        labels |= dict.fromkeys(f"icd10:{c[:3]}" for c in row["other_icd10"] if c[:3] in kb.by_category and c[0] not in "ZVY")
        found.append(
            Example(row["id"], "ccl", _record(row["id"], sections=row["sections"]), tuple(labels), row["id"], gold_codes=((main,),))
        )
    return found


def consult_reports(folder: Path, kb: KnowledgeBase) -> list[Example]:
    """Paediatric consultations, the patient's turns, where the report's diagnosis is a name that we hold."""
    names = NameIndex(kb)
    found = []
    for row in _rows(folder / "consult_reports" / "train.jsonl.gz"):
        gold = [re.sub(r"^(考虑|可能|疑似|诊断为?)", "", g).strip(" 。?？") for g in row["gold"]]
        labels = tuple(dict.fromkeys(t for t in (names.find(g) for g in gold) if t))
        text = "，".join(turn[3:] for turn in row["dialogue"] if turn.startswith("患者："))
        if labels:
            found.append(Example(row["id"], "reports", _record(row["id"], text=text), labels, row["id"], gold_names=tuple(gold)))
    return found


def complaints(folder: Path, part: str) -> list[Example]:
    """Online complaints with one of 61 directions of care, as bare names."""
    found = []
    for row in _rows(folder / "triage_complaints" / f"{part}.jsonl.gz"):
        band = _AGE_BAND.match(row["age_band"] or "")
        patient = {"age": {"value": int(band[1]), "unit": "year"}} if band and int(band[1]) < 120 else {}
        found.append(
            Example(
                row["id"],
                "triage",
                _record(row["id"], text=row["text"], patient=patient),
                (f"name:{row['gold'][0]}",),
                row["id"],
                gold_names=tuple(row["gold"]),
            )
        )
    return found


def dialmed(folder: Path) -> list[Example]:
    """Online consultations (development only), the patient's turns, one of 17 classes as bare names."""
    found = []
    for row in _rows(folder / "dialmed" / "dev.jsonl.gz"):
        text = "，".join(turn.split("：", 1)[1] for turn in _turns(row["dialogue"]) if turn.startswith(("患者：", "病人：")))
        found.append(
            Example(
                row["id"], "dialmed", _record(row["id"], text=text), (f"name:{row['gold'][0]}",), row["id"], gold_names=tuple(row["gold"])
            )
        )
    return found


def _turns(dialogue: Any) -> list[str]:
    return dialogue if isinstance(dialogue, list) else str(dialogue).split("\n")


def symptom_text(explicit: dict[str, str], implicit: dict[str, str]) -> str:
    """A symptom list as a doctor would note it."""
    known = {**explicit, **implicit}
    present = [s for s, v in known.items() if v == "1"]
    absent = [s for s, v in known.items() if v == "0"]
    unsure = [s for s, v in known.items() if v == "2"]
    parts = ["、".join(present)]
    if unsure:
        parts.append("可能有" + "、".join(unsure))
    if absent:
        parts.append("无" + "、".join(absent))
    return "。".join(part for part in parts if part) + "。"


def symptom_lists(folder: Path, name: str, part: str) -> list[Example]:
    """Symptom-checker sets mz10, mz4, dxy: lists of symptoms with one of a few classes."""
    found = []
    for row in _rows(folder / name / f"{part}.jsonl.gz"):
        text = symptom_text(row["explicit"], row["implicit"])
        found.append(
            Example(
                row["id"],
                name,
                _record(row["id"], text="患儿：" + text),
                (f"name:{row['gold'][0]}",),
                row["id"],
                gold_names=tuple(row["gold"]),
                meta={"explicit": row["explicit"], "implicit": row["implicit"]},
            )
        )
    return found


def encyclopaedia(folder: Path) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """(name, aliases, symptoms) of the encyclopaedia table, for names that list at least two symptoms."""
    return [
        (row["name"], tuple(row["aliases"]), tuple(row["symptoms"]))
        for row in _rows(folder / "disease_kg" / "diseases.jsonl.gz")
        if len(row["symptoms"]) >= 2
    ]


def training(kb: KnowledgeBase) -> list[Example]:
    """All labelled training records: what was authored, synthesised cases apart, and the corpora's train parts if any."""
    found = authored(kb, "train") + presentations(kb) + admissions(kb) + examinations(kb) + calm_visits()
    folder = corpora()
    if folder is not None:
        found += (
            vignettes(folder, kb, "train")
            + ai_hospital(folder, kb)
            + jmed(folder, kb, "train")
            + ccl_cardiology(folder, kb)
            + consult_reports(folder, kb)
        )
        found += complaints(folder, "train")
        for name in ("mz10", "mz4", "dxy"):
            found += symptom_lists(folder, name, "train")
    return found


def development(kb: KnowledgeBase) -> dict[str, list[Example]]:
    """Development sets by name: they steer choices and are never trained on."""
    found = {"authored_dev": authored(kb, "dev"), "authored_test": authored(kb, "test")}
    folder = corpora()
    if folder is not None:
        found |= {
            "msdiagnosis_validation": msdiagnosis(folder, kb),
            "cmexam_vignettes_dev": vignettes(folder, kb, "dev"),
            "jmed_dev": jmed(folder, kb, "dev"),
            "triage_complaints_dev": complaints(folder, "dev"),
            "dialmed_dev": dialmed(folder),
            "mz10_test": symptom_lists(folder, "mz10", "test"),
            "mz4_test": symptom_lists(folder, "mz4", "test"),
            "dxy_test": symptom_lists(folder, "dxy", "test"),
        }
    return found


def class_names(examples: Sequence[Example]) -> tuple[str, ...]:
    """The bare class names of a set whose labels are names."""
    return tuple(sorted({label[5:] for e in examples for label in e.labels if label.startswith("name:")}))


def same_name(a: str, b: str) -> bool:
    """Equal names after normalisation."""
    return normalise_name(a) == normalise_name(b)
