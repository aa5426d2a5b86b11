"""Inputs that the metabolic syndrome definitions share."""

from __future__ import annotations

from knowledge_base.rules.instrument import DBP, FPG, HDL, SBP, SEX, TG, WAIST, flag

DM_TREATED = flag("dm_treated", "已诊断糖尿病或用降糖药")
BP_TREATED = flag("bp_treated", "服降压药")
LIPID_TREATED = flag("lipid_treated", "服调脂药")
MEASURED = (SEX, WAIST, FPG)
REST = (SBP, DBP, TG, HDL)
SAYS = {True: "符合代谢综合征：减重、限盐、运动，逐项管理。", False: "不符合代谢综合征。"}
