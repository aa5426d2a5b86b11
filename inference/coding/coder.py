"""Diagnosis and procedure texts to codes, over the imported table or the knowledge base's own codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data_contracts.coding import CodeAnswer, CodeChoice, CodedPart, CodeRequest
from data_contracts.coding import CodeTable as TableReference
from data_contracts.spans import Span
from inference.coding.features import CandidateFinder, Candidates
from inference.coding.memory import CodingMemory
from inference.coding.pairs import JUDGED, JUDGED_OF_MENTION, PairJudge
from inference.coding.ranker import Looks, choose, judge
from inference.coding.tables import CodeTable, build_table, load_table
from inference.coding.text import Part, fold, name_hash, split

if TYPE_CHECKING:
    from models.bundle import Bundle

OWN_TABLE_NAME = "杏林知识库"
ALIAS = 0.97
"""Probability of a code whose name or alias is written word for word."""


class Coder:
    """Answers ``code``; opens a system's table and memory when first asked for it."""

    def __init__(
        self,
        bundle: Bundle,
        state: Path,
        own_rows: Mapping[str, Sequence[tuple[str, str]]],
        own_aliases: Mapping[str, Sequence[tuple[str, str]]],
        knowledge_version: str,
    ) -> None:
        """Bind the coder.

        Args:
            bundle: the released coder.
            state: folder of imported tables.
            own_rows: by system, the knowledge base's (code, name) pairs.
            own_aliases: by system, its (code, alias) pairs.
            knowledge_version: the edition of answers out of the knowledge base.
        """
        self._bundle = bundle
        self._state = state
        self._own_rows = own_rows
        self._own_aliases = own_aliases
        self._knowledge_version = knowledge_version
        self._pairs: PairJudge | None = None
        self._finders: dict[str, tuple[float, CandidateFinder]] = {}

    def _stamp(self, system: str) -> float:
        """When the system's table was imported; a new import is seen without a restart."""
        described = self._state / "tables" / f"{system}.json"
        return described.stat().st_mtime_ns if described.is_file() else 0.0

    def _table(self, system: str) -> CodeTable | None:
        table = load_table(self._state, system)
        if table is None and self._own_rows.get(system):
            rows, aliases = self._own_rows[system], self._own_aliases.get(system, ())
            return build_table(system, OWN_TABLE_NAME, self._knowledge_version, rows, aliases)
        return table

    def _finder(self, system: str) -> CandidateFinder | None:
        stamp = self._stamp(system)
        known = self._finders.get(system)
        if known is None or known[0] != stamp:
            table = self._table(system)
            if table is None:
                return None
            with np.load(self._bundle.file(f"memory_{system}.npz"), allow_pickle=False) as arrays:
                memory = CodingMemory.restore(dict(arrays))
            known = self._finders[system] = (stamp, CandidateFinder(table, memory.bind(table)))
        return known[1]

    def _looks(self, system: str) -> Looks:
        """The system's rankers and the network that both systems share; sessions open when first asked for."""
        first, paired, second = (self._bundle.session(f"{system}_{look}.onnx") for look in ("first", "paired", "second"))
        if self._pairs is None:
            self._pairs = PairJudge.of(self._bundle)
        return Looks(first, paired, second, self._pairs)

    def code(self, items: Iterable[CodeRequest]) -> list[CodeAnswer]:
        """Codes of each text, in order; a system without any table answers no codes."""
        return [self._code_one(item, JUDGED) for item in items]

    def code_mention(self, item: CodeRequest) -> CodeAnswer:
        """Codes of a mention in a record: the row whose name or alias it is word for word, else the best of a few candidates."""
        finder = self._finder(item.system)
        if finder is None:
            return CodeAnswer(id=item.id, codes=())
        table = finder.table
        row = _row_named(table, fold(item.text))
        if row is None:
            return self._code_one(item, JUDGED_OF_MENTION)
        named = CodeChoice(code=table.codes[row], name=table.names[row], probability=ALIAS)
        part = CodedPart(
            part=item.text,
            span=Span(section=None, start=0, end=len(item.text), text=item.text),
            code=named.code,
            name=named.name,
            probability=ALIAS,
            alternatives=(named,),
            table=TableReference(name=table.name, edition=table.edition),
        )
        return CodeAnswer(id=item.id, codes=(part,))

    def _code_one(self, item: CodeRequest, judged: int) -> CodeAnswer:
        finder = self._finder(item.system)
        if finder is None:
            return CodeAnswer(id=item.id, codes=())
        table = finder.table
        parts = split(item.text, table.is_name)
        if not parts:
            return CodeAnswer(id=item.id, codes=())
        candidates = finder.find(item.text, parts)
        probabilities = judge(self._looks(item.system), finder, item.text, candidates, judged)
        if len(table.surfaces) > len(table.names):
            _heed_aliases(table, parts, candidates, probabilities)
        limits = self._bundle.manifest["thresholds"][item.system]
        reference = TableReference(name=table.name, edition=table.edition)

        def choice_of(candidate: int) -> CodeChoice:
            row = int(candidates.targets[candidate])
            return CodeChoice(code=table.codes[row], name=table.names[row], probability=round(float(probabilities[candidate]), 4))

        coded: list[CodedPart] = []
        for chosen in choose(candidates, probabilities, limits["choose"], limits["rescue"]):
            part, best = parts[chosen.part], choice_of(chosen.candidate)
            coded.append(
                CodedPart(
                    part=part.text,
                    span=Span(section=None, start=part.start, end=part.end, text=item.text[part.start : part.end]),
                    code=best.code,
                    name=best.name,
                    probability=best.probability,
                    alternatives=tuple(choice_of(other) for other in chosen.alternatives),
                    table=reference,
                )
            )
        return CodeAnswer(id=item.id, codes=tuple(coded))


def _heed_aliases(table: CodeTable, parts: Sequence[Part], candidates: Candidates, probabilities: NDArray[np.float64]) -> None:
    """A part that is an alias word for word means its code, whatever the models say: they were taught names, not these aliases."""
    rows = {int(target): i for i, target in enumerate(candidates.targets)}
    for place, part in enumerate(parts):
        target = _row_named(table, fold(part.text))
        if target is not None and target in rows:
            candidates.part[rows[target]] = place
            probabilities[rows[target]] = max(float(probabilities[rows[target]]), ALIAS)


def _row_named(table: CodeTable, folded: str) -> int | None:
    """The row that has a folded text as its name or alias, with or without 术 at its end."""
    spellings = (name_hash(said) for said in (folded, folded.removesuffix("术"), folded + "术"))
    return next((table.by_hash[said] for said in spellings if said in table.by_hash), None)
