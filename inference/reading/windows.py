"""Cutting long text into overlapping windows, and joining what the windows saw."""

from __future__ import annotations

from dataclasses import dataclass

STRONG_BREAKS = "。；;！!？?\n"
WEAK_BREAKS = "，,、 　\t"


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of code points of the text."""

    start: int
    end: int


def best_cut(text: str, low: int, high: int) -> int:
    """The position in ``(low, high]`` after the last strong break, else after the last weak one, else ``high``."""
    for breaks in (STRONG_BREAKS, WEAK_BREAKS):
        cut = max((text.rfind(mark, low, high) for mark in breaks), default=-1)
        if cut >= low:
            return cut + 1
    return high


def cut_windows(text: str, size: int, overlap: int) -> list[Window]:
    """Cover the text with windows of at most ``size`` code points.

    Windows end after a sentence where one ends in their second half; each next window starts ``overlap`` code points
    back, or at the last cut itself where that was the end of a sentence (nothing then spans it).
    """
    if not 0 <= overlap < size // 2:
        raise ValueError("overlap must be less than half of the window size")
    windows: list[Window] = []
    start = 0
    while len(text) - start > size:
        end = best_cut(text, start + size // 2, start + size)
        windows.append(Window(start, end))
        start = end if text[end - 1] in STRONG_BREAKS else max(end - overlap, start + 1)
    if start < len(text) or not windows:
        windows.append(Window(start, len(text)))
    return windows


def distance_to_edge(window: Window, start: int, end: int, length: int) -> int:
    """Code points between a span and the nearest *cut* edge of its window; a text's own ends are no cuts."""
    left = start - window.start if window.start > 0 else length
    right = window.end - end if window.end < length else length
    return min(left, right)


def is_core(windows: list[Window], index: int, start: int, end: int, length: int) -> bool:
    """Whether a span found in window ``index`` counts.

    Of all windows that hold it whole, only the one where it lies farthest from a cut edge speaks for it; the earlier
    one wins a tie.
    """
    here = distance_to_edge(windows[index], start, end, length)
    for other, window in enumerate(windows):
        if other == index or window.start > start or window.end < end:
            continue
        there = distance_to_edge(window, start, end, length)
        if there > here or (there == here and other < index):
            return False
    return True
