"""Measurements: a grammar over names, numbers and units, no network.

Numbers are never looked for alone: a number counts where a name of the table stands before it with nothing but linking
words between, where it continues a series of the same analyte, or where its unit leaves no doubt (39℃, 120/80mmHg).
Phones, dates, beds, doses, vertebrae and sizes thus need no lists of their own beyond what can stand after a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inference.reading.lifetimes import LifeTimes
from inference.reading.numbers import NUMBER, parse_number
from inference.reading.subjects import Subject, subject_at
from inference.reading.trie import Trie, is_ascii_letter

Value = float | tuple[float, float]

MASK = "\x00"
_OF_PREGNANCY = frozenset({"fundal_height", "fetal_heart_rate", "pregnancy_weeks"})
_MASKED = re.compile(
    r"(?:19|20)\d{2}\s?[-/.年]\s?\d{1,2}\s?[-/.月]\s?\d{1,2}日?|(?:19|20)\d{2}年(?:\d{1,2}月)?|\d{1,2}月\d{1,2}[日号]?"
    r"|(?<![\d.a-z])\d{1,2}:[0-5]\d(?::[0-5]\d)?(?![\d.])|\d{1,2}时\d{1,2}分?|(?<![糖温氧钾钠钙酐酸素率度烧到\d])(?:[01]?\d|2[0-4])点\d{1,2}分?|(?<!\d)1[3-9]\d{9}(?!\d)|(?<!\d)0\d{2,3}-\d{7,8}(?!\d)|\d{8,}"
    r"|(?<![a-z])g\d{1,2}\s?p\d{1,2}(?:\s?a\d{1,2})?(?:\s?l\d{1,2})?(?![\d.])"
    r"|(?<![\d.+])\d(?:\s?\+\s?\d){1,3}\s?=(?=\s?\d)|\d{6,}x|(?<![a-z])e[1-4]\s?v[1-5t]\s?m[1-6]"
    r"|(?<![a-z])[pcyr]{0,2}t(?:[0-4x]|is)[a-d]?[,，、]?\s?n[0-3x][a-c]?(?:[,，、]?\s?m[01x])?|(?<![a-z])(?:ck|cd|p|s|ki|her|msh|mlh|bcl|cam|gata|ttf|muc)-?\d{1,3}[a-z]?(?=\s?(?:[-+(]|弱|强|阳|阴|部分|散|少|弥漫))"
    r"|(?<![a-z离总])(?:l[1-5]|s[1-5]|c[1-8]|t(?:1[0-2]|[1-9]))(?![\d.]|\s?[%×*])(?:\s?[-~、/,]\s?[lcst]?(?:1[0-2]|[1-9])(?![\d.%℃]))*"
    r"|(?<![a-z])p(?:53|16|63|40|504s)(?![\d.次/])|(?<![a-z])v\d(?:\s?[-~]\s?v?\d)?"
    r"|\d+(?:\.\d+)?\s?(?:[mc]?m|厘米|毫米)?\s?[×*x]\s?(?!10\s?(?:\^|\*|e|~|\(|\[|9|12|6|3\s?/))\d+(?:\.\d+)?"
    r"(?:\s?(?:[mc]?m|厘米|毫米)?\s?[×*x]\s?\d+(?:\.\d+)?)?\s?(?:[mc]?m|厘米|毫米)?(?![\d/])"
    r"|\d+[+加]?\d*床|(?:床号?|房|室|编号|住院号|门诊号|病案号|身份证号?|电话|手机号?|id)[:\s]{1,2}[\da-z-]+"
)
_MISREAD = re.compile(
    r"(?<![a-z\d])(?=[\dloi.]*\d)(?=[\d.]*[loi])[\dloi][\dloi.]*(?=\s?(?:/\s?[\dlo]|mmhg|kpa|次|℃|°c|g/l|mmo[l1]|(?<!i)u/l|×10|x10|\*10|%))"
)
"""Numbers of scanned text with letters where digits stood (12O/8O, l30, 1l0次)."""
_DIGITS = str.maketrans("oli", "011")
_TIME_BETWEEN = re.compile(r"近?(?:\d{1,2}|[一二两三四五六七八九十半数]+)(?:余|多)?(?:个)?(?:天|日|周|月|年)(?:内|来|间|余|前)?(?:由|从)?")
"""体重近2月由70kg降至62kg: a time between a name and its number."""
_CHANGE_BETWEEN = re.compile(
    r"(?:较前|较上次|较前次|比以前|比上次)?(?:增加|增长|增重|升高|上升|减轻|减少|下降|降低|减|增|长|掉|瘦|轻|重|涨)了?约?\d{1,3}(?:\.\d+)?\s?(?:公斤|kg|千克|斤|cm|厘米|g/l|mmhg|℃|度)[，,、]?"
)
"""体重增加3公斤，现65公斤: by how much it changed, between a name and its number."""
_LINK_WORDS = (
    "掉到|掉至|落到|跌至|跌到|只到|值|为|是|在|约为|约|大约|大概|达到|达|到|至|高达|最高达|最高|最低|可达|波动于|波动在|波动|控制在|控制于|控制|维持在|维持于|维持|测得|测量|自测|监测|复测|复查|测|查|结果|提示|显示|示|报告|均|仅|只有|只|才|"
    "有|升高至|升高到|升高达|升至|上升至|上升到|下降至|下降到|降低至|降低到|降至|降到|退至|退到|回升至|增加到|增加至|增至|减少至|减至|减轻至|下降为|升高为|升到|水平|浓度|含量|计数|定量|数值|绝对值|总数|百分比|百分率|比率|比例|检测|测定|"
    "今晨|今日|今天|今早|今|昨日|昨晚|昨天|昨夜|昨|现|目前|当时|当日|入院时|入院|门诊|急诊|平时|平素|平日|空腹|餐后2小时|餐后2h|餐后|餐前|早餐后|晚餐后|饭后|睡前|随机|晨起|清晨|早晨|早上|早|中午|中|晚上|晚间|晚|上午|下午|夜间|傍晚|"
    "术前|术后|治疗前|治疗后|服药后|用药后|服药前|静息|休息时|活动后|吸氧下|吸氧后|未吸氧下|未吸氧|不吸氧|鼻导管吸氧下|吸空气下|吸空气|自然状态|左上肢|右上肢|左侧|右侧|双侧|左臂|右臂|左|右|上肢|平卧位|卧位|坐位|立位|站立|"
    "大于等于|小于等于|大于|小于|高于|低于|超过|不足|不到|不低于|不高于|接近|近|差不多|一直|经常|多在|大多|常|多|一般|大致|左右|腋下|腋|口腔|口|肛|耳|额|末梢|快速|指尖|静脉|血清|血浆|烧到|烧|再次|本次|首次|初|又|仍|还|都|就|也|了|曾|"
    "没变|没有变|不变|没变化|没有变化|无变化|无明显变化|变化不大|没动|没怎么变|同前|"
    "时|后|前|于|从|由|呈|已|我院|外院|本院|院外|本科室|家中|家里|自己|给她|给他|量出来|测出来|量起来|测起来|量得|量的|测的|量起|量了|量|一下|下来|下|读数|机测|电子血压计|水银柱|血压计|体温计|高压|收缩压|"
    "房颤律|心律不齐|律不齐|律绝对不齐|绝对不齐|律齐|齐|整|一分钟|每分钟|第一次|第二次|两次|二次|一次|三次"
)
_SOFT_WORDS = "稍急促|急促|稍促|促|浅快|深快|浅促|深大|得很快|得快|偏快|增快|加快|快|偏慢|减慢|慢|升高|偏高|增高|高|降低|偏低|低|明显升高|轻度升高|显著升高|明显增高|异常|正常"
_LINK = re.compile(
    r"(?:"
    + "|".join(sorted(map(re.escape, (_LINK_WORDS + "|" + _SOFT_WORDS).split("|")), key=len, reverse=True))
    + r"|[\s:=,，、()\[\]\"|;↑↓★▲*≥≤<>\x00\x01]|-(?!\d)|—)*+"
)
_SERIES = re.compile(
    r"(?:较前|前次|上次|上回|原来|原为|原|之前|此前|日前|进行性|逐渐|逐步|渐|迅速|快速|持续|缓慢|明显|升高至|升高到|升高达|上升到|下降到|降低至|降低到|增加至|增加到|增至|减少至|减至|减轻至|降为|升为|恢复至|恢复到|降至|降到|升至|升到|退至|退到|回升至|下降至|上升至|最高|最低|复查|复测|再测|再次测|再查|次日|今晨|今日|今天|今早|今|昨日|昨晚|昨天|昨|现|早上|早晨|早|中午|晚上|晚间|晚|上午|下午|夜间|晨起|清晨|空腹|餐后2小时|餐后2h|餐后|餐前|睡前|"
    r"随机|入院时|入院|出院时|出院前|治疗后|服药后|用药后|术后|术前|分别为|分别|为|后|时|测|左上肢|右上肢|左侧|右侧|左|右|卧位|立位|坐位|平卧|站立|吸氧后|吸氧下|未吸氧|吸空气|活动后|静息时?|休息时?|输血后|输液后|补液后|溶栓后|静推后|复苏后|含服后|休息后|降压后|补液后|半小时后|我院|外院|门诊|急诊|第一次|第二次|第三次|又|再|仍|均|和|及|与|或|到|至|约|最近一次|"
    r"(?:半|[一二两三四五六七八九十\d]{1,2}|数)(?:小时|天|日|周|个?月|年|h)(?:前|后)|"
    r"->|→|—>|=>|[\s:=,，、()；;~\"\x00]|-(?!\d))*+"
)
_GLYCAEMIC = frozenset({"glucose", "hba1c"})
_TOLERANCE_RUN = re.compile(
    r"(?:ogtt|糖耐量?)[^\d。；;\n,，]{0,12}(?<!\d)(\d{1,2}\.\d{1,2})(?:\s?[-~、,，/]\s?(\d{1,2}\.\d{1,2}))(?:\s?[-~、,，/]\s?(\d{1,2}\.\d{1,2}))?(?![\d.])(?P<unit>\s?mmol)?"
)
_FASTING_AND_LATER = re.compile(
    r"空腹[^\d，。；;\n]{0,4}\d{1,2}\.\d[^\d。；;\n]{0,4}餐后(?:\s?2\s?(?:h|小时)|两小时)?[^\d。；;\n]{0,3}\d{1,2}\.\d"
)
"""空腹7.2，餐后11.3: the two together can only be glucose."""
_TOLERANCE = re.compile("ogtt|糖耐量|服糖")
_RESUMES = re.compile(
    r"[，,；;](?:立即|即|予|给予|经)[^。\n]{2,30}(?:(?:后|，|,)\s?(?:血[糖压钾钠])?(?:升至|降至|升到|降到|回升至|回升到|退至|退到|降为|升为|恢复至|复测|复查|再测)[:为]?\s?|后\s?(?:为|是|:)?\s?)"
    r"|\s?(?:->|→|=>)[^。\n→]{2,30}(?:后|->|→|=>|:|为){1,2}\s?"
    r"|[，,；;][^。\n]{2,40}(?:下降|降|回升|上升|升|退|恢复|回落|掉|减)(?:到了|至|到|为)\s?"
)
_COMPARATOR = re.compile(r"(>=|<=|≥|≤|>|<|大于等于|小于等于|不低于|不高于|大于|小于|高于|低于|超过|不足|不到)\s*$")
_COMPARATORS = {"≥": ">=", "≤": "<=", "大于等于": ">=", "小于等于": "<=", "大于": ">", "小于": "<", "高于": ">", "低于": "<", "超过": ">", "不足": "<", "不到": "<", "不低于": ">=", "不高于": "<="}  # fmt: skip
_SUFFIX = re.compile(r"\s?(以上|以下)")
_LOOSE_SUFFIX = re.compile(r"(?:左右|上下|来|多|余|几|\+(?![+\d]))")
_TIMES = re.compile(r"\s?(?:多|余|来|几|\+)?\s?次")
_RANGE = re.compile(r"\s?(?:-{1,2}|~|至|到)\s?")
_SLASH = re.compile(r"\s?(?:多|余|来)?\s?[/\\|]\s?")
_REFERENCE = re.compile(
    r"\s?[↑↓*hl]?\s?\(\s?(?:参考值?|参考范围|正常值?|正常范围)?[:\s]{0,2}(?:[<>≤≥]\s?)?\d+(?:\.\d+)?(?:\s?[-~]{1,2}\s?\d+(?:\.\d+)?)?\s?\)"
)
_ARROWS = re.compile(r"\s?[↑↓★▲]+")
_QUALITATIVE = re.compile(
    r"[\s:为示\"]{0,3}[(\[]?\s?([1-4]\s?\+(?!\d)|\+\s?[1-4](?!\d)|\+{1,4}(?!-|/-)|\+/?-|±|弱阳性|阳性|阴性|-(?![\d>]))\s?[)\]]?"
)
_GESTATION = re.compile(
    r"(?:宫内孕|中期妊娠|早期妊娠|晚期妊娠|妊娠|怀孕|停经|孕龄|孕周|孕|g\d{1,2}p\d{1,2}(?:a\d)?(?:l\d)?)[:为约\s]{0,3}(\d{1,2}(?:\s?\+\s?[0-6](?!\d))?)\s?(\+?)\s?(?:(?:周|w(?:k|eek)?s?(?![a-z]))\s?(?:\+\s?)?(?:([1-6])\s?(?:天|d(?![a-z])))?)"
    r"|(?:宫内孕|孕龄|孕周|孕)[:为约\s]{0,3}(\d{1,2}\s?\+\s?[0-6])(?!\d)"
)
_INSTRUCTION = re.compile(
    r"\s?(?:以上|以下)?(?:时|者|则|即|，?\s?(?:可|需|应|请|须|口服|服用|给予|予|及时|立即|立刻|随时|马上|就诊|随诊|复诊|就))"
)
_TARGET = re.compile(r"(?:目标|达标|参考|正常值|正常范围|标准|应低于|应控制|争取|力争|要求)[^，。；;\n]{0,12}$")
_CONDITION = re.compile(
    r"(?:如果|假如|倘若|一旦|要是|万一|若(?!干)|如(?=有|出现|发|体温|血压|血糖|再|仍|果|持续|血|超|t|spo2|大于|高于)|当|遇|凡)[^，。；;\n]{0,16}$"
)
_MISREAD_POINT = re.compile(
    r"(?:。|\s\.\s?|\.\s)(\d)(?=\s?(?:℃|°c|度))|。(\d{1,2})(?=\s?(?:[mμunp]?mol|[mμunp]?g/[md]?l|i?u/m?l|kpa|[×x*]\s?10))"
)
"""A full stop of a scanned text where the point of a number stood: 36。5℃, 6。4mmol/L."""
_DASH_PAIR = re.compile(r"\s?[-,、 ~]\s?(\d{2,3})(?![\d.])")
_RESPECTIVE_HEAD = re.compile(r"\s*(?:水平|值)?(?:分别(?:为|是|约为|约|升至|达)?|依次为)?[:\s为]*")
_LIST_LINK = re.compile(r"\s*[、,，/和及与]\s*")
_SENTENCE_END = re.compile(r"[。；;\n！!？?]")
_UNIT_BRACKET = re.compile(r"\s?\(([^()]{1,18})\)")
_METHOD = re.compile(r"[a-z][a-z-]{1,11}(?:\s?(?:19|20)\d{2})?|[一-鿿]{1,6}[法仪]")
"""eGFR(CKD-EPI) 52, 血糖(血糖仪) 7.8: how it was measured."""
_GLUED = re.compile(
    r"(?<![a-z])(?:sp[o0]2|sa[o0]2|pa?c?[o0]2|hc[o0]3)(?=100(?!\d)|[6-9]\d(?![\d.])|\d{2,3}(?:\.\d{1,2})?\s?(?:%|mmhg|kpa|mmol))"
)
"""A name that ends with a digit, and its number right behind it (SpO297%)."""
_RAISED = re.compile(r"\s?\(?(?:[↑h](?![a-z])|明显|显著|轻度)?(?:[↑h](?![a-z])|升高|增高|偏高|高于)")
_BRACKET_AFTER = re.compile(r"\s?\(([^()]{1,10})\)")
_SINGLE_SIGN_CONTEXT = 1
_CLIPPED_GAP = 6
_CLAUSE_ENDS = re.compile(
    r"\s?(?:左右|上下|多|余|几|来)?(?:了|的|点)?\s?(?:$|[，,。；;、)\n！!？?~]|(?<=\s)(?=[一-鿿])(?![年月天日周岁克勺片粒支袋次度分个](?!经)))"
)
"""A space ends a clause too, in records that are written with spaces."""
_TAKEN = re.compile(
    r"(?:量|测)(?:了|得|的|出来?|起来?|到|着|过)?(?:一下|一哈|下|[两三几]次|一次)?(?:了|是|有|为|都|才|到|竟)?[\s:，]{0,2}$|一(?:量|测)[\s:，]{0,2}$"
)
"""量了212/118: a pair that was taken can only be the pressure."""
_CLAUSE_OPENS = re.compile(r"(?:^|[，,。；;、\n]\s?)$")
_HIGH_ALONE = 140
"""230/130，头痛: a clause of nothing but a pair so high is a pressure, too."""


@dataclass(frozen=True, slots=True)
class FoundMeasurement:
    """A measurement in folded text; offsets cover the number with its comparator."""

    start: int
    end: int
    name: str
    value: Value
    comparator: str | None = None
    unit: str | None = None
    canonical_value: Value | None = None
    canonical_unit: str | None = None
    flag: str | None = None
    context: str | None = None


@dataclass(frozen=True, slots=True)
class _Name:
    """What a name can stand for."""

    candidates: tuple[str, ...] = ()
    urine: tuple[str, ...] = ()
    context: str | None = None
    dependent: bool = False
    weak: bool = False
    clipped: bool = False
    needs_unit: bool = False
    pressure: bool = False
    needs_pair: bool = False
    decoy: bool = False


@dataclass(slots=True)
class _Quantity:
    """A number as scanned, with what stands around it."""

    start: int
    end: int
    tail: int
    value: Value
    unit: str | None
    comparator: str | None = None
    second: _Quantity | None = None
    foreign: str | None = None


@dataclass(slots=True)
class _Scan:
    """The state of one text."""

    text: str
    masked: str
    names: list[tuple[int, int, _Name]]
    zones: list[tuple[int, int, str]]
    subjects: list[Subject]
    age_years: float | None
    bracketed: dict[int, str]


class MeasurementGrammar:
    """Reads measurements by the table `measurements.yaml` and the units of `lexicon/units.yaml`."""

    def __init__(self, table: Mapping[str, Any], units: Mapping[str, Any], lifetimes: LifeTimes) -> None:
        self._lifetimes = lifetimes
        self.analytes: dict[str, Mapping[str, Any]] = {row["id"]: row for row in table["analytes"]}
        self._vitals = frozenset(table["vitals"])
        self._names: Trie[_Name] = Trie(_compile_names(table))
        self._unit_of: dict[str, str] = {}
        patterns: list[str] = []
        for unit in units["units"]:
            if "pattern" in unit:
                patterns.append(f"(?P<u{len(patterns)}>{unit['pattern']})")
                self._unit_of[f"u{len(patterns) - 1}"] = unit["id"]
            for spelling in unit["spellings"]:
                self._unit_of[spelling.replace(" ", "")] = unit["id"]
        literal = sorted((s for u in units["units"] for s in u["spellings"]), key=len, reverse=True)
        self._unit = re.compile(r"\s?(?:" + "|".join([*patterns, "(?:" + "|".join(map(_spelling_pattern, literal)) + ")"]) + ")")
        foreign = sorted(((word, group["kind"]) for group in units["foreign"] for word in group["words"]), key=lambda pair: -len(pair[0]))
        self._foreign_kind = dict(foreign)
        no_unit = "|".join(map(re.escape, units["no_units"]["words"]))
        self._foreign = re.compile(
            rf"\s?(?:余|多|来|几|个半|半)?\s?(?!{no_unit})(" + "|".join(_spelling_pattern(word) for word, _ in foreign) + ")"
        )
        self.ucum: dict[str, str] = {unit["id"]: unit["ucum"] for unit in units["units"]}
        specimens = table["specimens"]
        self._specimens = Trie({word: kind for kind in ("blood", "urine", "other") for word in specimens[kind]})
        self._specimen_marks = tuple(specimens["marks"])
        self._contexts = Trie({word: group["context"] for group in table["contexts"] for word in group["words"]})

    # -- the pass over a text --------------------------------------------------------------------------------------

    def __call__(self, text: str, subjects: list[Subject] | None = None, age_years: float | None = None) -> list[FoundMeasurement]:
        """All measurements of the patient in folded text, in order.

        Args:
            text: folded by `Normaliser`.
            subjects: stretches about other people; numbers in them are not the patient's.
            age_years: chooses the plausible ranges of children.
        """
        text = _MISREAD.sub(lambda match: match[0].translate(_DIGITS), text)
        masked = _MASKED.sub(lambda match: MASK * len(match[0]), text)
        names = [n for n in self._names.find(masked) if _stands_alone(masked, n[0], n[1])]
        names += self._glued(masked)
        names.sort(key=lambda name: name[0])
        characters: list[str] | None = None
        bracketed: dict[int, str] = {}
        for start, end, _ in names:
            bracket = _UNIT_BRACKET.match(masked, end)
            if bracket is not None:
                unit = self._whole_unit(bracket[1])
                if unit is not None:
                    bracketed[end] = unit
                if unit is not None or _METHOD.fullmatch(bracket[1].strip()):
                    characters = characters or list(masked)
                    characters[end : bracket.end()] = ["\x01"] * (bracket.end() - end)
            if any(character.isdigit() for character in masked[start:end]) or masked[end - 1] in "+-":
                characters = characters or list(masked)
                characters[start:end] = ["\x01" if c.isdigit() or c in "+-" else c for c in masked[start:end]]
        if characters is not None:
            masked = "".join(characters)
        scan = _Scan(text, masked, names, self._zones(text, masked), subjects or [], age_years, bracketed)
        found = self._qualitative(scan) + self._gestation(scan) + self._tolerance(scan)
        taken = [(item.start, item.end) for item in found]
        found += self._numbers(scan, taken)
        if any(item.name in _OF_PREGNANCY for item in found):
            # the girth of a pregnant belly says nothing of fat
            found = [item for item in found if item.name != "waist"]
        found.sort(key=lambda item: (item.start, item.end, item.name != "systolic_bp"))
        return [replace(item, unit=self._shown(item.unit), canonical_unit=self._shown(item.canonical_unit)) for item in _cross_check(found)]

    def _glued(self, masked: str) -> list[tuple[int, int, _Name]]:
        """Names whose last digit runs into the digits of their number."""
        if not ("o2" in masked or "02" in masked or "o3" in masked or "03" in masked):
            return []
        named = ((match.start(), match.end(), self._names.longest_at(match[0], 0)) for match in _GLUED.finditer(masked))
        return [(start, end, hit[1]) for start, end, hit in named if hit is not None and start + hit[0] == end]

    def _numbers(self, scan: _Scan, taken: list[tuple[int, int]]) -> list[FoundMeasurement]:
        found: list[FoundMeasurement] = []
        position, name_index = 0, 0
        last: tuple[_Quantity, list[FoundMeasurement], _Name] | None = None
        pending = self._respectively(scan)
        while True:
            match = NUMBER.search(scan.masked, position)
            if match is None:
                return found
            quantity = self._quantity(scan, match)
            position = match.end()
            if quantity is None or any(start < quantity.end and quantity.start < end for start, end in taken):
                continue
            while name_index < len(scan.names) and scan.names[name_index][1] <= match.start():
                name_index += 1
            assigned = pending.get(match.start())
            if assigned is not None:
                name, unit = assigned[0][2], assigned[1]
                quantity = _Quantity(
                    match.start(), match.end(), match.end(), quantity.value if quantity.second is None else float(match[0]), None
                )
                self._unit_after(scan.masked, quantity)
                if quantity.unit is None and unit is not None and any(unit in self.analytes[c]["units"] for c in name.candidates):
                    quantity.unit = unit
                items = self._resolve(scan, quantity, assigned[0], assigned_gap="")
            else:
                items, named = self._assign(scan, quantity, name_index, match.start(), last, found)
                name = named if named is not None else _Name()
            if items:
                found += items
                last = (quantity, items, name)
            if items or quantity.second is not None or isinstance(quantity.value, tuple):
                position = max(position, quantity.tail if items else position, quantity.second.end if quantity.second else quantity.end)

    def _assign(
        self,
        scan: _Scan,
        quantity: _Quantity,
        name_index: int,
        start: int,
        last: tuple[_Quantity, list[FoundMeasurement], _Name] | None,
        found: Sequence[FoundMeasurement],
    ) -> tuple[list[FoundMeasurement], _Name | None]:
        """Give the number to the name before it, to the series it continues, or to what its unit says."""
        series_from = last[0].tail if last else -1
        if name_index:
            named = scan.names[name_index - 1]
            if named[1] > series_from or not last:
                gap = scan.masked[named[1] : start]
                link = (
                    _LINK.fullmatch(gap) or _LINK.fullmatch(_CHANGE_BETWEEN.sub("", _TIME_BETWEEN.sub("", gap))) if len(gap) <= 40 else None
                )
                if link is not None and not self._loose(gap):
                    if quantity.unit is None and not quantity.foreign:
                        quantity.unit = scan.bracketed.get(named[1])
                    if self._names_analyte(scan, quantity, named, gap) and not (named[2].dependent and quantity.second is not None):
                        return self._resolve(scan, quantity, named, gap), named[2]
                if link is None and named[2].decoy and len(gap) <= 6 and not any(c == "，" or c.isdigit() for c in gap):
                    return [], None
        if last is not None and start - series_from <= 40:
            between = scan.masked[series_from:start]
            names_between = [n for n in scan.names[:name_index] if n[0] >= series_from and not n[2].dependent]
            resumes = quantity.unit == last[0].unit and not quantity.foreign and _RESUMES.fullmatch(between) is not None
            resumes = resumes and {c for n in names_between for c in n[2].candidates} <= {item.name for item in last[1]}
            follows = _SERIES.fullmatch(between) and not names_between and not quantity.foreign and self._continues(quantity, last, between)
            if (resumes and (quantity.second is None) == (last[0].second is None)) or follows:
                analytes = tuple(dict.fromkeys(item.name for item in last[1]))
                pressure = analytes[0] in ("systolic_bp", "diastolic_bp") and (quantity.second is not None or len(analytes) == 2)
                name = _Name(candidates=analytes[:1], pressure=pressure, needs_pair=pressure)
                return self._resolve(scan, quantity, (series_from, series_from, name), between), last[2]
        return self._nameless(scan, quantity, start, found), None

    def _loose(self, gap: str) -> bool:
        """Whether a gap breaks the clause in a way that no name reaches over: two commas, two line ends."""
        return gap.count("，") + gap.count(",") > 1 or gap.count("\n") > 1

    def _continues(self, quantity: _Quantity, last: tuple[_Quantity, list[FoundMeasurement], _Name], between: str) -> bool:
        """Whether a number without a name goes on with the last analyte."""
        before = last[0]
        if quantity.unit == "/min":
            value = quantity.value if not isinstance(quantity.value, tuple) else quantity.value[0]
            if not last[2].candidates or (last[1][0].name == "heart_rate" and value <= 45 and not between.strip(" ,，、")):
                return False
        if (quantity.second is None) != (before.second is None):
            return False
        stripped = between.strip(" ,，、;；")
        if quantity.unit is not None and before.unit is not None and quantity.unit != before.unit:
            return False
        if not stripped and not between.strip(" "):
            return False
        if not stripped and quantity.unit is None:
            return "、" in between and before.unit is None
        return bool(stripped) or quantity.unit is not None

    def _names_analyte(self, scan: _Scan, quantity: _Quantity, named: tuple[int, int, _Name], gap: str) -> bool:
        """Whether a word that may also say something else (餐后, 糖, 氧) is the name of its analyte here.

        A clipped name counts alone with a number of its range, without another unit, at the end of its clause.
        """
        start, _, name = named
        first = quantity.value[0] if isinstance(quantity.value, tuple) else quantity.value
        if name.pressure and name.clipped:
            low = None if quantity.second is None else quantity.second.value
            return isinstance(low, float) and (quantity.unit is not None or _can_be_pressure(first, low))
        if name.dependent and (quantity.unit in ("mmol/L", "mg/dL") or self._glucose_near(scan, start)):
            return True
        if not name.clipped:
            return not name.dependent
        row = self.analytes[name.candidates[0]]
        low, high = row["clipped"]["range"]
        if quantity.foreign or quantity.second is not None or quantity.unit not in (None, row["unit"]) or not low <= first <= high:
            return False
        return len(gap) <= _CLIPPED_GAP and _CLAUSE_ENDS.match(scan.masked, max(quantity.end, quantity.tail)) is not None

    def _glucose_near(self, scan: _Scan, start: int) -> bool:
        low = max(0, start - 60)
        if _TOLERANCE.search(scan.text, low, start):
            return True
        later = _FASTING_AND_LATER.search(scan.text, max(0, start - 30), start + 30)
        if later is not None and later.start() <= start < later.end():
            return True
        return any(n[0] >= low and not n[2].dependent and not _GLYCAEMIC.isdisjoint(n[2].candidates) for n in scan.names if n[0] < start)

    # -- numbers ---------------------------------------------------------------------------------------------------

    def _quantity(self, scan: _Scan, match: re.Match[str]) -> _Quantity | None:
        text = scan.masked
        value = parse_number(match[0])
        if value is None:
            return None
        start, end = match.span()
        if start and text[start - 1] == "." and match[0][0].isdigit():
            return None
        composed = _composed(text, end, value)
        if composed is not None:
            value, end, unit_id, tail = composed
            return _Quantity(start, end, tail, value, unit_id, self._comparator(text, start, end)[0])
        ocr = _MISREAD_POINT.match(text, end)
        if ocr and match[0].isdigit() and (ocr[2] or len(match[0]) == 2):
            value, end = float(f"{match[0]}.{ocr[1] or ocr[2]}"), ocr.end()
        quantity = _Quantity(start, end, end, value, None)
        self._unit_after(text, quantity)
        self._range(text, quantity)
        self._pair(text, quantity)
        comparator, first = self._comparator(text, start, quantity.end)
        if comparator is None:
            suffix = _SUFFIX.match(text, quantity.end if quantity.unit is None else quantity.tail)
            if suffix:
                comparator = ">=" if suffix[1] == "以上" else "<="
                if quantity.unit is None:
                    quantity.end = quantity.tail = suffix.end()
                    self._unit_after(text, quantity)
        quantity.comparator, quantity.start = comparator, first
        return quantity

    def _comparator(self, text: str, start: int, end: int) -> tuple[str | None, int]:
        match = _COMPARATOR.search(text, max(0, start - 5), start)
        if match is None:
            return None, start
        return _COMPARATORS.get(match[1], match[1]), match.start()

    def _unit_after(self, text: str, quantity: _Quantity) -> None:
        """Set unit and tail of a quantity from what follows its number."""
        position = quantity.end
        reference = _REFERENCE.match(text, position)
        if reference:
            position = reference.end()
        else:
            arrows = _ARROWS.match(text, position)
            if arrows:
                position = arrows.end()
            loose = _LOOSE_SUFFIX.match(text, position)
            if loose:
                position = loose.end()
        unit = self._unit.match(text, position)
        foreign = self._foreign.match(text, quantity.end)
        if foreign and (unit is None or foreign.end() > unit.end()) and not _cut_short(text, foreign.end()):
            quantity.foreign = self._foreign_kind[foreign[1].replace(" ", "")]
            quantity.tail = foreign.end()
            return
        if (
            unit is not None
            and not _cut_short(text, unit.end())
            and not (unit[0].endswith("升") and text[unit.end() : unit.end() + 1] in ("至", "到", "高"))
        ):
            key = next((name for name, value in unit.groupdict().items() if value is not None), None)
            quantity.unit = self._unit_of[key] if key else self._unit_of[unit[0].replace(" ", "").replace("\\", "/").strip()]
            quantity.tail = unit.end()
            if not reference:
                after = _REFERENCE.match(text, quantity.tail)
                if after:
                    quantity.tail = after.end()
        elif reference:
            quantity.tail = reference.end()

    def _range(self, text: str, quantity: _Quantity) -> None:
        link = _RANGE.match(text, quantity.tail if quantity.unit else quantity.end)
        if link is None:
            return
        match = NUMBER.match(text, link.end())
        if match is None or isinstance(quantity.value, tuple):
            return
        high = parse_number(match[0])
        if high is None or high <= quantity.value or high > quantity.value * 20 + 10:
            return
        following = _Quantity(match.start(), match.end(), match.end(), high, None)
        self._unit_after(text, following)
        if following.foreign == "time" and quantity.unit is not None:
            return
        if quantity.unit is not None and following.unit is not None and quantity.unit != following.unit:
            return
        quantity.value = (quantity.value, high)
        quantity.end, quantity.tail = following.end, following.tail
        quantity.unit = following.unit or quantity.unit
        quantity.foreign = following.foreign

    def _pair(self, text: str, quantity: _Quantity) -> None:
        link = _SLASH.match(text, quantity.tail if quantity.unit in ("mmHg", "kPa") else quantity.end)
        if link is None:
            return
        match = NUMBER.match(text, link.end())
        if match is None or match[0][0].isdigit() != text[quantity.start].isdigit():
            return
        second_value = parse_number(match[0])
        if second_value is None:
            return
        second = _Quantity(match.start(), match.end(), match.end(), second_value, None)
        self._unit_after(text, second)
        alone = replace(second)
        self._range(text, second)
        if isinstance(second.value, tuple) and _SLASH.match(text, second.end) is not None:
            second = alone  # 140/90~150/95: from one pair to another
        quantity.second = second
        quantity.unit = second.unit = second.unit or quantity.unit
        quantity.foreign = second.foreign
        quantity.tail = second.tail

    def _whole_unit(self, text: str) -> str | None:
        text = text.strip()
        match = self._unit.fullmatch(text) or self._unit.fullmatch("×" + text)
        if match is None:
            return None
        key = next((name for name, value in match.groupdict().items() if value is not None), None)
        return self._unit_of[key] if key else self._unit_of.get(match[0].replace(" ", ""))

    # -- meaning ---------------------------------------------------------------------------------------------------

    def _resolve(self, scan: _Scan, quantity: _Quantity, named: tuple[int, int, _Name], assigned_gap: str) -> list[FoundMeasurement]:
        start, end, name = named
        if name.decoy or self._excluded(scan, quantity, start):
            return []
        context = name.context or self._context(scan, quantity, start, end)
        if name.pressure:
            pair = self._pressure(scan, quantity, context, required=name.needs_pair)
            if pair or not name.candidates:
                return pair
        if quantity.second is not None:
            return []
        zone = self._zone(scan, start)
        candidates = name.candidates
        if zone == "urine":
            candidates = name.urine or tuple(c for c in candidates if self.analytes[c].get("specimen") or c in self._vitals)
        elif zone == "other":
            candidates = tuple(c for c in candidates if c in self._vitals)
        elif not candidates:
            return []
        soft_gap = any(word in assigned_gap for word in ("升高", "增高", "降低", "偏高", "偏低", "高", "低")) and "至" not in assigned_gap
        letters = end - start if all(is_ascii_letter(c) for c in scan.text[start:end]) else 99
        short = letters == 1 or (letters == 2 and bool(assigned_gap.strip(" :=")))
        for candidate in candidates:
            item = self._value(scan, quantity, candidate, context, name, letters, short=short, strict=soft_gap)
            if item is not None:
                return [item]
        return []

    def _value(
        self,
        scan: _Scan,
        quantity: _Quantity,
        analyte: str,
        context: str | None,
        name: _Name,
        letters: int = 99,
        *,
        short: bool,
        strict: bool,
    ) -> FoundMeasurement | None:
        row = self.analytes[analyte]
        if row.get("qualitative"):
            return None
        value, start = quantity.value, quantity.start
        if row.get("signed") and quantity.start and scan.text[quantity.start - 1] in "-+" and not isinstance(value, tuple):
            start -= 1
            value = -value if scan.text[start] == "-" else value
        if name.weak:
            low, high = row["weak"]["range"]
            first = value[0] if isinstance(value, tuple) else value
            if not low <= first <= high or (quantity.unit not in ("°C", None)) or quantity.foreign:
                return None
        factors: Mapping[str, Any] = row["units"]
        unit = quantity.unit
        if unit == "FEU" and "FEU" not in factors:
            unit = "mg/L"
        if unit is None and quantity.foreign:
            if quantity.foreign == "count" and "次" in factors and _TIMES.match(scan.text, quantity.end):
                unit = None
            else:
                return None
        tolerance = analyte == "glucose" and name.dependent and _TOLERANCE.search(scan.text, max(0, start - 60), start)
        if name.needs_unit and unit is None and not tolerance:
            return None
        if unit is not None and unit in factors:
            factor = factors[unit]
            if factor == "reject":
                return None
            if factor == "as_written":
                return FoundMeasurement(start, quantity.end, analyte, value, quantity.comparator, unit, value, unit, None, context)
            if row.get("nitrogen") and unit == "mg/dL" and self._is_nitrogen(scan, quantity, row):
                factor = 0.357
            canonical = _convert(value, factor)
            flag = self._flag(row, canonical, scan.age_years)
            shown = unit
            return FoundMeasurement(start, quantity.end, analyte, value, quantity.comparator, shown, canonical, row["unit"], flag, context)
        if unit is not None and not row.get("dimensionless") and not (unit == "分" and analyte == "gcs"):
            if quantity.foreign or unit in _NEVER_CONCENTRATIONS or short or letters <= 2:
                return None
            if len(name.candidates) > 1 or unit in ("°C", "°F", "mL", "L", "s", "分", "尺", "寸", "m", "mm", "cm", "g", "kg", "斤"):
                return None
            return FoundMeasurement(start, quantity.end, analyte, value, quantity.comparator, unit, None, None, "unit_unknown", context)
        if unit is not None and row.get("dimensionless"):
            return None
        return self._inferred(scan, quantity, row, value, start, context, name, short=short, strict=strict)

    def _inferred(
        self,
        scan: _Scan,
        quantity: _Quantity,
        row: Mapping[str, Any],
        value: Value,
        start: int,
        context: str | None,
        name: _Name,
        *,
        short: bool,
        strict: bool,
    ) -> FoundMeasurement | None:
        """A value without a unit: inferred only where custom leaves no doubt, and flagged where it does."""
        analyte = row["id"]
        probe = value[0] if isinstance(value, tuple) else value
        raised = "infer_raised" in row and (strict or _RAISED.match(scan.text, quantity.tail) is not None)
        for low, high, unit in (*row["infer"], *row["infer_raised"]) if raised else row["infer"]:
            if low <= probe <= high:
                if unit == "ratio":
                    canonical = _convert(value, 100)
                elif unit == "permille":
                    canonical = _convert(value, 0.001)
                else:
                    canonical = _convert(value, row["units"].get(unit, 1))
                flag = self._flag(row, canonical, scan.age_years)
                return FoundMeasurement(
                    start, quantity.end, analyte, value, quantity.comparator, None, canonical, row["unit"], flag, context
                )
        doubtful = short or strict or name.weak or len(name.candidates) > 1 or name.dependent
        if doubtful and not (analyte in self._vitals and not strict and self._in_run(scan, quantity)):
            return None
        if row.get("drop_outside"):
            return None
        factors = [factor for factor in row["units"].values() if factor != "as_written"]
        if (factors and all(factor == 1 for factor in factors)) or analyte == "temperature":
            flag = self._flag(row, value, scan.age_years) or "soft_alarm"
            return FoundMeasurement(start, quantity.end, analyte, value, quantity.comparator, None, value, row["unit"], flag, context)
        return FoundMeasurement(start, quantity.end, analyte, value, quantity.comparator, None, None, None, "unit_missing", context)

    def _shown(self, unit: str | None) -> str | None:
        """A unit as answers carry it: the micro sign of the house, nothing for pure numbers."""
        return None if unit in (None, "1") else str(unit).replace("μ", "µ")

    def _in_run(self, scan: _Scan, quantity: _Quantity) -> bool:
        """Whether at least two vital signs stand close by, so that a bare letter is a vital sign too."""
        near = [n for n in scan.names if abs(n[0] - quantity.start) <= 40]
        kinds = {
            n[2].candidates[0] if n[2].candidates else "bp"
            for n in near
            if n[2].pressure or (n[2].candidates and n[2].candidates[0] in self._vitals)
        }
        return len(kinds) >= 3

    def _is_nitrogen(self, scan: _Scan, quantity: _Quantity, row: Mapping[str, Any]) -> bool:
        before = scan.text[max(0, quantity.start - 16) : quantity.start]
        return any(name in before for name in row["nitrogen"])

    def _flag(self, row: Mapping[str, Any], value: Value, age_years: float | None) -> str | None:
        hard, soft = [tuple(row["hard"])], [tuple(row["soft"])]
        if age_years is None or age_years < 14:
            hard += [tuple(row["hard_child"])] if "hard_child" in row else []
            soft += [tuple(row["soft_child"])] if "soft_child" in row else []
        if age_years is not None and age_years < 14 and "soft_child" in row:
            soft = [tuple(row["soft_child"])]
        values = value if isinstance(value, tuple) else (value,)
        if any(not any(low <= v <= high for low, high in hard) for v in values):
            return "implausible"
        if any(not any(low <= v <= high for low, high in soft) for v in values):
            return "soft_alarm"
        return None

    def _pressure(self, scan: _Scan, quantity: _Quantity, context: str | None, *, required: bool) -> list[FoundMeasurement]:
        systolic, diastolic = quantity, quantity.second
        if diastolic is None:
            swapped = self._dash_pair(scan, quantity)
            if swapped is not None:
                diastolic = swapped
            elif required or quantity.foreign:
                return []
        if quantity.foreign and quantity.unit is None:
            return []
        unit = quantity.unit
        if unit is not None and unit not in ("mmHg", "kPa"):
            return []
        probe = systolic.value[0] if isinstance(systolic.value, tuple) else systolic.value
        low = None if diastolic is None else (diastolic.value[0] if isinstance(diastolic.value, tuple) else diastolic.value)
        assumed = unit or ("kPa" if probe < 38 and (low is None or low < 20) else "mmHg")
        factor = self.analytes["systolic_bp"]["units"][assumed]
        items = []
        for name, part in (("systolic_bp", systolic), ("diastolic_bp", diastolic)):
            if part is None:
                continue
            canonical = _convert(part.value, factor)
            flag = self._flag(self.analytes[name], canonical, scan.age_years)
            start, end = part.start, part.end
            items.append(FoundMeasurement(start, end, name, part.value, part.comparator, unit, canonical, "mmHg", flag, context))
        if diastolic is not None:
            quantity.tail = max(quantity.tail, diastolic.tail)
            quantity.second = diastolic
        return items

    def _dash_pair(self, scan: _Scan, quantity: _Quantity) -> _Quantity | None:
        """`150-90` after 血压 is a pair written with a dash, `150 90` with a space."""
        if isinstance(quantity.value, tuple) or quantity.value < 70:
            return None
        match = _DASH_PAIR.match(scan.masked, quantity.end)
        if match is None:
            return None
        low = float(match[1])
        if not (30 <= low <= 150 and quantity.value - low >= 15):
            return None
        second = _Quantity(match.start(1), match.end(1), match.end(1), low, None)
        self._unit_after(scan.masked, second)
        if second.foreign or second.unit not in (None, "mmHg"):
            return None
        if second.unit is None and not scan.masked[match.start() : match.start(1)].strip():
            return None
        quantity.unit = second.unit or quantity.unit
        return second

    def _nameless(self, scan: _Scan, quantity: _Quantity, start: int, found: Sequence[FoundMeasurement]) -> list[FoundMeasurement]:
        """Numbers that their unit alone explains: a pressure pair, a body temperature, rates after a temperature."""
        if self._excluded(scan, quantity, quantity.start):
            return []
        if quantity.second is not None:
            top = quantity.value[0] if isinstance(quantity.value, tuple) else quantity.value
            low = quantity.second.value[0] if isinstance(quantity.second.value, tuple) else quantity.second.value
            near = [item for item in found if 0 <= quantity.start - item.end <= 40]
            series = any(item.name == "diastolic_bp" for item in near) and not _SENTENCE_END.search(scan.text, near[-1].end, quantity.start)
            run = {item.name for item in near} & {"temperature", "heart_rate", "respiratory_rate", "systolic_bp"}
            taken = _TAKEN.search(scan.text, max(0, quantity.start - 14), quantity.start) is not None
            closed = _CLAUSE_ENDS.match(scan.masked, quantity.second.tail) is not None
            high_alone = closed and top >= _HIGH_ALONE and _CLAUSE_OPENS.search(scan.masked, 0, quantity.start) is not None
            taken = (taken and closed) or high_alone
            if quantity.unit in ("mmHg", "kPa") or (
                quantity.unit is None and not quantity.foreign and (taken or len(run) >= 2 or series) and _can_be_pressure(top, low)
            ):
                return self._pressure(scan, quantity, self._context(scan, quantity, start, start), required=True)
            return []
        if quantity.unit == "°C" and not isinstance(quantity.value, tuple) and not quantity.foreign:
            written = scan.text[quantity.start : quantity.tail]
            sure = "℃" in written or "°c" in written or "摄氏度" in written
            if 34 <= quantity.value <= 42.5 and (sure or (quantity.value >= 37 and "度" in written)):
                if not sure and re.search(
                    r"(?:屈|伸|抬|举|角|斜|弯|转|展|近视|散光|[ⅰⅱⅲ])[^，。；]{0,8}$", scan.text[max(0, start - 10) : start]
                ):
                    return []
                name = _Name(candidates=("temperature",))
                item = self._value(
                    scan, quantity, "temperature", self._context(scan, quantity, start, start), name, short=False, strict=False
                )
                return [item] if item else []
        if isinstance(quantity.value, tuple) and quantity.unit == "°C" and 35 <= quantity.value[0] <= 42 and quantity.value[1] <= 43:
            item = self._value(
                scan,
                quantity,
                "temperature",
                self._context(scan, quantity, start, start),
                _Name(("temperature",)),
                short=False,
                strict=False,
            )
            return [item] if item else []
        if quantity.unit == "/min" and found:
            before = found[-1]
            unit = self._unit.match(scan.masked, before.end)
            between = scan.masked[unit.end() if unit else before.end : start]
            if _LINK.fullmatch(between) and before.name in ("temperature", "heart_rate"):
                analyte = "heart_rate" if before.name == "temperature" else "respiratory_rate"
                item = self._value(scan, quantity, analyte, None, _Name((analyte,)), short=False, strict=False)
                return [item] if item else []
        return []

    def _respectively(self, scan: _Scan) -> dict[int, tuple[tuple[int, int, _Name], str | None]]:
        """`身高、体重分别为170cm、65kg`: the start of each number with its name and the unit of the last."""
        assigned: dict[int, tuple[tuple[int, int, _Name], str | None]] = {}
        index = 0
        while index < len(scan.names) - 1:
            run = [scan.names[index]]
            while index + len(run) < len(scan.names):
                following = scan.names[index + len(run)]
                gap = scan.masked[run[-1][1] : following[0]]
                if len(gap) > 3 or not _LIST_LINK.fullmatch(gap) or following[2].decoy or following[2].dependent:
                    break
                run.append(following)
            index += len(run)
            if len(run) < 2 or any(item[2].decoy or item[2].pressure for item in run):
                continue
            head = _RESPECTIVE_HEAD.match(scan.masked, run[-1][1])
            position = head.end() if head else run[-1][1]
            starts: list[int] = []
            unit: str | None = None
            while len(starts) < len(run):
                match = NUMBER.match(scan.masked, position)
                if match is None:
                    break
                starts.append(match.start())
                part = _Quantity(match.start(), match.end(), match.end(), 0.0, None)
                self._unit_after(scan.masked, part)
                unit = part.unit
                link = _LIST_LINK.match(scan.masked, part.tail if part.unit else part.end)
                if link is None:
                    break
                position = link.end()
            if len(starts) == len(run):
                assigned.update({start: (item, unit) for start, item in zip(starts, run, strict=True)})
        return assigned

    def _qualitative(self, scan: _Scan) -> list[FoundMeasurement]:
        found: list[FoundMeasurement] = []
        last = -1
        for start, end, name in scan.names:
            follows = last >= 0 and start - last <= 12 and not _SENTENCE_END.search(scan.text, last, start)
            urine = self._zone(scan, start) == "urine" or follows
            candidates = [c for c in (name.candidates + (name.urine if urine else ())) if self.analytes[c].get("qualitative")]
            if not candidates or subject_at(scan.subjects, start) is not None:
                continue
            match = _QUALITATIVE.match(scan.text, end)
            if match is None:
                continue
            written = match[1].replace(" ", "")
            value = _grade(written)
            last = match.end()
            found.append(FoundMeasurement(match.start(1), match.end(1), candidates[0], value, None, None, value, None, None, None))
        return found

    def _gestation(self, scan: _Scan) -> list[FoundMeasurement]:
        found: list[FoundMeasurement] = []
        for match in _GESTATION.finditer(scan.text):
            group = 1 if match[1] else 4
            weeks, _, days = match[group].replace(" ", "").partition("+")
            extra = float(days) if days else float(match[3]) if match[3] else 0.0
            end = match.end(3) if match[3] else match.end(group)
            if self._lifetimes.is_womb_size(scan.text[max(0, match.start() - 12) : match.start()]):
                continue
            if subject_at(scan.subjects, match.start()) is not None or re.search(
                r"(?:曾|前次|上次|第[一二三]胎|年)[^，。；]{0,8}$", scan.text[: match.start()]
            ):
                continue
            value = round(float(weeks) + extra / 7, 2)
            row = self.analytes["pregnancy_weeks"]
            found.append(
                FoundMeasurement(
                    match.start(group), end, "pregnancy_weeks", value, None, "周", value, "周", self._flag(row, value, None), None
                )
            )
        return found

    def _tolerance(self, scan: _Scan) -> list[FoundMeasurement]:
        """OGTT 4.9-9.8-7.6: the glucose of a tolerance test, fasting, after one hour, after two."""
        found: list[FoundMeasurement] = []
        for match in _TOLERANCE_RUN.finditer(scan.masked) if "ogtt" in scan.masked or "糖耐" in scan.masked else ():
            if subject_at(scan.subjects, match.start()) is not None:
                continue
            contexts = ("fasting", "postprandial_1h", "ogtt_2h") if match[3] else ("fasting", "ogtt_2h")
            row = self.analytes["glucose"]
            for group, context in enumerate(contexts, 1):
                value = float(match[group])
                flag = self._flag(row, value, scan.age_years)
                unit = "mmol/L" if match["unit"] else None
                found.append(
                    FoundMeasurement(match.start(group), match.end(group), "glucose", value, None, unit, value, "mmol/L", flag, context)
                )
        return found

    def given(
        self, name: str, value: float, unit: str | None
    ) -> tuple[str, float, str | None, Value | None, str | None, str | None, str | None]:
        """A measurement given as data: name, value, unit, canonical value and unit, flag, context.

        Names may be house names, contextual names (fasting_glucose) or names as records write them; an unknown name is
        kept as it is.
        """
        context = None
        key = name.strip().lower()
        if key in _CONTEXTUAL_NAMES:
            key, context = _CONTEXTUAL_NAMES[key]
        if key not in self.analytes:
            named = self._names.longest_at(key, 0) if key else None
            if named is None or named[0] != len(key) or not named[1].candidates:
                return name, value, unit, value, unit, None, None
            key, context = named[1].candidates[0], named[1].context
        row = self.analytes[key]
        written = None if unit is None else self._whole_unit(unit.lower().replace("µ", "μ"))
        factors = row["units"]
        if written is None and unit is not None and unit.strip() in ("1", row["unit"]):
            written = row["unit"]
        if written is not None and written in factors and not isinstance(factors[written], str):
            canonical: Value | None = _convert(value, factors[written])
        elif unit is None:
            fitting = next((u for low, high, u in row["infer"] if low <= value <= high), None)
            canonical = (
                None if fitting is None else _convert(value, {"ratio": 100, "permille": 0.001}.get(fitting, factors.get(fitting, 1)))
            )
        else:
            canonical = None
        if canonical is None:
            missing = "unit_missing" if unit is None else "unit_unknown"
            return key, value, unit, None, None, missing, context
        return key, value, unit, canonical, self._shown(row["unit"]), self._flag(row, canonical, None), context

    # -- surroundings ----------------------------------------------------------------------------------------------

    def _zones(self, text: str, masked: str) -> list[tuple[int, int, str]]:
        """Stretches that speak of a specimen: from its word to the end of the sentence or the next specimen."""
        zones: list[tuple[int, int, str]] = []
        for start, end, kind in self._specimens.find(masked):
            if kind == "other" and not text[end : end + 4].lstrip().startswith(self._specimen_marks):
                continue
            if zones and zones[-1][1] > start:
                zones[-1] = (zones[-1][0], start, zones[-1][2])
            stop = _SENTENCE_END.search(text, end)
            zones.append((start, stop.start() if stop else len(text), kind))
        return [zone for zone in zones if zone[2] != "blood"]

    def _zone(self, scan: _Scan, position: int) -> str | None:
        for start, end, kind in scan.zones:
            if start <= position < end:
                return kind
        return None

    def _excluded(self, scan: _Scan, quantity: _Quantity, name_start: int) -> bool:
        """Another person's value, a target, a reference, or a value that is only warned of."""
        if subject_at(scan.subjects, name_start) is not None:
            return True
        before = scan.text[max(0, name_start - 24) : quantity.start]
        if _TARGET.search(before) or _CONDITION.search(before):
            return True
        return quantity.comparator is not None and bool(_INSTRUCTION.match(scan.text, quantity.tail))

    def _context(self, scan: _Scan, quantity: _Quantity, start: int, end: int) -> str | None:
        """The context word nearest before the number, or in brackets after it."""
        text = scan.text
        low = max(0, start - 8)
        for mark in ("，", "。", "；", ";", "\n", ","):
            low = max(low, text.rfind(mark, low, start if end > start else quantity.start) + 1)
        found: str | None = None
        closed = False
        for at, until, context in self._contexts.find(text[low : quantity.start]):
            near = low + at >= start or start - (low + until) <= 2
            if until - at > _SINGLE_SIGN_CONTEXT or near:
                found = context
                closed = text[low + until : low + until + 1] == ")"
        bracket = _BRACKET_AFTER.match(text, quantity.tail)
        if bracket and (found is None or closed):
            # 150/95(左) 146/90(右): each bracket speaks of the number before it
            found = next((context for _, _, context in self._contexts.find(bracket[1])), found)
        return found


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a short name is one: no part of a unit (10^9/l, 16mg) nor of a drug (亚叶酸钙, 头孢西丁钠)."""
    if not start:
        return True
    before, word = text[start - 1], text[start:end]
    if word[0].isdigit() and (before.isdigit() or before == "."):
        return False
    if end - start == 1 and before in "/^":
        return False
    if before.isdigit() and word in ("mg", "l", "k", "db", "d", "e"):
        return False
    return not (
        "一" <= word <= "鿿" and end - start == 1 and "一" <= before <= "鿿" and before not in "质子及和示清查为测度量验后的娃还又他她"
    )


_CONTEXTUAL_NAMES = {"fasting_glucose": ("glucose", "fasting"), "postprandial_glucose": ("glucose", "postprandial_2h")}
_NEVER_CONCENTRATIONS = frozenset({"mL/h", "mm", "m", "尺", "寸", "斤", "kg", "g", "mL", "L", "分"})


def _spelling_pattern(spelling: str) -> str:
    return re.escape(spelling).replace(r"\ ", r"\s?").replace("/", r"\s?[/\\]\s?")


def _cut_short(text: str, end: int) -> bool:
    """Whether a Latin unit goes on with letters, so that it was another word."""
    return end < len(text) and is_ascii_letter(text[end - 1]) and is_ascii_letter(text[end])


def _composed(text: str, end: int, value: float) -> tuple[float, int, str, int] | None:
    """Numbers with the unit inside: 38度5, 1米62, 2尺7, 8斤2两. Gives value, end of number, unit, end of all."""
    if value != int(value):
        return None
    fever = _FEVER.match(text, end)
    if fever and 34 <= value <= 42:
        fraction = 0.5 if fever[2] == "半" else float(parse_number(fever[2]) or _SINGLE.get(fever[2], 0)) / 10
        return value + fraction, fever.end(2), "°C", fever.end()
    metres = _METRES.match(text, end)
    if metres and 0 <= value <= 2:
        digits = (
            metres[1]
            if metres[1].isdigit()
            else str(_SINGLE.get(metres[1][0], 0)) + (str(_SINGLE.get(metres[1][1], 0)) if len(metres[1]) > 1 else "")
        )
        return value + float(f"0.{digits}"), metres.end(1), "m", metres.end()
    thousands = _TEN_THOUSANDS.match(text, end)
    if thousands:
        return (
            value + (float(thousands[1]) if thousands[1].isdigit() else _SINGLE[thousands[1]]) / 10,
            thousands.end(1),
            "万/μL",
            thousands.end(),
        )
    feet = _FEET.match(text, end)
    if feet and value <= 6:
        fraction = float(feet[1]) / 10 if feet[1].isdigit() else _SINGLE.get(feet[1], 5) / 10
        return value + fraction, feet.end(1), "尺", feet.end()
    pounds = _POUNDS.match(text, end)
    if pounds:
        fraction = 0.5 if pounds[1] == "半" else (float(pounds[1]) if pounds[1].isdigit() else _SINGLE.get(pounds[1], 0)) / 10
        return value + fraction, pounds.end(1), "斤", pounds.end()
    return None


_SINGLE = {sign: number for number, sign in enumerate("零一二三四五六七八九")}
_NO_TIME = r"(?!\d|\.|\s?(?:天|日|小时|次|年|周|个|月|h|分|岁|℃|°|度))"
_FEVER = re.compile(r"(度|°c?|℃)([0-9一二三四五六七八九半])" + _NO_TIME)
_METRES = re.compile(r"(?:米|m)(\d{1,2}|[一二三四五六七八九]{1,2})(?![\d.米]|m)(?:\s?(?:cm|厘米)(?![a-z]))?")
_TEN_THOUSANDS = re.compile(r"万([1-9一二三四五六七八九])(?:千|(?![\d.千百]))(?:/\s?(?:[uμ]l|mm3))?")
_FEET = re.compile(r"尺([\d一二三四五六七八九半])(?!\d|\.)寸?")
_POUNDS = re.compile(r"斤([\d一二三四五六七八九半])(?:两|(?![\d.]|\s?(?:天|日|年|周|个|月|小时)))")


def _can_be_pressure(top: float, low: float) -> bool:
    """Whether two numbers that nothing names can be a blood pressure in mmHg."""
    return 70 <= top <= 260 and 40 <= low <= 150 and top - low >= 15


def _convert(value: Value, factor: Any) -> Value:
    scale, offset = (factor[0], factor[1]) if isinstance(factor, (list, tuple)) else (factor, 0.0)

    def one(number: float) -> float:
        return float(f"{number * scale + offset:.6g}")

    return (one(value[0]), one(value[1])) if isinstance(value, tuple) else one(value)


def _grade(written: str) -> float:
    """The value of a qualitative result: − 0, ± 0.5, + to ++++ 1 to 4."""
    if written in ("-", "阴性"):
        return 0.0
    if written in ("±", "+-", "+/-", "弱阳性"):
        return 0.5
    digits = [sign for sign in written if sign.isdigit()]
    return float(digits[0]) if digits else float(max(1, written.count("+")))


def _cross_check(found: list[FoundMeasurement]) -> list[FoundMeasurement]:
    """Pairs that cannot be together: diastolic not below systolic, HDL not below total cholesterol."""
    out = list(found)
    cholesterol = next((item for item in out if item.name == "total_cholesterol" and isinstance(item.canonical_value, float)), None)
    for index, item in enumerate(out):
        value = item.canonical_value
        if item.name == "diastolic_bp" and index and out[index - 1].name == "systolic_bp":
            top = out[index - 1].canonical_value
            if isinstance(top, float) and isinstance(value, float) and item.start - out[index - 1].end <= 12:
                flag = "implausible" if value >= top else "soft_alarm" if not 15 <= top - value <= 120 else None
                if flag:
                    out[index - 1] = replace(out[index - 1], flag=_worse(out[index - 1].flag, flag))
                    out[index] = replace(item, flag=_worse(item.flag, flag))
        total = None if cholesterol is None else cholesterol.canonical_value
        if item.name == "hdl_cholesterol" and isinstance(total, float) and isinstance(value, float) and value >= total:
            out[index] = replace(item, flag="implausible")
    return out


def _worse(first: str | None, second: str) -> str:
    return "implausible" if "implausible" in (first, second) else second


def _compile_names(table: Mapping[str, Any]) -> dict[str, _Name]:
    names: dict[str, _Name] = {}

    def add(word: str, **changes: Any) -> None:
        before = names.get(word, _Name())
        merged = {key: (getattr(before, key) + value if isinstance(value, tuple) else value) for key, value in changes.items()}
        names[word] = replace(before, **merged)

    for word in table["decoys"]:
        add(word, decoy=True)
    for row in table["analytes"]:
        for word in row["names"]:
            add(word, candidates=(row["id"],), decoy=False)
        for word in row.get("urine_names", ()):
            add(word, urine=(row["id"],))
        for word in row.get("needs_unit", ()):
            add(word, candidates=(row["id"],), decoy=False, needs_unit=True)
        for word in row.get("weak", {}).get("names", ()):
            add(word, candidates=(row["id"],), decoy=False, weak=True)
        for word in row.get("clipped", {}).get("names", ()):
            add(word, candidates=(row["id"],), decoy=False, clipped=True)
        for word, context in row.get("contextual", {}).items():
            add(word, candidates=(row["id"],), context=context, decoy=False)
        for word in row.get("dependent", ()):
            add(word, dependent=True)
    for word in table["blood_pressure"]["names"]:
        add(word, pressure=True, candidates=("systolic_bp",), decoy=False)
    for word in table["blood_pressure"]["needs_pair"]:
        names[word] = _Name(pressure=True, needs_pair=True)
    for word in table["blood_pressure"]["clipped"]:
        names[word] = _Name(pressure=True, needs_pair=True, clipped=True)
    return names
