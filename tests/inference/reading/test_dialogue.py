"""Questions with their answers: any complaint asked of is what the answer says, whoever asks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inference.reading.assertion import Decision, Mention
from inference.reading.rule_reader import RuleReader

FINDINGS = st.sampled_from(["发热", "咳嗽", "胸痛", "皮疹", "便血", "晕厥"])
ASKS = st.sampled_from(["医", "医生", "大夫", "问", "护士"])
REPLIES = st.sampled_from(["患", "患者", "答", "家属", "妈妈"])
QUESTIONS = st.sampled_from(["有{}吗？", "有没有{}？", "{}有没有？", "现在还{}吗？", "{}吗\n"])


def judged(rules: RuleReader, text: str, finding: str) -> Decision:
    start = text.index(finding)
    return rules.assertion(rules.normalise(text), [Mention(start, start + len(finding))])[0]


@given(FINDINGS, ASKS, REPLIES, QUESTIONS, st.sampled_from(["没有", "没", "无", "从来没有", "嗯，没有", "倒没有", "现在没有", "没有过"]))
def test_a_no_denies(rules: RuleReader, finding: str, asks: str, replies: str, question: str, answer: str) -> None:
    text = f"{asks}：{question.format(finding)}{replies}：{answer}，别的都好。"
    decision = judged(rules, text, finding)
    assert decision.label == "absent"
    assert decision.cue is not None and text[slice(*decision.cue)] in answer


@given(FINDINGS, ASKS, REPLIES, QUESTIONS, st.sampled_from(["有", "嗯", "是的", "有一点", "有，昨天两次", "对，有"]))
def test_a_yes_states(rules: RuleReader, finding: str, asks: str, replies: str, question: str, answer: str) -> None:
    assert judged(rules, f"{asks}：{question.format(finding)}{replies}：{answer}。", finding).label == "present"


@given(FINDINGS, QUESTIONS, st.sampled_from(["不清楚", "不知道", "记不清了", "没注意"]))
def test_who_does_not_know_neither_states_nor_denies(rules: RuleReader, finding: str, question: str, answer: str) -> None:
    assert judged(rules, f"医：{question.format(finding)}患：{answer}。", finding).label == "possible"


@given(FINDINGS, st.sampled_from(["好了吗", "退了没", "多久了", "缓解了吗"]), st.sampled_from(["没有", "没", "没好"]))
def test_no_to_recovery_or_to_how_long_denies_no_complaint(rules: RuleReader, finding: str, question: str, answer: str) -> None:
    assert judged(rules, f"医：{finding}{question}？患：{answer}。", finding).label == "present"


def test_the_answer_is_of_the_last_question_alone(rules: RuleReader) -> None:
    text = "医：哪里不舒服？咳嗽吗？患：没有。医：胸痛吗？患：有。"
    assert judged(rules, text, "咳嗽").label == "absent"
    assert judged(rules, text, "胸痛").label == "present"
