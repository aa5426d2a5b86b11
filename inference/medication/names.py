"""From an order's name to a medicine of the knowledge base."""

from __future__ import annotations

import re
import unicodedata

from knowledge_base.compiled import KnowledgeBase

_FORMS = re.compile(
    r"(肠溶|缓释|控释|分散|咀嚼|泡腾|口崩|口服|外用|注射用|复方?(?=阿莫西林))?"
    r"(片剂?|胶囊|软胶囊|颗粒|冲剂|口服液|口服溶液|溶液|注射液|粉针|针剂?|糖浆|滴剂|滴眼液|滴鼻液|滴耳液|软膏|乳膏|凝胶|栓剂?|喷雾剂|气雾剂|吸入剂|混悬液|干混悬剂|丸|散|贴膏?|洗剂)$"
)
_PREFIX = re.compile(
    r"^(注射用|盐酸|硫酸|马来酸|酒石酸|枸橼酸|富马酸|磷酸|醋酸|苯磺酸|氢溴酸|甲磺酸|琥珀酸|琥乙|门冬氨酸|葡萄糖酸|乳酸|硝酸|左旋|重酒石酸)"
)
_SALT = re.compile(r"(钠|钾|钙|盐酸盐|硫酸盐)$")
_NOTE = re.compile(r"[（(【\[].*?[）)】\]]|\d+(\.\d+)?\s*(mg|g|ml|毫克|克|毫升|万?单位|u|iu)\b.*$", re.IGNORECASE)


def plain(name: str) -> str:
    """A name without brackets, strength and dosage form."""
    text = _NOTE.sub("", unicodedata.normalize("NFKC", name)).strip().lower().replace(" ", "")
    shorter = _FORMS.sub("", text)
    return shorter or text


class MedicineNames:
    """Names of medicines, with salts and forms taken off step by step."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.table: dict[str, str] = {}
        for ident, medicine in kb.medicines.items():
            for name in (medicine["name"], *medicine.get("aliases", ())):
                self.table.setdefault(unicodedata.normalize("NFKC", name).lower().replace(" ", ""), ident)
        for name, ident in list(self.table.items()):
            self.table.setdefault(plain(name), ident)
            self.table.setdefault(_SALT.sub("", _PREFIX.sub("", plain(name))), ident)

    def find(self, name: str) -> str | None:
        """The medicine of an order's name; None where the knowledge base does not hold it."""
        text = unicodedata.normalize("NFKC", name).lower().replace(" ", "")
        bare = plain(name)
        unsalted = _PREFIX.sub("", bare)
        for attempt in (text, bare, unsalted, _SALT.sub("", unsalted)):
            if attempt in self.table:
                return self.table[attempt]
        return None
