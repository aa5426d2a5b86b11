"""Chronic-disease grading and management: one resident, one instrument, or a county's table."""
