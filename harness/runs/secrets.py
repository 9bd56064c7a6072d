"""Texts without the secrets that options, addresses and messages may carry: a run directory is shown to many."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

_LOGIN = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
_PARAMETER = re.compile(r"(?i)([?&][\w.-]*(?:token|key|secret|password|signature|credential|sig)[\w.-]*=)[^&#\s'\"]+")
# what the usual services hand out looks like itself: OpenAI, Hugging Face, GitHub, AWS
_KEY = re.compile(
    r"\b(?:sk-[\w-]{16,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|AKIA[0-9A-Z]{16})\b"
)
_VARIABLE = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD)$")
_LEAST_LENGTH = 8


def without_secrets(value: Any) -> Any:
    """A JSON-like value with every secret in its texts replaced by `***`.

    Secrets are logins in addresses, parameters named like one, keys that look like those of the usual services, and the
    values of environment variables named `..._KEY`, `..._TOKEN`, `..._SECRET` or `..._PASSWORD`.
    """
    return _mask(value, _from_environment())


def _mask(value: Any, known: list[str]) -> Any:
    if isinstance(value, str):
        for secret in known:
            value = value.replace(secret, MASK)
        return _KEY.sub(MASK, _PARAMETER.sub(rf"\g<1>{MASK}", _LOGIN.sub(MASK, value)))
    if isinstance(value, Mapping):
        return {_mask(key, known): _mask(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mask(item, known) for item in value]
    return value


def _from_environment() -> list[str]:
    """Longest first, so that a secret that begins another does not leave its rest behind."""
    found = {v for name, v in os.environ.items() if _VARIABLE.search(name.upper()) and len(v) >= _LEAST_LENGTH}
    return sorted(found, key=len, reverse=True)
