"""Settings of the running program, from environment variables `XINGLIN_…` (or a `.env` file)."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are and how much is allowed."""

    model_config = SettingsConfigDict(env_prefix="XINGLIN_", env_file=".env", extra="ignore")

    state: Path = Path("state")
    """Imported tables, vectors of edited entries, feedback, audit."""
    bundles: Path | None = None
    """Bundles to serve; the released ones where unset."""
    knowledge: Path | None = None
    """A compiled knowledge file; where unset, the applied overlay's, else the house's own."""
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    api_keys: str = ""
    """SHA-256 hashes of API keys, separated by commas; needed for any address but loopback."""
    max_body_bytes: int = 4 * 1024 * 1024
    max_image_bytes: int = 28 * 1024 * 1024
    deadline_seconds: float = 20.0
    queue: int = 32
    """Requests that may wait for the inference lane before new ones are shed with 503."""
    rate_per_second: float = 20.0
    rate_burst: int = 40
