"""Who may ask, and how often: API keys (hashed) with constant-time comparison, a token bucket for each key."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time

from data_contracts.problems import XinglinError
from inference.settings import Settings


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_unsafe(settings: Settings) -> None:
    """Refuse to listen beyond loopback without keys; every problem is said at once."""
    problems = []
    keys = [key for key in settings.api_keys.split(",") if key.strip()]
    if not is_loopback(settings.host) and not keys:
        problems.append("监听本机以外的地址必须设置 XINGLIN_API_KEYS（API 密钥的 SHA-256，以逗号分隔）")
    problems += [f"XINGLIN_API_KEYS 第 {i} 项不是 64 位十六进制的 SHA-256" for i, key in enumerate(keys, 1) if not _is_digest(key.strip())]
    if problems:
        raise SystemExit("；".join(problems))


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(ch in "0123456789abcdef" for ch in text.lower())


class Gate:
    """Checks the key of a request and its rate."""

    def __init__(self, settings: Settings) -> None:
        self._digests = [key.strip().lower() for key in settings.api_keys.split(",") if key.strip()]
        self._rate, self._burst = settings.rate_per_second, settings.rate_burst
        self._buckets: dict[str, tuple[float, float]] = {}

    def admit(self, authorization: str | None, client: str) -> str:
        """The caller's name for the audit (a key's first digits, or `local`).

        Raises:
            XinglinError: `unauthorised` without a valid key where keys are set; `too-many-requests` beyond the rate.
        """
        who = "local"
        if self._digests:
            scheme, _, key = (authorization or "").partition(" ")
            digest = hashlib.sha256(key.encode()).hexdigest()
            matches = [hmac.compare_digest(digest, known) for known in self._digests]
            if scheme.lower() != "bearer" or not any(matches):
                raise XinglinError("unauthorised")
            who = f"key:{digest[:8]}"
        self._spend(who if self._digests else client)
        return who

    def _spend(self, bucket: str) -> None:
        now = time.monotonic()
        tokens, then = self._buckets.get(bucket, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - then) * self._rate)
        if tokens < 1:
            self._buckets[bucket] = (tokens, now)
            raise XinglinError("too-many-requests")
        if len(self._buckets) > 10_000:
            self._buckets.clear()
        self._buckets[bucket] = (tokens - 1, now)
