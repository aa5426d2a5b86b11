"""Small SVG charts for the resident's report: risk with its levers, and trends with their goals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

RED, AMBER, GREEN, BLUE, GREY, INK = "#c0392b", "#d68910", "#1e8449", "#1f618d", "#b8c0c8", "#26323b"
WIDTH = 640


def _text(x: float, y: float, words: str, *, size: int = 15, anchor: str = "start", colour: str = INK, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">{escape(words)}</text>'


def _risk_colour(percent: float) -> str:
    return GREEN if percent < 5 else AMBER if percent < 10 else RED


def risk_chart(now: float, ideal: float, levers: Sequence[Mapping[str, Any]]) -> str:
    """Bars of the 10-year risk (per cent): now, with each lever, and where everything is ideal."""
    bars = [("现在", now), *((str(lever["lever"]), float(lever["risk_then"])) for lever in levers), ("同龄人各项理想", ideal)]
    left, right, height, gap = 190.0, 90.0, 26.0, 14.0
    top = 34.0
    most = max(12.0, *(value for _, value in bars)) * 1.05
    scale = (WIDTH - left - right) / most
    total = top + len(bars) * (height + gap) + 6
    parts = [f'<svg viewBox="0 0 {WIDTH} {total:.0f}" role="img" aria-label="10年心脑血管病风险">']
    for cut, name in ((5, "5%"), (10, "10%")):
        x = left + cut * scale
        parts.append(f'<line x1="{x:.1f}" y1="{top - 8:.0f}" x2="{x:.1f}" y2="{total - 6:.0f}" stroke="{GREY}" stroke-dasharray="4 4"/>')
        parts.append(_text(x, top - 14, name, size=13, anchor="middle", colour="#6b7780"))
    for row, (name, value) in enumerate(bars):
        y = top + row * (height + gap)
        parts.append(_text(left - 12, y + 19, name, anchor="end"))
        parts.append(
            f'<rect x="{left}" y="{y:.1f}" width="{max(value * scale, 2):.1f}" height="{height}" rx="4" fill="{_risk_colour(value)}"/>'
        )
        parts.append(_text(left + value * scale + 8, y + 19, f"{value:.1f}%", weight="bold"))
    parts.append("</svg>")
    return "".join(parts)


def trend_chart(
    title: str, series: Sequence[tuple[str, str, Sequence[Mapping[str, Any]]]], goals: Sequence[tuple[str, float]], decimals: int = 0
) -> str:
    """Lines over dates.

    Args:
        title: for screen readers.
        series: (name, colour, points `{"date", "value"}`), at least two points each.
        goals: (name, value) drawn as dashed lines.
        decimals: of the values shown.
    """
    days = sorted({dt.date.fromisoformat(point["date"]) for _, _, points in series for point in points})
    values = [float(point["value"]) for _, _, points in series for point in points] + [value for _, value in goals]
    low, high = min(values), max(values)
    pad = max((high - low) * 0.15, 0.5)
    low, high = low - pad, high + pad
    left, right, top, bottom, height = 46.0, 120.0, 14.0, 34.0, 230.0
    span = max((days[-1] - days[0]).days, 1)

    def x_of(day: dt.date) -> float:
        return left + (day - days[0]).days / span * (WIDTH - left - right)

    def y_of(value: float) -> float:
        return top + (high - value) / (high - low) * (height - top - bottom)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">',
        f'<line x1="{left}" y1="{height - bottom}" x2="{WIDTH - right}" y2="{height - bottom}" stroke="{GREY}"/>',
    ]
    for _, value in goals:
        y = y_of(value)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{WIDTH - right}" y2="{y:.1f}" stroke="{GREEN}" stroke-dasharray="6 4"/>')
        parts.append(_text(left - 6, y + 5, f"{value:g}", size=13, anchor="end", colour=GREEN))
    labels: list[tuple[float, str, str]] = [(y_of(value), name, GREEN) for name, value in goals]
    for name, colour, points in series:
        line = " ".join(f"{x_of(dt.date.fromisoformat(point['date'])):.1f},{y_of(float(point['value'])):.1f}" for point in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="3"/>')
        for point in points:
            x, y = x_of(dt.date.fromisoformat(point["date"])), y_of(float(point["value"]))
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>')
            parts.append(_text(x, y - 10, f"{float(point['value']):.{decimals}f}", size=13, anchor="middle", colour=colour))
        labels.append((y_of(float(points[-1]["value"])), name, colour))
    last = -100.0
    for y, name, colour in sorted(labels):
        y = max(y, last + 18)
        last = y
        parts.append(_text(WIDTH - right + 10, y + 5, name, size=14, colour=colour))
    for day in (days[0], days[-1]):
        parts.append(_text(x_of(day), height - 12, day.isoformat(), size=13, anchor="start" if day == days[0] else "end", colour="#6b7780"))
    parts.append("</svg>")
    return "".join(parts)
