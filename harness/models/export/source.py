"""What an export is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A candidate on this machine.

    Attributes:
        name: what reports call it, and what GGUF files are named after.
        base: directory of the model.
        adapter: on it; None where the model is the candidate.
        identity: digest of the candidate, and the parts that it is made of: who it was when it was approved.
        allowed_files: as of `LoadOptions`.
    """

    name: str
    base: Path
    adapter: Path | None
    identity: Mapping[str, str]
    allowed_files: Sequence[str] = ()
    trust_remote_code: bool = False
