"""Notifiable infectious diseases by date of diagnosis (clinical_rules section 71)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from knowledge_base.rules.instrument import Bools, Column, Input, Inputs, Instrument


@dataclass(frozen=True, slots=True)
class Listing:
    """A spell on the list: class, hours to report, first and last day."""

    group: str
    hours: int
    start: dt.date = dt.date(1, 1, 1)
    end: dt.date = dt.date(9999, 12, 31)


CLASS_B = [
    "艾滋病",
    "病毒性肝炎",
    "脊髓灰质炎",
    "麻疹",
    "流行性出血热",
    "狂犬病",
    "流行性乙型脑炎",
    "登革热",
    "炭疽",
    "细菌性和阿米巴性痢疾",
    "肺结核",
    "伤寒和副伤寒",
    "流行性脑脊髓膜炎",
    "百日咳",
    "白喉",
    "新生儿破伤风",
    "猩红热",
    "布鲁氏菌病",
    "淋病",
    "梅毒",
    "钩端螺旋体病",
    "血吸虫病",
    "疟疾",
]
CLASS_C = [
    "流行性感冒",
    "流行性腮腺炎",
    "风疹",
    "急性出血性结膜炎",
    "麻风病",
    "流行性和地方性斑疹伤寒",
    "黑热病",
    "包虫病",
    "丝虫病",
    "手足口病",
    "其他感染性腹泻病",
]
APRIL_2026 = dt.date(2026, 4, 1)
"""Month of listing; the day is not confirmed."""
NEW_LAW = dt.date(2025, 9, 1)
LISTINGS: dict[str, tuple[Listing, ...]] = {
    "鼠疫": (Listing("A", 2),),
    "霍乱": (Listing("A", 2),),
    "传染性非典型肺炎": (Listing("B", 2),),
    **{name: (Listing("B", 24),) for name in CLASS_B},
    **{name: (Listing("C", 24),) for name in CLASS_C},
    "新型冠状病毒感染": (Listing("B", 2, dt.date(2020, 1, 20), dt.date(2023, 1, 7)), Listing("B", 24, dt.date(2023, 1, 8))),
    "猴痘": (Listing("B", 24, dt.date(2023, 9, 20)),),
    "人感染新亚型流感": (Listing("B", 24, NEW_LAW),),
    "人感染高致病性禽流感": (Listing("B", 24, dt.date(2004, 12, 1), NEW_LAW - dt.timedelta(days=1)),),
    "人感染H7N9禽流感": (Listing("B", 24, dt.date(2013, 11, 1), NEW_LAW - dt.timedelta(days=1)),),
    "基孔肯雅热": (Listing("B", 24, APRIL_2026),),
    "发热伴血小板减少综合征": (Listing("B", 24, APRIL_2026),),
}
ALIASES = {
    "SARS": "传染性非典型肺炎", "非典": "传染性非典型肺炎", "新冠": "新型冠状病毒感染", "新冠肺炎": "新型冠状病毒感染", "新型冠状病毒肺炎": "新型冠状病毒感染", "AIDS": "艾滋病", "HIV感染": "艾滋病",
    "猴痘病毒感染": "猴痘", "痢疾": "细菌性和阿米巴性痢疾", "细菌性痢疾": "细菌性和阿米巴性痢疾", "阿米巴性痢疾": "细菌性和阿米巴性痢疾", "伤寒": "伤寒和副伤寒", "副伤寒": "伤寒和副伤寒",
    "肾综合征出血热": "流行性出血热", "乙脑": "流行性乙型脑炎", "流脑": "流行性脑脊髓膜炎", "布病": "布鲁氏菌病", "腮腺炎": "流行性腮腺炎", "流感": "流行性感冒", "斑疹伤寒": "流行性和地方性斑疹伤寒",
    "甲型肝炎": "病毒性肝炎", "乙型肝炎": "病毒性肝炎", "丙型肝炎": "病毒性肝炎", "戊型肝炎": "病毒性肝炎", "甲肝": "病毒性肝炎", "乙肝": "病毒性肝炎", "丙肝": "病毒性肝炎", "戊肝": "病毒性肝炎",
    "肺炭疽": "炭疽", "皮肤炭疽": "炭疽", "感染性腹泻": "其他感染性腹泻病", "结核病": "肺结核",
}  # fmt: skip
HANDLED_AS_A = {("炭疽", "肺炭疽"), ("脊髓灰质炎", "野病毒")}
CLASSES = ("A", "B", "C")


def listing(disease: str, form: str | None, day: dt.date) -> Listing | None:
    """The listing in force on the day, with the two-hour limit of forms handled as class A."""
    name = disease.strip()
    if name == "肺炭疽":
        form = name
    name = ALIASES.get(name, name)
    for spell in LISTINGS.get(name, ()):
        if spell.start <= day <= spell.end:
            urgent = form is not None and any(name == disease_name and marker in form for disease_name, marker in HANDLED_AS_A)
            return Listing(spell.group, 2) if urgent else spell
    return None


def _day(text: str | None) -> dt.date | None:
    try:
        return dt.date.fromisoformat(str(text)[:10])
    except ValueError:
        return None


def compute(x: Inputs) -> Mapping[str, Column]:
    """Class and hours; null where the disease is not on the national list of that day."""
    groups, hours = np.full(x.size, -1, dtype=np.int8), np.full(x.size, np.nan)
    for row, (disease, day, form) in enumerate(zip(x.text("disease"), x.text("diagnosis_date"), x.text("form"), strict=True)):
        date = _day(day)
        found = None if disease is None or date is None else listing(str(disease), None if form is None else str(form), date)
        if found is not None:
            groups[row] = CLASSES.index(found.group)
            hours[row] = found.hours
    return {"class": Column("label", groups, CLASSES), "report_hours": Column("integer", hours)}


def contradicts(x: Inputs) -> Mapping[str, Bools]:
    """A date that is none."""
    return {
        "diagnosis_date": np.array([day is not None and day != "" and _day(day) is None for day in x.text("diagnosis_date")], dtype=bool)
    }


INSTRUMENT = Instrument(
    name="notifiable",
    title="法定传染病分类与报告时限",
    edition="law in force at the date",
    source="中华人民共和国传染病防治法（2025年修订）及其后公告",
    confidence="H",
    doubts=lambda x, out: (out["report_hours"].data == 2) | (out["class"].data < 0),
    validity="首诊负责；疑似、临床诊断、确诊、病原携带分开报告；各省可增加病种",
    inputs=(
        Input("disease", "疾病", "text", own=True),
        Input("diagnosis_date", "诊断日期", "text", own=True),
        Input("form", "病型", "text", required=False, own=True),
    ),
    compute=compute,
    contradicts=contradicts,
    grade="class",
    value="report_hours",
    unit="h",
    family="tool",
    says={
        "A": "甲类传染病：2小时内网络直报。",
        "B": "乙类传染病：{report_hours}小时内报告。",
        "C": "丙类传染病：24小时内报告。",
        None: "不在当日的国家法定传染病名录内（各省可能另有规定）。",
    },
)
