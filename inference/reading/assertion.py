"""Assertion by rules: is it so, of whom, and which word says so.

ConText over cues that are data (`lexicon/assertion.yaml`), with the turns of Chinese records: the ideographic comma never
ends a list, the comma ends 无 but not 否认…史, colon tables, (+)/(−), double negation, chronic disease that is present
although it is history. Each decision says whether the rule is certain, so that a learned classifier may be overridden only
there, and `scope_features` gives that classifier what the rules saw.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_contracts.structure import Assertion
from inference.reading.dialogue import Answered, DialogueReader, answer_at
from inference.reading.subjects import Subject, SubjectFinder, subject_at
from inference.reading.trie import Trie
from knowledge_base.word_lists import WordLists

CUE_CLASSES = ("absent", "possible", "historical", "conditional", "present", "pseudo", "resolved", "anchor", "other_person", "family")
SECTIONS = (
    "chief_complaint",
    "present_illness",
    "past_history",
    "personal_history",
    "family_history",
    "allergy_history",
    "obstetric_history",
    "physical_exam",
    "auxiliary_exam",
    "treatment",
    "diagnosis",
)
FEATURE_NAMES: tuple[str, ...] = (
    *(f"{side}_{name}" for name in CUE_CLASSES for side in ("forward", "backward")),
    *(f"{side}_{name}_blocked" for name in CUE_CLASSES for side in ("forward", "backward")),
    "subject_family",
    "subject_other_person",
    "chronic",
    *(f"section_{name}" for name in SECTIONS),
    *(f"rule_{name}" for name in ("present", "absent", "possible", "family", "historical", "conditional", "other_person")),
    "rule_certain",
)
"""Names of the columns of `scope_features`."""
EVENT_OVER = "event_over"
"""The rule of a deed that years have passed since."""

_LABELS: tuple[Assertion, ...] = ("present", "absent", "possible", "family", "historical", "conditional", "other_person")
_CLAUSE = 200
"""Characters on either side of a mention that its clause may reach."""
_CLINICAL = frozenset({"symptom", "sign", "disease"})
_DIAGNOSTIC = frozenset({"disease"})
_DURATION_AFTER = re.compile(
    r"[^，。；;\n、]{0,4}?(?:\d+|[一二两三四五六七八九十半数]+)\s?(?:余|多|来)?\s?(?:个)?(?:年|月|周|天|日|小时)(?!前)"
)
_YEARS_AGO = re.compile(
    r"(?:\d+|[一二两三四五六七八九十数]+)(?:余|多)?(?:个)?(?:年|月)前|(?:\d+|[一二三四五六七八九十半]+)(?:岁|个?月)(?:时|患|因)|(?:19|20)\d{2}年"
)
_HALF_A_YEAR_AGO = re.compile("半年(?:多|余)?前")
_CLOSES_CLAUSE = re.compile(r"\s*(?:$|[，,。；;、\n\s)|])")
_ASKED_BEHIND = re.compile(r"\s?(?:吗|么|没(?:有)?(?=[？?，,。\s]|$)|[？?])")
_THRESHOLD = re.compile(r"(?:超过|大于|高于|>|≥)=?\s?\d+(?:\.\d+)?\s?(?:℃|度|°c)?(?:以上)?")
_SEARCH_LIMIT = 120
_BACKWARD_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Mention:
    """What is to be judged: its place in the folded text and its type.

    One that is not `whole` was put together from words apart (痛，腮腺炎可能，睾丸): what stands inside it still speaks of others.
    """

    start: int
    end: int
    type: str = "symptom"
    chronic: bool | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """The label of a mention, the cue that decided it (offsets), and whether the rule is certain."""

    label: Assertion
    cue: tuple[int, int] | None = None
    certain: bool = False
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class _Cue:
    id: str
    kind: str
    direction: str
    reach: str
    ends_clause: bool = False
    needs_near: tuple[str, ...] = ()
    starts_clause: bool = False
    closes_clause: bool = False
    needs_action: tuple[str, ...] = ()
    of_complaints: bool = True


@dataclass(frozen=True, slots=True)
class _Found:
    start: int
    end: int
    cue: _Cue


@dataclass(slots=True)
class _Page:
    """One text with everything found in it, cues in order of place."""

    text: str
    forward: list[_Found]
    backward: list[_Found]
    forward_ends: list[int]
    backward_starts: list[int]
    terminators: list[int]
    sentence_ends: list[int]
    commas: list[int]
    subjects: list[Subject]
    mentions: list[tuple[int, int]]
    mention_starts: list[int]
    clinical_starts: list[int]
    answers: list[Answered]

    def any_between(self, places: list[int], low: int, high: int) -> bool:
        """Whether a place lies in `[low, high)`."""
        index = bisect_left(places, low)
        return index < len(places) and places[index] < high

    def inside_mention(self, start: int, end: int) -> bool:
        """Whether a stretch overlaps a mention."""
        index = bisect_right(self.mention_starts, start) - 1
        if index >= 0 and self.mentions[index][1] > start:
            return True
        return index + 1 < len(self.mentions) and self.mentions[index + 1][0] < end


def _cue(row: Mapping[str, Any]) -> _Cue:
    """A cue from its row of the lexicon."""
    return _Cue(
        row["id"],
        row["class"],
        row["direction"],
        row["reach"],
        row.get("ends_clause", False),
        tuple(row.get("needs_near", ())),
        row.get("starts_clause", False),
        row.get("closes_clause", False),
        tuple(row.get("needs_action", ())),
        row.get("of_complaints", True),
    )


class AssertionRules:
    """Judges mentions by cues, sections and subjects."""

    def __init__(self, lexicon: Mapping[str, Any]) -> None:
        """Take the lexicon: `assertion`, `terminators`, `turns`, `chronic`, `relatives`."""
        cues = lexicon["assertion"]
        ends = lexicon["terminators"]
        forward: dict[str, tuple[_Cue, ...]] = {}
        backward: dict[str, tuple[_Cue, ...]] = {}
        pseudo: set[str] = set()
        for row in sorted(cues["cues"], key=lambda item: item["class"] != "pseudo"):
            if not row.get("enabled", True):
                continue
            cue = _cue(row)
            for word in row["words"]:
                if cue.kind == "pseudo":
                    forward[word] = backward[word] = (cue,)
                    pseudo.add(word)
                elif word not in pseudo and cue.direction == "forward":
                    forward[word] = (*forward.get(word, ()), cue)
                elif word not in pseudo and cue.reach != "immediate":
                    backward[word] = (*backward.get(word, ()), cue)
        self._forward: Trie[tuple[_Cue, ...]] = Trie(forward)
        self._backward: Trie[tuple[_Cue, ...]] = Trie(backward)
        self._immediate: dict[str, list[tuple[str, _Cue]]] = {}
        for row in cues["cues"]:
            if row["reach"] == "immediate" and row.get("enabled", True):
                cue = _cue(row)
                for word in sorted(row["words"], key=len, reverse=True):
                    self._immediate.setdefault(word[0], []).append((word, cue))
        self._terminators: Trie[bool] = Trie({**dict.fromkeys(ends["inside"], False), **dict.fromkeys(ends["forward"], True)})
        self._sentence_ends = frozenset(ends["sentence_ends"])
        self._commas = frozenset(ends["commas"])
        self._degrees = frozenset(ends["degrees"])
        self._take_turns(WordLists(lexicon["turns"]))
        chronic = lexicon["chronic"]
        self._chronic = re.compile("|".join(map(re.escape, chronic["words"])))
        self._not_chronic = re.compile("|".join(map(re.escape, chronic["not_chronic"])))
        self.subjects = SubjectFinder(lexicon["relatives"])

    def _take_turns(self, turns: WordLists) -> None:
        """Compile the lists of `lexicon/turns.yaml`."""
        self._join, self._bare_break, self._ongoing = turns.compiled("join"), turns.compiled("bare_break"), turns.compiled("ongoing")
        self._repeated, self._taken_up, self._own = turns.compiled("repeated"), turns.compiled("taken_up"), turns.compiled("own")
        self._symptom_search, self._doubt_inside = turns.compiled("symptom_search"), turns.compiled("doubt_inside")
        self._told, self._of_now = turns.compiled("told"), turns.compiled("of_now")
        self._not_cured, self._back_to_now, self._cause_after = (
            turns.compiled("not_cured"),
            turns.compiled("back_to_now"),
            turns.compiled("cause_after"),
        )
        self._dialogue = DialogueReader(turns)
        self._same_thing = turns.compiled("same_thing")
        self._shunned, self._events = turns.compiled("shunned"), turns.compiled("events")
        self._cured_by_surgery = turns.compiled("cured_by_surgery")
        self._tells_on = re.compile(rf"[，,]{turns.any_of('tells_on')}")
        self._action = re.compile(rf"[，,]\s*{turns.any_of('action')}")
        self._to_be_done = re.compile(rf"{turns.any_of('to_be_done')}[^。；;\n]{{0,20}}$")
        self._asked = re.compile(rf"{turns.any_of('asked')}$")
        self._names_disease = re.compile(rf"{turns.any_of('names_disease')}$")
        self._relieved = re.compile(rf"[^，。；]{{0,12}}(?:，|,)?(?:可|能|后|稍)?{turns.any_of('relieved')}")
        self._may_come = re.compile(rf"[^，。；\n]{{0,30}}{turns.any_of('may_come')}")
        self._when = re.compile(rf"时(?!{turns.any_of('not_when')})")
        self._operated = re.compile(
            rf"[\"”’]?[^，。；;\n]{{0,6}}(?:行|做|于[^，。；;\n]{{0,8}}行)[^，。；;\n]{{0,20}}{turns.any_of('operation')}"
        )
        self._cure_told = re.compile(rf"[，,]{turns.any_of('cure_told')}")
        self._bare_denial, self._stated = frozenset(turns.words("bare_denial")), frozenset(turns.words("stated"))
        self._doubts_cause, self._seeks_cause = frozenset(turns.words("doubts_cause")), frozenset(turns.words("seeks_cause"))
        self._named_over = frozenset(turns.words("named_over"))

    # -- the interface ---------------------------------------------------------------------------------------------

    def __call__(
        self, text: str, mentions: Sequence[Mention], section: str | None = None, subjects: list[Subject] | None = None
    ) -> list[Decision]:
        """One decision per mention of folded text; `section` is the part of the record that the text is."""
        page = self._page(text, mentions, subjects)
        return [self._judge(page, mention, section) for mention in mentions]

    def scope_features(
        self, text: str, mentions: Sequence[Mention], section: str | None = None, subjects: list[Subject] | None = None
    ) -> NDArray[np.float32]:
        """What the rules see round each mention, as numbers for a classifier: shape `(len(mentions), len(FEATURE_NAMES))`."""
        page = self._page(text, mentions, subjects)
        rows = np.zeros((len(mentions), len(FEATURE_NAMES)), dtype=np.float32)
        index = {name: place for place, name in enumerate(FEATURE_NAMES)}
        for row, mention in zip(rows, mentions, strict=True):
            low, high = self._sentence(page, mention.start)
            for found in page.forward:
                if low <= found.start and found.end <= mention.start:
                    column = index[f"forward_{found.cue.kind}"]
                    row[column] = max(row[column], 1.0 / (1 + mention.start - found.end))
                    if page.any_between(page.terminators, found.end, mention.start) or page.any_between(
                        page.commas, found.end, mention.start
                    ):
                        row[index[f"forward_{found.cue.kind}_blocked"]] = 1.0
            for found in page.backward:
                if mention.end <= found.start and found.end <= high:
                    column = index[f"backward_{found.cue.kind}"]
                    row[column] = max(row[column], 1.0 / (1 + found.start - mention.end))
                    if page.any_between(page.commas, mention.end, found.start):
                        row[index[f"backward_{found.cue.kind}_blocked"]] = 1.0
            subject = subject_at(page.subjects, mention.start)
            if subject is not None:
                row[index[f"subject_{subject.kind}"]] = 1.0
            row[index["chronic"]] = float(self._is_chronic(page, mention))
            if section in SECTIONS:
                row[index[f"section_{section}"]] = 1.0
            decision = self._judge(page, mention, section)
            row[index[f"rule_{decision.label}"]] = 1.0
            row[index["rule_certain"]] = float(decision.certain)
        return rows

    # -- finding ---------------------------------------------------------------------------------------------------

    def _page(self, text: str, mentions: Sequence[Mention], subjects: list[Subject] | None) -> _Page:
        places = sorted({(mention.start, mention.end) for mention in mentions if mention.whole})
        page = _Page(
            text, [], [], [], [], [],
            [i for i, c in enumerate(text) if c in self._sentence_ends],
            [i for i, c in enumerate(text) if c in self._commas],
            subjects if subjects is not None else self.subjects(text), places, [start for start, _ in places],
            sorted({mention.start for mention in mentions if mention.whole and mention.type in _CLINICAL}), self._dialogue(text),
        )  # fmt: skip
        page.forward = self._cues(page, self._forward)
        page.backward = self._cues(page, self._backward)
        page.forward_ends = [found.end for found in page.forward]
        page.backward_starts = [found.start for found in page.backward]
        page.terminators = [
            start
            for start, end, ends in self._terminators.find(text)
            if ends and not page.inside_mention(start, end) and not self._in_cue(page, start, end)
        ]
        return page

    def _cues(self, page: _Page, trie: Trie[tuple[_Cue, ...]]) -> list[_Found]:
        """The cues of one direction; one that runs into a mention is cut back to what stands before it (无尿|频)."""
        cues: list[_Found] = []
        text, length = page.text, len(page.text)
        position = mention = 0
        while position < length:
            while mention < len(page.mentions) and page.mentions[mention][1] <= position:
                mention += 1
            following = page.mentions[mention] if mention < len(page.mentions) else (length, length)
            if following[0] <= position:
                position = following[1]
                continue
            hit = trie.longest_at(text, position)
            if hit is not None and hit[0] > following[0]:
                hit = trie.longest_at(text[: following[0]], position)
            if hit is None:
                position += 1
                continue
            cues += [_Found(position, hit[0], cue) for cue in hit[1] if cue.kind != "pseudo"]
            position = hit[0]
        return cues

    def _in_cue(self, page: _Page, start: int, end: int) -> bool:
        index = bisect_left(page.forward_ends, end)
        return (
            index < len(page.forward)
            and page.forward[index].start <= start
            and page.forward[index].cue.kind in ("absent", "historical", "possible")
        )

    def _sentence(self, page: _Page, position: int) -> tuple[int, int]:
        index = bisect_left(page.sentence_ends, position)
        low = page.sentence_ends[index - 1] + 1 if index else 0
        high = page.sentence_ends[index] if index < len(page.sentence_ends) else len(page.text)
        return low, high

    def _clause(self, page: _Page, position: int) -> tuple[int, int]:
        low, high = self._sentence(page, position)
        index = bisect_left(page.commas, position)
        if index and page.commas[index - 1] >= low:
            low = page.commas[index - 1] + 1
        if index < len(page.commas) and page.commas[index] < high:
            high = page.commas[index]
        # no clause is longer; without a bound a page without punctuation takes the square of its length
        return max(low, position - _CLAUSE), min(high, position + _CLAUSE)

    def _is_chronic(self, page: _Page, mention: Mention) -> bool:
        if mention.chronic is not None:
            return mention.chronic
        words = page.text[mention.start : mention.end]
        return bool(self._chronic.search(words)) and not self._not_chronic.search(words)

    # -- judging ---------------------------------------------------------------------------------------------------

    def _judge(self, page: _Page, mention: Mention, section: str | None) -> Decision:
        answer = answer_at(page.answers, mention.start) if page.answers and mention.type in _CLINICAL else None
        if answer is not None:
            chronic_now = answer.label == "historical" and not answer.cured and self._is_chronic(page, mention)
            return Decision("present" if chronic_now else answer.label, (answer.cue_start, answer.cue_end), False, "answer")
        after = self._immediately_after(page, mention)
        if after is not None and after[1].kind == "present" and page.text[after[0][0]] in "(+:阳弱可":
            return Decision("present", after[0], page.text[after[0][0]] in "(+", after[1].id)
        forward = self._forward_hits(page, mention)
        backward = self._backward_hits(page, mention)
        conditional = self._first(forward, "conditional") or self._first(backward, "conditional")
        if conditional is not None and conditional.cue.id == "warn" and mention.type not in _CLINICAL:
            conditional = None
        if section == "treatment" and mention.type in _CLINICAL and self._when.match(page.text, mention.end) and not forward:
            return Decision("conditional", (mention.end, mention.end + 1), False, "when")
        if conditional is not None:
            return Decision("conditional", (conditional.start, conditional.end), conditional.cue.reach == "sentence", conditional.cue.id)
        if after is not None:
            return Decision("absent" if after[1].kind == "absent" else "present", after[0], after[1].kind == "absent", after[1].id)
        double = self._first(forward, "present")
        absent = self._first(forward, "absent")
        if double is not None and (absent is None or absent.end <= double.end):
            return Decision("present", (double.start, double.end), True, double.cue.id)
        warned = self._warned_of(page, mention) if absent is None else None
        if warned is not None:
            return Decision("conditional", warned, False, "told_beforehand")
        possible = self._possible(page, mention, forward, backward)
        if (
            mention.type in _DIAGNOSTIC
            and possible is None
            and absent is None
            and self._doubt_inside.search(page.text, mention.start, mention.end)
        ):
            return Decision("possible", None, True, "inside")
        if (
            absent is not None
            and absent.cue.id == "ruled_out"
            and self._to_be_done.search(page.text, max(0, absent.start - 24), absent.start)
        ):
            return Decision("possible", (absent.start, absent.end), False, "to_be_ruled_out")
        if absent is not None and not self._doubt_wins(mention, absent, possible):
            certain = absent.cue.id == "deny" or mention.start - absent.end <= 2
            return Decision("absent", (absent.start, absent.end), certain, absent.cue.id)
        absent_after = self._first(backward, "absent")
        if absent_after is not None and (possible is None or possible.cue.direction == "forward" or possible.start < absent_after.start):
            return Decision("absent", (absent_after.start, absent_after.end), absent_after.start - mention.end <= 1, absent_after.cue.id)
        person = self._person(page, mention, section, after, backward)
        if person is not None and not self._doubt_of_patient(page, mention, section, person, possible):
            return person
        past = self._historical(page, mention, section, forward, backward)
        if possible is not None and (past is None or past.rule != "resolved"):
            return Decision("possible", (possible.start, possible.end), False, possible.cue.id)
        return past if past is not None else Decision("present")

    def _doubt_of_patient(self, page: _Page, mention: Mention, section: str | None, person: Decision, possible: _Found | None) -> bool:
        """室友有红眼病，分泌物多，结膜炎？ — a diagnosis doubted in a later clause than its relative is the patient's."""
        if possible is None or possible.cue.direction == "forward" or person.rule != "subject" or person.cue is None:
            return False
        return section != "family_history" and page.any_between(page.commas, person.cue[1], mention.start)

    def _warned_of(self, page: _Page, mention: Mention) -> tuple[int, int] | None:
        """告知家属：术后有出血、感染可能 — what one is told may come is not there."""
        if mention.type not in _CLINICAL:
            return None
        low, high = self._sentence(page, mention.start)
        told = self._told.search(page.text, low, mention.start)
        if told is None or self._of_now.search(page.text, told.end(), mention.start):
            return None
        return told.span() if self._may_come.match(page.text, mention.end, high) else None

    def _doubt_wins(self, mention: Mention, absent: _Found, possible: _Found | None) -> bool:
        """Whether a possible cue stands nearer than the negation, or doubts a diagnosis that the negation only reaches from afar."""
        if possible is None:
            return False
        if possible.cue.direction == "forward":
            return possible.start >= absent.start
        return mention.type in _DIAGNOSTIC and absent.cue.id == "none" and absent.end < mention.start - 12

    def _immediately_after(self, page: _Page, mention: Mention) -> tuple[tuple[int, int], _Cue] | None:
        """A sign or word right after the mention, over a colon, bracket or space."""
        after = self._directly_after(page, mention, mention.end)
        if after is None and page.inside_mention(mention.end, mention.end + 1):
            # 自杀|想法没有: what denies the longer name denies the word that begins it
            longest = bisect_right(page.mentions, (mention.start, len(page.text))) - 1
            start, end = page.mentions[longest]
            if longest >= 0 and start == mention.start and self._same_thing.fullmatch(page.text, mention.end, end):
                after = self._directly_after(page, mention, end)
                after = after if after is not None and after[1].kind == "absent" else None
        return after

    def _directly_after(self, page: _Page, mention: Mention, behind: int) -> tuple[tuple[int, int], _Cue] | None:
        text, position = page.text, behind
        colon = False
        while position < len(text) and position - behind < 3 and text[position] in ': "”’|':
            colon = colon or text[position] in ":|"
            position += 1
        for start in (behind, position) if colon else (position,):
            if start >= len(text):
                continue
            for word, cue in self._immediate.get(text[start], ()):
                if not text.startswith(word, start) or cue.kind not in ("absent", "present"):
                    continue
                end = start + len(word)
                if cue.ends_clause and word[0] != "(" and not _CLOSES_CLAUSE.match(text, end):
                    continue
                if cue.ends_clause and start == behind and word[0] not in "(" and not colon and word not in self._bare_denial:
                    continue
                if word in self._stated and self._negator_close(page, mention):
                    continue
                if word[0] in "+-" and start != behind and not colon:
                    continue
                if word[0] == "+" and (text[end : end + 1].isdigit() or "一" <= text[end : end + 1] <= "鿿"):
                    continue
                return (start, end), cue
        return None

    def _negator_close(self, page: _Page, mention: Mention) -> bool:
        low, _ = self._clause(page, mention.start)
        return any(found.cue.kind == "absent" and low <= found.start and found.end <= mention.start for found in page.forward)

    def _forward_hits(self, page: _Page, mention: Mention) -> list[_Found]:
        """Forward cues whose scope reaches the mention, nearest first."""
        low, _ = self._sentence(page, mention.start)
        low = max(low, mention.start - _SEARCH_LIMIT)
        hits: list[_Found] = []
        # 否认近期|手术 before the finding 近期手术: a cue may end within the mention, not begin there
        index = bisect_right(page.forward_ends, mention.end) - 1
        while index >= 0 and page.forward[index].start >= low:
            found = page.forward[index]
            index -= 1
            if found.start < mention.start and self._reaches_forward(page, found, mention):
                hits.append(found)
        return hits

    def _runs_on(self, page: _Page, found: _Found, mention: Mention) -> bool:
        """不恶心呕吐，不头晕头痛。 — of two complaints told in one breath and closed by a comma, 不 denies both."""
        if found.cue.id != "not" or mention.type not in _CLINICAL or not _CLOSES_CLAUSE.match(page.text, mention.end):
            return False
        return mention.start - found.end >= 2 and (found.end, mention.start) in page.mentions and found.end in page.clinical_starts

    def _reaches_forward(self, page: _Page, found: _Found, mention: Mention) -> bool:
        between = page.text[found.end : mention.start]
        reach = found.cue.reach
        if not found.cue.of_complaints and mention.type in ("symptom", "sign"):
            return False  # 不吃抗凝药 denies the medicine, 不吃，呕吐 nothing
        if reach == "adjacent":
            return not between.strip() or between.strip() in self._degrees or self._runs_on(page, found, mention)
        if found.cue.starts_clause and not self._opens_warning(page, found):
            return False
        if reach == "sentence":
            action = self._action.search(page.text, found.end, mention.start)
            return action is None
        if found.cue.kind in ("historical", "anchor"):
            return not page.any_between(page.commas, found.end, mention.start) and not self._back_to_now.search(between)
        if page.any_between(page.terminators, found.end, mention.start):
            first = page.terminators[bisect_left(page.terminators, found.end)]
            if not (found.cue.kind == "absent" and self._takes_terminator(page, found, first)):
                return False
        if self._sign_between(between) or self._attribute_between(page, found.end, mention.start):
            return False
        if between[:1] in ("，", ","):
            # 溃疡否认，考虑…; 手术史否认，…: the denial closes what stands before it
            return False
        if reach == "history":
            return self._history_reaches(page, found, mention)
        return not page.any_between(page.commas, found.end, mention.start)

    def _opens_warning(self, page: _Page, found: _Found) -> bool:
        """A bare 如 or 出现 that begins a clause right before a mention, in a sentence that says what to do then."""
        before = page.text[found.start - 1] if found.start else "。"
        if before not in "。；;，,、\n:!！ )" or not page.inside_mention(found.end, found.end + 1):
            return False
        _, high = self._sentence(page, found.start)
        rest = page.text[found.end : high]
        if not found.cue.needs_action:
            return re.match(r"[^，。；]{0,8}(?:样|状|般)", rest) is None
        if re.search(r"\d\s?(?:天|小时|周|月|年)", rest):
            return False
        return any(word in rest for word in found.cue.needs_action)

    def _takes_terminator(self, page: _Page, found: _Found, terminator: int) -> bool:
        """`无伴…`, `未诉有…`, `否认父母有…`: a word that would end the scope stands right after the cue, or its person, and belongs to it."""
        if terminator == found.end:
            return page.text[terminator] in "伴有感觉出自"
        return page.text[terminator] == "有" and any(
            s.cue_start == found.end and s.cue_end <= terminator <= s.cue_end + 1 for s in page.subjects
        )

    def _attribute_between(self, page: _Page, low: int, high: int) -> bool:
        """无压痛的肿块: a mention that 的 makes an attribute ends the negation."""
        index = bisect_left(page.mention_starts, low)
        while index < len(page.mentions) and page.mentions[index][1] <= high - 1:
            if page.text[page.mentions[index][1]] == "的":
                return True
            index += 1
        return False

    def _sign_between(self, between: str) -> bool:
        return "(+" in between or "(-" in between or "阳性" in between or "阴性" in between

    def _history_reaches(self, page: _Page, found: _Found, mention: Mention) -> bool:
        """Whether 否认 reaches over commas: each segment must be a bare list, and no 史 may have closed it."""
        if not page.any_between(page.commas, found.end, mention.start):
            return True
        between = page.text[found.end : mention.start]
        pieces = re.split("[，,]", between)
        if any(piece.rstrip("等 ").endswith(("史", "症状", "不适")) for piece in pieces[:-1]):
            return bool(re.match(r"\s*(?:及|和|或)", pieces[-1])) and "史" in page.text[mention.end : mention.end + 12]
        _, clause_end = self._clause(page, mention.start)
        own = pieces[-1] + page.text[mention.start : clause_end]
        last = self._without_mentions(page, mention.start - len(pieces[-1]), clause_end)
        if len(own) > 24 or self._bare_break.search(last) or self._tells_on.match(page.text, clause_end):
            return False
        offset = found.end
        for piece in pieces[:-1]:
            if len(piece) > 40 or (
                piece is not pieces[0] and self._bare_break.search(self._without_mentions(page, offset, offset + len(piece)))
            ):
                return False
            offset += len(piece) + 1
        return True

    def _without_mentions(self, page: _Page, start: int, end: int) -> str:
        """The text of a stretch with its mentions cut out."""
        out, position = [], start
        index = bisect_left(page.mention_starts, start)
        while index < len(page.mentions) and page.mentions[index][0] < end:
            out.append(page.text[position : page.mentions[index][0]])
            position = max(position, page.mentions[index][1])
            index += 1
        out.append(page.text[position:end])
        return "".join(out)

    def _backward_hits(self, page: _Page, mention: Mention) -> list[_Found]:
        """Backward cues that reach back to the mention, nearest first."""
        _, high = self._sentence(page, mention.start)
        if high < len(page.text) and page.text[high] in "?？":
            high += 1
        high = min(high, mention.end + _BACKWARD_LIMIT)
        hits: list[_Found] = []
        index = bisect_left(page.backward_starts, mention.end)
        while index < len(page.backward) and page.backward[index].start < high:
            found = page.backward[index]
            index += 1
            if self._reaches_backward(page, found, mention):
                hits.append(found)
        return hits

    def _reaches_backward(self, page: _Page, found: _Found, mention: Mention) -> bool:
        between = page.text[mention.end : found.start]
        if found.cue.closes_clause and not _CLOSES_CLAUSE.match(page.text, found.end):
            return False
        if found.cue.kind == "resolved" and _ASKED_BEHIND.match(page.text, found.end):
            return False  # 咳嗽好了吗？
        if found.cue.reach == "resumed":
            return self._resumes(page, found, mention, between)
        if page.any_between(page.commas, mention.end, found.start) or self._sign_between(between):
            return False
        if " " in between and found.cue.id == "negative_after" and between.strip():
            return False
        if page.text[found.start] in "?？" and (self._asked.search(between) or re.search(r"[ .]", between)):
            return False
        if page.any_between(page.terminators, mention.end, found.start) and found.cue.kind != "conditional":
            return False
        if any(
            f.cue.kind == "absent" and mention.end <= f.start and f.end <= found.start
            for f in page.forward[bisect_left(page.forward_ends, mention.end) :][:4]
        ):
            return False
        plain = self._without_mentions(page, mention.end, found.start)
        plain = self._join.sub("", plain)
        if found.cue.kind == "conditional":
            if self._relieved.match(page.text, found.end):
                return False
            plain = _THRESHOLD.sub("", plain)
            return len(plain) <= 8 and not re.search(r"\d|因|史", plain)
        if found.cue.kind == "absent" and found.cue.id == "negative_after" and found.end < len(page.text):
            following = page.text[found.end]
            if (
                found.cue.reach == "list"
                and page.text[found.start : found.end].startswith(("未", "均未"))
                and not _CLOSES_CLAUSE.match(page.text, found.end)
            ):
                return following in "异"
        limit = 10 if found.cue.kind in ("absent", "historical", "family") else 8
        return len(plain) <= limit and not re.search(r"\d", plain)

    def _resumes(self, page: _Page, found: _Found, mention: Mention, between: str) -> bool:
        commas = between.count("，") + between.count(",")
        plain = self._without_mentions(page, mention.end, found.start)
        others = page.any_between(page.clinical_starts, mention.end, found.start)
        if commas == 0:
            return len(self._join.sub("", plain)) <= 14 and not re.search("可|未|不|无|但", plain)
        if commas > 2 or len(between) > 30 or others:
            return False
        return bool(self._cure_told.search(page.text[mention.end : found.end])) and not self._not_cured.search(plain)

    def _first(self, hits: Sequence[_Found], kind: str) -> _Found | None:
        return next((found for found in hits if found.cue.kind == kind), None)

    def _possible(self, page: _Page, mention: Mention, forward: Sequence[_Found], backward: Sequence[_Found]) -> _Found | None:
        """The cue that makes it possible; a symptom under 待查 or behind 考虑 is there, its cause is not known."""
        ahead, behind = self._first(forward, "possible"), self._first(backward, "possible")
        if mention.type in _DIAGNOSTIC or (mention.type in _CLINICAL and self._names_disease.search(page.text, mention.start, mention.end)):
            return behind or ahead
        rest = page.text[mention.end : mention.end + 8]
        if mention.type not in _CLINICAL:
            return None
        if self._symptom_search.match(rest):
            return None
        if behind is not None and behind.start - mention.end <= 1 and page.text[behind.start : behind.end] not in self._seeks_cause:
            return behind
        if (
            ahead is not None
            and ahead.cue.id == "fear"
            and (mention.end - mention.start == 1 or self._shunned.match(page.text, mention.end))
        ):
            return None  # 怕痛不敢动: what one shuns is felt
        if ahead is not None and mention.start - ahead.end <= 2 and not self._cause_after.match(rest):
            word = page.text[ahead.start : ahead.end]
            return None if word in self._doubts_cause else ahead
        return None

    def _person(
        self, page: _Page, mention: Mention, section: str | None, after: tuple[tuple[int, int], _Cue] | None, backward: Sequence[_Found]
    ) -> Decision | None:
        if mention.type in ("department", "device") and section != "family_history":
            return None
        if after is None:
            contact = self._contact(page, mention)
            if contact is not None:
                return contact
        inherited = self._first(backward, "family")
        if inherited is not None:
            return Decision("family", (inherited.start, inherited.end), True, inherited.cue.id)
        subject = subject_at(page.subjects, mention.start)
        if subject is not None:
            kind: Assertion = "family" if subject.kind == "family" else "other_person"
            return Decision(kind, (subject.cue_start, subject.cue_end), section == "family_history", "subject")
        low, _ = self._sentence(page, mention.start)
        if section == "family_history" and mention.type in _CLINICAL and not self._own.search(page.text, low, mention.start):
            return Decision("family", None, True, "section")
        return None

    def _contact(self, page: _Page, mention: Mention) -> Decision | None:
        text = page.text
        for word, cue in self._immediate.get(text[mention.end : mention.end + 1], ()):
            if cue.kind == "other_person" and text.startswith(word, mention.end):
                low, high = self._sentence(page, mention.start)
                if any(near in text[max(low, mention.start - 12) : min(high, mention.end + 14)] for near in cue.needs_near):
                    return Decision("other_person", (mention.end, mention.end + len(word)), True, cue.id)
        return None

    def _historical(
        self, page: _Page, mention: Mention, section: str | None, forward: Sequence[_Found], backward: Sequence[_Found]
    ) -> Decision | None:
        chronic = self._is_chronic(page, mention)
        resolved = self._first(backward, "resolved")
        discharged = resolved is not None and page.text[resolved.start : resolved.end].endswith("出院")
        if resolved is not None and mention.type in _CLINICAL and not (chronic and discharged):
            return Decision("historical", (resolved.start, resolved.end), True, "resolved")
        once, anchor, closing = self._first(forward, "historical"), self._first(forward, "anchor"), self._first(backward, "historical")
        low, high = self._clause(page, mention.start)
        rest, before = page.text[mention.end : high], page.text[low : mention.start]
        if mention.type in ("procedure", "device", "drug", "imaging", "lab_test"):
            return self._past_act(page, mention, section, once, anchor, closing, before)
        if mention.type not in _CLINICAL or rest.startswith("后遗"):
            return None
        ongoing = bool(self._ongoing.search(rest)) or bool(_DURATION_AFTER.match(rest))
        if once is not None:
            named_over = page.text[once.start : once.end] in self._named_over
            if chronic and not named_over:
                return None
            if not (ongoing and chronic):
                return Decision("historical", (once.start, once.end), False, once.cue.id)
        if chronic:
            ago = _YEARS_AGO.search(before)
            cured = self._cured_by_surgery.search(page.text, mention.start, mention.end) and self._operated.match(page.text, mention.end)
            if ago is not None and cured:
                return Decision("historical", (low + ago.start(), low + ago.end()), False, "years_ago")
            operated = closing is not None and page.text[closing.start : closing.end] == "术后" and closing.start == mention.end
            tumour = re.search("癌|瘤", page.text[mention.start : mention.end])
            if closing is not None and operated and tumour is None:
                return Decision("historical", (closing.start, closing.end), False, closing.cue.id)
            return None
        if closing is not None:
            word = page.text[closing.start : closing.end]
            if not (word == "病史" and mention.type != "disease" and (ongoing or section != "past_history")):
                return Decision("historical", (closing.start, closing.end), closing.cue.id == "once_after", closing.cue.id)
        if self._events.search(page.text, mention.start, mention.end):
            over = self._long_ago(mention, before, rest, anchor)
            if over is not None:
                return over
        if mention.type == "disease":
            told = _YEARS_AGO.match(rest)
            if told is not None:
                return Decision("historical", (mention.end, mention.end + told.end()), False, "years_ago")
            if re.search(r"周前(?:患|有|因|得)?$", before):
                return Decision("historical", None, False, "weeks_ago")
            ago = _YEARS_AGO.search(before)
            if ago is not None and not self._ongoing.search(rest):
                return Decision("historical", (low + ago.start(), low + ago.end()), False, "years_ago")
            if anchor is not None and not ongoing:
                return Decision("historical", (anchor.start, anchor.end), False, anchor.cue.id)
            if section == "past_history" and not self._repeated.search(rest) and not re.search("现|目前|近|仍", before):
                return Decision("historical", None, False, "section")
        elif before.endswith("前有") or (section == "allergy_history" and not ongoing):
            return Decision("historical", None, False, "section")
        elif anchor is not None and not ongoing and not self._ongoing.search(before):
            return Decision("historical", (anchor.start, anchor.end), False, anchor.cue.id)
        elif (
            section == "past_history"
            and mention.type == "symptom"
            and not ongoing
            and not self._ongoing.search(before)
            and not re.search("今|近", before)
        ):
            return Decision("historical", None, False, "section")
        return None

    def _long_ago(self, mention: Mention, before: str, rest: str, anchor: _Found | None) -> Decision | None:
        """三年前自杀未遂 — a deed of years ago is over, unless it goes on (三年前开始反复自残)."""
        ago = _YEARS_AGO.search(before) or _HALF_A_YEAR_AGO.search(before)
        start = mention.start - len(before)
        untimed = before if ago is None else before[: ago.start()] + before[ago.end() :]
        if self._ongoing.search(untimed) or self._ongoing.search(rest) or "开始" in before:
            return None
        if ago is None:
            return None if anchor is None else Decision("historical", (anchor.start, anchor.end), False, EVENT_OVER)
        return Decision("historical", (start + ago.start(), start + ago.end()), False, EVENT_OVER)

    def _past_act(
        self,
        page: _Page,
        mention: Mention,
        section: str | None,
        once: _Found | None,
        anchor: _Found | None,
        closing: _Found | None,
        before: str,
    ) -> Decision | None:
        """Operations of the past are historical; tests and medicines only where 曾 or the past history says so."""
        if mention.type != "procedure":
            return None
        for cue in (once, anchor, closing):
            if cue is not None:
                return Decision("historical", (cue.start, cue.end), False, cue.cue.id)
        ago = _YEARS_AGO.search(before)
        if ago is not None:
            start = mention.start - len(before)
            return Decision("historical", (start + ago.start(), start + ago.end()), False, "years_ago")
        past = section in ("past_history", "obstetric_history") and not self._taken_up.search(before)
        return Decision("historical", None, False, "section") if past else None
