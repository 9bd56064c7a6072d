"""Texts without the secrets that options, addresses and messages may carry: a run directory is shown to many."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

MASK = "***"

_LOGIN = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
_PARAMETER = re.compile(r"(?i)([?&][\w.-]*(?:token|key|secret|password|signature|credential|sig)[\w.-]*=)[^&#\s'\"]+")
# what the usual services hand out looks like itself: OpenAI, Hugging Face, GitHub, AWS, GitLab, Slack, Google, npm, Stripe, and
# signed tokens (JWT)
_KEY = re.compile(
    r"\b(?:sk-[\w-]{16,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|A[KS]IA[0-9A-Z]{16}"
    r"|glpat-[\w-]{20,}|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{35}|npm_[A-Za-z0-9]{36}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+)\b"
)
_BEARER = re.compile(r"(?i)(\b(?:bearer|basic)\s+)(?=\S*[\d.+/=])[\w.~+/-]{16,}=*")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_VARIABLE = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$")
_RANDOM = re.compile(r"[A-Za-z0-9+/=_.~-]{24,}")
_LEAST_LENGTH = 8
_LEAST_BITS = 3.5  # a character, of random letters and digits: 24 of them have about 4.2, words of a language below 3


def without_secrets(value: Any) -> Any:
    """A JSON-like value with every secret in its texts replaced by `***`.

    Secrets are logins in addresses, parameters named like one, keys that look like those of the usual services, what
    follows `Bearer`, private keys, and values of environment variables: of those named like `..._KEY`, `..._TOKEN`,
    `..._SECRET` or `..._PASSWORD`, and of any whose value is as random as a key. Of one of several lines each line counts.
    """
    return _mask(value, _from_environment())


def _mask(value: Any, known: list[str]) -> Any:
    if isinstance(value, str):
        for secret in known:
            value = value.replace(secret, MASK)
        value = _BEARER.sub(rf"\g<1>{MASK}", _PRIVATE_KEY.sub(MASK, value))
        return _KEY.sub(MASK, _PARAMETER.sub(rf"\g<1>{MASK}", _LOGIN.sub(MASK, value)))
    if isinstance(value, Mapping):
        return {_mask(key, known): _mask(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mask(item, known) for item in value]
    return value


def _from_environment() -> list[str]:
    """Longest first, so that a secret that begins another does not leave its rest behind."""
    values = [value for name, value in os.environ.items() if _VARIABLE.search(name.upper()) or _is_random(value)]
    found = {part.strip() for value in values for part in (value, *value.splitlines())}
    return sorted((one for one in found if len(one) >= _LEAST_LENGTH), key=len, reverse=True)


def _is_random(value: str) -> bool:
    """Whether a value is as random as a key, and neither a path, an address nor a digest: those are told in reports."""
    if not _RANDOM.fullmatch(value) or value.startswith(("/", ".", "~")) or re.fullmatch(r"[0-9a-f.-]+", value):
        return False
    kinds = sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    counts = Counter(value).values()
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in counts)
    return kinds == 3 and bits >= _LEAST_BITS
