"""Prescription checks: graded hints from the medicines' own rules, never a block."""
