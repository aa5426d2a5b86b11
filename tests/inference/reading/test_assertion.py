"""Assertion by rules: the behaviour table, every cue's own examples, and the flip test."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.reading.assertion import FEATURE_NAMES, Mention
from inference.reading.rule_reader import RuleReader
from knowledge_base.compiled import KnowledgeBase

TABLE = Path(__file__).parents[2] / "behaviour" / "assertion.jsonl"
ROWS = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]
LABEL_OF = {"resolved": "historical", "anchor": "historical"}


def test_the_table_is_large_and_balanced() -> None:
    assert len(ROWS) >= 400
    positive = sum(row["expected"] == "present" for row in ROWS)
    assert 0.35 <= positive / len(ROWS) <= 0.65


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_behaviour(rules: RuleReader, row: dict[str, Any]) -> None:
    text = row["text"]
    assert text[row["start"] : row["end"]] == row["mention"]
    together = [Mention(r["start"], r["end"], r["type"]) for r in ROWS if r["text"] == text]
    decisions = rules.assertion(rules.normalise(text), together, row["section"])
    index = next(i for i, m in enumerate(together) if (m.start, m.end) == (row["start"], row["end"]))
    assert decisions[index].label == row["expected"]


def marked(sentence: str) -> tuple[str, list[Mention]]:
    text, mentions = "", []
    for part in re.split(r"(\[[^\]]*\])", sentence):
        if part.startswith("["):
            words = part[1:-1]
            clinical = re.search(r"炎|癌|病|梗|塞|结核|疹$|压$|栓|尿病", words)
            mentions.append(Mention(len(text), len(text) + len(words), "disease" if clinical else "symptom"))
            text += words
        else:
            text += part
    return text, mentions


def test_every_cue_keeps_its_examples(knowledge: KnowledgeBase, rules: RuleReader) -> None:
    checked = 0
    for cue in knowledge.lexicon["assertion"]["cues"]:
        wanted = LABEL_OF.get(cue["class"], cue["class"])
        for kind in ("fires", "must_not_fire"):
            for example in cue["examples"][kind]:
                text, mentions = marked(example)
                for decision in rules.assertion(rules.normalise(text), mentions):
                    assert (decision.label == wanted) == (kind == "fires"), f"{cue['id']}: {example} → {decision.label}"
                    checked += 1
    assert checked >= 90


@pytest.mark.parametrize("finding", ["发热", "咳嗽", "胸痛", "右下腹压痛", "皮疹"])
@pytest.mark.parametrize("negation", ["无{}", "否认{}", "没有{}", "未见{}", "{}：无", "{}（-）", "不伴{}"])
def test_flip(rules: RuleReader, finding: str, negation: str) -> None:
    """Adding the negation denies the finding, taking it away asserts it again."""
    denied = f"患者神清，{negation.format(finding)}，食欲可。"
    stated = f"患者神清，{finding}，食欲可。"
    for text, wanted in ((denied, "absent"), (stated, "present")):
        start = text.index(finding)
        (decision,) = rules.assertion(rules.normalise(text), [Mention(start, start + len(finding))])
        assert decision.label == wanted


def test_the_cue_is_the_word_that_decided(rules: RuleReader) -> None:
    text = "否认高血压、糖尿病史"
    decisions = rules.assertion(text, [Mention(2, 5, "disease"), Mention(6, 9, "disease")])
    assert [text[slice(*d.cue)] if d.cue else None for d in decisions] == ["否认", "否认"]


def test_what_is_put_together_from_words_apart_hides_no_cue(rules: RuleReader) -> None:
    text = "肿痛，腮腺炎可能，睾丸无压痛"
    apart = Mention(1, 11, "symptom", whole=False)
    decisions = rules.assertion(text, [Mention(0, 2), apart, Mention(3, 6, "disease")])
    assert [d.label for d in decisions] == ["present", "present", "possible"]


def test_scope_features_have_one_column_per_name(rules: RuleReader) -> None:
    features = rules.assertion.scope_features("无发热，咳嗽3天", [Mention(1, 3), Mention(4, 6)], "present_illness")
    assert features.shape == (2, len(FEATURE_NAMES))
    names = list(FEATURE_NAMES)
    assert features[0, names.index("forward_absent")] == 1.0
    assert features[0, names.index("rule_absent")] == 1.0
    assert features[1, names.index("forward_absent_blocked")] == 1.0
    assert np.isfinite(features).all()
