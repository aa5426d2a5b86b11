"""Compile the content into one checked, immutable file.

    python -m knowledge_base.build            checks and writes build/knowledge.json

Every problem is reported with file, line and remedy; errors stop the build, warnings do not.
"""

from __future__ import annotations

import csv
import hashlib
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml
from pydantic import ValidationError

from knowledge_base import conditions, word_lists
from knowledge_base.measurement_names import CONTEXTUAL, NAMES
from knowledge_base.medicine_schema import MedicineClass, MedicineEntry
from knowledge_base.merging import merged
from knowledge_base.schema import DEPARTMENTS, DiseaseEntry, FindingEntry

ROOT = Path(__file__).parent
CONTENT = ROOT / "content"
COMPILED = ROOT.parent / "build" / "knowledge.json"
FORMAT = 2
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Issue:
    """A problem of the content: where it stands and how to mend it."""

    severity: str  # error | warning
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.file}:{self.line}: {self.message}"


class Content:
    """The parsed content of one or more directories (the house's own, then overlays), with its issues."""

    def __init__(self, directories: tuple[Path, ...] = (CONTENT,)) -> None:
        self.directories = directories
        self.issues: list[Issue] = []
        self.diseases: dict[str, DiseaseEntry] = {}
        self.findings: dict[str, FindingEntry] = {}
        self.medicines: dict[str, MedicineEntry] = {}
        self.classes: dict[str, MedicineClass] = {}
        self.thin: list[dict[str, Any]] = []
        self.lexicon: dict[str, Any] = {}
        self.tables: dict[str, Any] = {}
        self.where: dict[tuple[str, str], tuple[str, int]] = {}
        for directory in directories:
            self._read(directory)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read(self, directory: Path) -> None:
        own = directory == self.directories[0]
        for path in sorted(directory.glob("findings/*.yaml")):
            for item, line in self._items(path):
                self._add("finding", FindingEntry, item, path, line, self.findings, own)
        for path in sorted(directory.glob("diseases/*/*.yaml")):
            for document in self._document(path):
                entry = self._add("disease", DiseaseEntry, document, path, 1, self.diseases, own)
                if isinstance(entry, DiseaseEntry):
                    if path.stem != entry.id:
                        self._issue("error", path, 1, f"file is named {path.stem}.yaml but id is {entry.id}: rename the file")
                    if DEPARTMENTS.get(path.parent.name) != entry.department:
                        self._issue(
                            "error",
                            path,
                            1,
                            f"folder {path.parent.name} holds {DEPARTMENTS.get(path.parent.name)}, the entry says {entry.department}",
                        )
        for path in sorted(directory.glob("medicines/*.yaml")):
            for item, line in self._items(path):
                self._add("medicine", MedicineEntry, item, path, line, self.medicines, own)
        for path in sorted(directory.glob("lexicon/*.yaml")):
            for document in self._document(path):
                self.lexicon[path.stem] = document if own else merged(self.lexicon.get(path.stem), document)
                for problem in word_lists.problems(self.lexicon[path.stem]):
                    self._issue("error", path, 1, problem)
        for path in sorted(directory.glob("*.yaml")):
            for document in self._document(path):
                if path.stem == "medicine_classes":
                    for ident, item in document.items():
                        self._add_class(ident, item, path)
                else:
                    self.tables[path.stem] = document if own else merged(self.tables.get(path.stem), document)
        for path in sorted(directory.glob("rules/*.yaml")):
            for document in self._document(path):
                name = f"rules/{path.stem}"
                self.tables[name] = document if own else merged(self.tables.get(name), document)
        thin = directory / "thin.csv"
        if thin.is_file():
            with thin.open(encoding="utf-8", newline="") as stream:
                self.thin += [dict(row) for row in csv.DictReader(stream)]

    def _document(self, path: Path) -> Iterator[Any]:
        try:
            document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            self._issue("error", path, mark.line + 1 if mark else 1, f"not readable as YAML: {getattr(error, 'problem', error)}")
            return
        if document is not None:
            yield document

    def _items(self, path: Path) -> Iterator[tuple[Any, int]]:
        text = path.read_text(encoding="utf-8")
        try:
            node = yaml.compose(text, Loader=_Loader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            self._issue("error", path, mark.line + 1 if mark else 1, f"not readable as YAML: {getattr(error, 'problem', error)}")
            return
        if not isinstance(node, yaml.SequenceNode):
            self._issue("error", path, 1, "the file must be a list of entries, each starting with '- '")
            return
        for item, value in zip(yaml.load(text, Loader=_Loader), node.value, strict=True):
            yield item, value.start_mark.line + 1

    def _add(self, kind: str, model: type[Any], item: Any, path: Path, line: int, into: dict[str, Any], own: bool) -> Any:
        if not own and isinstance(item, dict) and "name" not in item and item.get("id") in into:
            # an overlay's entry without a name changes only what it names
            item = merged(into[item["id"]].model_dump(by_alias=True, exclude_unset=True), item)
        try:
            entry = model.model_validate(item)
        except ValidationError as error:
            for e in error.errors(include_url=False, include_input=True):
                place = ".".join(str(x) for x in e["loc"])
                shown = str(e.get("input"))[:60]
                label = item.get("id", "?") if isinstance(item, dict) else "?"
                self._issue("error", path, self._line(path, line, e["loc"]), f"{kind} {label}: {place}: {e['msg']} (got {shown})")
            return None
        if entry.id in into and own:
            other, other_line = self.where[(kind, entry.id)]
            self._issue("error", path, line, f"{kind} {entry.id} is defined twice; first in {other}:{other_line}: keep one")
            return None
        into[entry.id] = entry
        self.where[(kind, entry.id)] = (self._relative(path), line)
        return entry

    def _add_class(self, ident: str, item: Any, path: Path) -> None:
        line = next((n for n, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if text.startswith(f"{ident}:")), 1)
        if ident in self.classes and isinstance(item, dict) and "name" not in item:
            item = merged(self.classes[ident].model_dump(by_alias=True, exclude_unset=True), item)
        try:
            self.classes[ident] = MedicineClass.model_validate(item)
            self.where[("class", ident)] = (self._relative(path), line)
        except ValidationError as error:
            for e in error.errors(include_url=False):
                self._issue("error", path, line, f"class {ident}: {'.'.join(str(x) for x in e['loc'])}: {e['msg']}")

    def _line(self, path: Path, first: int, location: tuple[Any, ...]) -> int:
        """The line of the deepest key of `location` that can be found below `first`."""
        lines = path.read_text(encoding="utf-8").splitlines()
        line = first
        for part in location:
            if not isinstance(part, str):
                continue
            key = re.compile(rf"(?<!\w){re.escape(part)}:")
            line = next((number + 1 for number in range(line - 1, len(lines)) if key.search(lines[number])), line)
        return line

    def _relative(self, path: Path) -> str:
        for directory in self.directories:
            if path.is_relative_to(directory):
                return f"{directory.name}/{path.relative_to(directory).as_posix()}"
        return path.name

    def _issue(self, severity: str, path: Path | None, line: int, message: str) -> None:
        self.issues.append(Issue(severity, self._relative(path) if path else "content", line, message))

    def _at(self, severity: str, kind: str, ident: str, message: str) -> None:
        file, line = self.where.get((kind, ident), ("content", 1))
        self.issues.append(Issue(severity, file, line, message))

    # -- cross checks ----------------------------------------------------------------------------------------------

    def check(self) -> list[Issue]:
        """Cross-check everything; the issues in order of file."""
        self._check_findings()
        self._check_diseases()
        self._check_medicines()
        self._check_rules()
        self._check_thin()
        return sorted(self.issues, key=lambda issue: (issue.severity, issue.file, issue.line))

    def _check_findings(self) -> None:
        owners: dict[str, str] = {}
        for finding in self.findings.values():
            for name in (finding.name, *finding.aliases):
                key = name.strip().lower()
                other = owners.setdefault(key, finding.id)
                if other != finding.id:
                    self._at(
                        "error",
                        "finding",
                        finding.id,
                        f"name {name!r} of {finding.id} also belongs to {other}: keep it in one, or merge the two findings",
                    )
            for parent in finding.parents:
                if parent not in self.findings:
                    self._at("error", "finding", finding.id, f"{finding.id}: unknown parent {parent!r}{self._nearest(parent)}")
            for opposite in finding.opposites:
                if opposite not in self.findings:
                    self._at("warning", "finding", finding.id, f"{finding.id}: unknown opposite {opposite!r}{self._nearest(opposite)}")
            if finding.measurement and finding.measurement.name not in NAMES and finding.measurement.name not in CONTEXTUAL:
                self._at("error", "finding", finding.id, f"{finding.id}: unknown measurement {finding.measurement.name!r}")
        for finding in self.findings.values():
            seen: set[str] = set()
            queue = list(finding.parents)
            while queue:
                parent = queue.pop()
                if parent == finding.id:
                    self._at("error", "finding", finding.id, f"{finding.id} is its own ancestor: cut the circle of parents")
                    break
                if parent not in seen and parent in self.findings:
                    seen.add(parent)
                    queue += self.findings[parent].parents

    def _check_diseases(self) -> None:
        owners: dict[str, str] = {}
        flags: dict[str, str] = {}
        covered: dict[str, str] = {}
        for disease in self.diseases.values():
            ident = disease.id
            for name in (disease.name, *disease.aliases):
                other = owners.setdefault(name.strip().lower(), ident)
                if other != ident:
                    self._at("error", "disease", ident, f"name {name!r} of {ident} also belongs to {other}: keep it in one")
            for field in ("findings", "against", "risk_factors"):
                for finding in getattr(disease, field):
                    if finding not in self.findings:
                        self._at("error", "disease", ident, f"{ident}.{field}: unknown finding {finding!r}{self._nearest(finding)}")
            for exposure in disease.prior.by_exposure:
                if exposure not in self.findings:
                    self._at("error", "disease", ident, f"{ident}.prior.by_exposure: unknown finding {exposure!r}{self._nearest(exposure)}")
            sources = {source.id for source in disease.sources}
            for field in ("findings", "against", "risk_factors"):
                for finding, figure in getattr(disease, field).items():
                    if figure.source and figure.source != "estimate" and figure.source not in sources:
                        self._at(
                            "error",
                            "disease",
                            ident,
                            f"{ident}.{field}.{finding}: source {figure.source!r} is not among sources: list it, or leave it out (an estimate)",
                        )
            for other in disease.differential:
                if other not in self.diseases:
                    self._at("warning", "disease", ident, f"{ident}.differential: unknown disease {other!r}")
            for rule in disease.red_flags:
                if rule.id in flags:
                    self._at("error", "disease", ident, f"red flag {rule.id} is also defined in {flags[rule.id]}: rename one")
                flags[rule.id] = ident
                if rule.source not in sources and rule.source != "estimate":
                    self._at("error", "disease", ident, f"red flag {rule.id}: source {rule.source!r} is not among sources")
                try:
                    self.parse(rule.when)
                except conditions.ConditionError as error:
                    self._at("error", "disease", ident, f"red flag {rule.id}: {error}{self._nearest_in(str(error))}")
            for category in disease.covers:
                covered[category] = ident
            if len(disease.findings) < 5:
                self._at("warning", "disease", ident, f"{ident}: only {len(disease.findings)} findings: thin evidence")
            if not disease.sources:
                self._at("warning", "disease", ident, f"{ident}: no source named; all figures are estimates")

    def _check_medicines(self) -> None:
        owners: dict[str, str] = {}
        for medicine in self.medicines.values():
            for name in (medicine.name, *medicine.aliases):
                other = owners.setdefault(name.strip().lower(), medicine.id)
                if other != medicine.id:
                    self._at("error", "medicine", medicine.id, f"name {name!r} of {medicine.id} also belongs to {other}")
            for place, condition in medicine.conditions():
                try:
                    self.parse(condition)
                except conditions.ConditionError as error:
                    self._at("error", "medicine", medicine.id, f"{medicine.id}.{place}: {error}{self._nearest_in(str(error))}")
            if self.classes and medicine.drug_class not in self.classes:
                self._at(
                    "error",
                    "medicine",
                    medicine.id,
                    f"{medicine.id}: unknown class {medicine.drug_class!r}: add it to medicine_classes.yaml",
                )
            for name in medicine.groups:
                if name not in self.classes:
                    self._at("error", "medicine", medicine.id, f"{medicine.id}: unknown group {name!r}: add it to medicine_classes.yaml")
            for rule in medicine.interactions:
                if rule.with_ not in self.classes and rule.with_ not in self.medicines:
                    self._at("error", "medicine", medicine.id, f"{medicine.id}.{rule.id}: {rule.with_!r} is neither a class nor a medicine")
            for disease in medicine.named_diseases():
                if disease not in self.diseases:
                    self._at("warning", "medicine", medicine.id, f"{medicine.id}: unknown disease {disease!r}")

        for ident, group in self.classes.items():
            for doubt in group.doubts:
                try:
                    self.parse(doubt.when)
                except conditions.ConditionError as error:
                    self._at("error", "class", ident, f"{ident}.{doubt.id}: {error}{self._nearest_in(str(error))}")
            for rule in group.interactions:
                if rule.with_ not in self.classes and rule.with_ not in self.medicines:
                    self._at("error", "class", ident, f"{ident}.{rule.id}: {rule.with_!r} is neither a class nor a medicine")

    def _check_rules(self) -> None:
        for name, rows in self.tables.items():
            if name.startswith("rules/"):
                for row in rows:
                    for field in ("when", "unless"):
                        try:
                            if row.get(field):
                                self.parse(row[field])
                        except conditions.ConditionError as error:
                            self.issues.append(
                                Issue("error", f"content/{name}.yaml", 1, f"rule {row.get('id')}: {error}{self._nearest_in(str(error))}")
                            )
                    if row.get("disease") and row["disease"] not in self.diseases:
                        self.issues.append(
                            Issue("error", f"content/{name}.yaml", 1, f"rule {row.get('id')}: unknown disease {row['disease']!r}")
                        )

    def _check_thin(self) -> None:
        seen: set[str] = set()
        for number, row in enumerate(self.thin, start=2):
            code = row.get("code", "")
            if code in seen:
                self.issues.append(Issue("error", "content/thin.csv", number, f"category {code} stands twice: keep one line"))
            seen.add(code)
            if not row.get("name"):
                self.issues.append(Issue("error", "content/thin.csv", number, f"category {code} has no name"))

    def parse(self, text: str) -> conditions.Condition:
        """Parse a condition against the ids of this content (unknown diseases and medicines are refused)."""
        return conditions.parse(
            text,
            findings=lambda name: name in self.findings,
            medicines=lambda name: name in self.medicines or name in self.classes or not self.medicines,
            diseases=lambda name: name in self.diseases,
        )

    def _nearest(self, name: str) -> str:
        from rapidfuzz import process

        near = [match[0] for match in process.extract(name, list(self.findings), limit=3, score_cutoff=70)]
        return f"; nearest: {', '.join(near)}" if near else "; add it to a findings file"

    def _nearest_in(self, message: str) -> str:
        return self._nearest(message.split("'")[1]) if "unknown finding" in message else ""

    # -- compiling -------------------------------------------------------------------------------------------------

    def compile(self) -> dict[str, Any]:
        """The compiled knowledge as plain data; its `version` is the hash of all the rest."""
        by_file: dict[str, Any] = {
            "format": FORMAT,
            "findings": {ident: entry.model_dump(exclude_none=True) for ident, entry in sorted(self.findings.items())},
            "diseases": {ident: entry.model_dump(exclude_none=True, by_alias=True) for ident, entry in sorted(self.diseases.items())},
            "medicines": {ident: self._with_class(entry) for ident, entry in sorted(self.medicines.items())},
            "medicine_classes": {
                ident: {"name": group.name, "repeatable": group.repeatable} for ident, group in sorted(self.classes.items())
            },
            "thin": self._thin_rows(covered=False),
            "covered": self._thin_rows(covered=True),
            "lexicon": self.lexicon,
            "tables": self.tables,
        }
        version = hashlib.sha256(orjson.dumps(by_file, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
        return {"version": version, **by_file}

    def _with_class(self, entry: MedicineEntry) -> dict[str, Any]:
        """A medicine with the rules of its class, of its groups and of what it contains, so that serving reads one list."""
        compiled = entry.model_dump(exclude_none=True)
        contained = [self.medicines[i] for i in entry.ingredients if i in self.medicines and i != entry.id]
        sources: list[MedicineEntry | MedicineClass] = [
            self.classes[name]
            for medicine in (entry, *contained)
            for name in (medicine.drug_class, *medicine.groups)
            if name in self.classes
        ]
        sources += contained
        for key in ("doubts", "interactions", "allergy_classes"):
            compiled[key] = list(compiled[key])
        for source in sources:
            compiled["doubts"] += [doubt.model_dump(exclude_none=True) for doubt in source.doubts]
            compiled["interactions"] += [rule.model_dump(exclude_none=True) for rule in source.interactions]
            compiled["allergy_classes"] += source.allergy_classes
        for key in ("doubts", "interactions"):
            rules = {rule["id"]: rule for rule in reversed(compiled[key])}
            compiled[key] = [rule for ident, rule in reversed(rules.items()) if ident not in entry.except_rules]
        compiled["allergy_classes"] = list(dict.fromkeys(compiled["allergy_classes"]))
        compiled["groups"] = list(dict.fromkeys(g for medicine in (entry, *contained) for g in (medicine.drug_class, *medicine.groups)))
        return compiled

    def _thin_rows(self, *, covered: bool) -> list[dict[str, Any]]:
        """The categories that some full entry covers (names of what it shows another code for), or those that stand for themselves."""
        taken = {category for disease in self.diseases.values() for category in disease.covers}
        return [
            {
                "code": row["code"],
                "name": row["name"],
                "aliases": [a for a in (row.get("aliases") or "").split("|") if a],
                "chapter": row.get("chapter", ""),
                "department": row.get("department", ""),
            }
            for row in self.thin
            if (row["code"] in taken) == covered
        ]


def coverage(content: Content) -> dict[str, Any]:
    """How far the content reaches: counts by department and chapter, findings without a disease, thin evidence."""
    used: dict[str, int] = defaultdict(int)
    for disease in content.diseases.values():
        for finding in (*disease.findings, *disease.against, *disease.risk_factors):
            used[finding] += 1
    parents = {parent for finding in content.findings.values() for parent in finding.parents}
    by_department: dict[str, int] = defaultdict(int)
    by_chapter: dict[str, int] = defaultdict(int)
    for disease in content.diseases.values():
        by_department[disease.department] += 1
        by_chapter[disease.icd10[0][0]] += 1
    return {
        "diseases": len(content.diseases),
        "must_not_miss": sum(d.must_not_miss for d in content.diseases.values()),
        "reviewed_must_not_miss": sum(d.must_not_miss and d.review.state == "reviewed" for d in content.diseases.values()),
        "findings": len(content.findings),
        "finding_names": sum(1 + len(f.aliases) for f in content.findings.values()),
        "medicines": len(content.medicines),
        "red_flags": sum(len(d.red_flags) for d in content.diseases.values()),
        "thin_categories": len(content.thin),
        "by_department": dict(sorted(by_department.items())),
        "by_icd10_letter": dict(sorted(by_chapter.items())),
        "notifiable": sorted(d.id for d in content.diseases.values() if d.notifiable),
        "findings_without_disease": sorted(f for f in content.findings if not used[f] and f not in parents),
        "thin_evidence": sorted(d.id for d in content.diseases.values() if len(d.findings) < 6),
        "unsourced": sorted(d.id for d in content.diseases.values() if not d.sources),
    }


def build(directories: tuple[Path, ...] = (CONTENT,), out: Path = COMPILED) -> dict[str, Any]:
    """Check and compile `directories` into `out`.

    Raises:
        SystemExit: where the content has errors; every one has been printed.
    """
    content = Content(directories)
    issues = content.check()
    errors = [issue for issue in issues if issue.severity == "error"]
    for issue in errors:
        print(issue, file=sys.stderr)
    if errors:
        raise SystemExit(f"{len(errors)} errors in the knowledge base; nothing was built")
    compiled = content.compile()
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_suffix(".tmp")
    temporary.write_bytes(orjson.dumps(compiled))
    temporary.replace(out)
    return compiled


if __name__ == "__main__":
    done = build()
    print(
        f"knowledge {done['version']}: {len(done['diseases'])} diseases, {len(done['findings'])} findings, {len(done['medicines'])} medicines"
    )
