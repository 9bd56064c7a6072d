"""Keys, tokens and passwords that some service would accept: by the detectors of detect-secrets and forms of our own.

Placeholders are none: `sk-xxxx`, `AKIAIOSFODNN7EXAMPLE`, `ftp://username:password@host`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

# entropy finds random text, not secrets; the keyword finds "password: ..." in any talk of passwords; and of a private
# key or a URL its detector finds too little to tell a placeholder
_NOT_WANTED = (
    "Base64HighEntropyString",
    "BasicAuthDetector",
    "HexHighEntropyString",
    "IPPublicDetector",
    "KeywordDetector",
    "PrivateKeyDetector",
)
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:(.*?)-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|.*)"
    r"|PuTTY-User-Key-File-\d.*",
    re.DOTALL,
)
_LEAST_KEY = 16
# forms that detect-secrets has not; a digit is asked for where a form's length alone would fit a placeholder
_TOKENS = {
    "OpenAI Token": re.compile(
        r"\bsk-(?:(?:proj|svcacct|admin)-(?=[\w-]{0,40}\d)[\w-]{20,}|(?=\w*\d)\w{32,})", re.ASCII
    ),
    "Anthropic Token": re.compile(r"\bsk-ant-(?=[\w-]{0,40}\d)[\w-]{20,}", re.ASCII),
    "Hugging Face Token": re.compile(r"\bhf_[A-Za-z0-9]{34}"),
    "Google API Key": re.compile(r"\bAIza[\w-]{35}", re.ASCII),
    "Google OAuth Secret": re.compile(r"\bGOCSPX-[\w-]{28}", re.ASCII),
    "GitHub Token": re.compile(r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    "Groq Token": re.compile(r"\bgsk_[A-Za-z0-9]{48,}"),
    "xAI Token": re.compile(r"\bxai-[A-Za-z0-9]{60,}"),
    "Replicate Token": re.compile(r"\br8_[A-Za-z0-9]{37}"),
    "DigitalOcean Token": re.compile(r"\bdo[opr]_v1_[a-f0-9]{64}"),
    "Databricks Token": re.compile(r"\bdapi[a-f0-9]{32}"),
    "npm Token": re.compile(r"\bnpm_[A-Za-z0-9]{36}"),
    "AWS Secret Key": re.compile(
        r"(?i:aws_?secret_?(?:access_?)?key)[\"']?\s*[:=]\s*[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
    ),
    "Shopify Token": re.compile(r"\bshp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}"),
}
_REST_OF_TOKEN = re.compile(r"[\w+/=-]*", re.ASCII)
# what stands around the token in the matches of some detectors
_AROUND = " \t\r\n\"':="

_LOGIN = re.compile(r"://([^\s:/?#@\"'<>]{0,64}):([^\s/@\"'<>]{1,128})@([\w.-]*)")
_CONNECTION = re.compile(
    r"\b(?:server|data source|host|user id|uid|database|initial catalog)\s*=[^;\n]{1,100};[^\n]{0,200}?"
    r"\b(?:password|pwd)\s*=\s*([^;\s\"']{4,})",
    re.IGNORECASE,
)
_MADE_UP = re.compile(
    r"example|sample|dummy|fake|placeholder|redacted|change-?me|your|insert|replace|x{4,}|\*{2,}|([0-9A-Za-z])\1{4,}|\.{3}|…"
    r"|^[$%{<\[(]|jwt\.io|eyJzdWIiOiIxMjM0NTY3ODkwI",  # of the token that jwt.io shows
    re.IGNORECASE,
)
_SOME_WORD = re.compile(
    "pass|password|passwd|passphrase|passwort|pwd|pw|secret|mysecretpassword|mypassword|mypass|userpass|dbpass|"
    "dbpassword|token|key|apikey|user|username|login|admin|root|guest|test|postgres|mysql|mongo|redis|rabbitmq|foo|"
    "bar|baz|abc|default"
)
_LEET = str.maketrans("0134$@", "oieasa")


def secrets(text: str) -> Iterator[tuple[str, str]]:
    """(kind, value) of each, to its end: what a detector gives may be a part of it, as `ghp` of a whole token."""
    for match in _KEY_BLOCK.finditer(text):
        if not _is_empty_block(match.group(1)):
            yield "Private Key", match.group()
    for match in _LOGIN.finditer(text):
        if not _is_made_up_login(*match.groups()):
            yield "Basic Auth Credentials", match.group().rpartition("@")[0]
    for match in _CONNECTION.finditer(text):
        if not _is_made_up_password(match.group(1)):
            yield "Connection String", match.group(1)
    for kind, value in _tokens(text):
        if not _is_made_up(value):
            yield kind, value


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for detector in _detectors():
        given = set(detector.analyze_string(text))
        for pattern in detector.denylist if given else ():
            for match in pattern.finditer(text):
                if not given.isdisjoint((match.group(), *match.groups())):
                    yield str(detector.secret_type), _to_its_end(match)
    for kind, pattern in _TOKENS.items():
        for match in pattern.finditer(text):
            yield kind, _to_its_end(match)


def _to_its_end(match: re.Match[str]) -> str:
    value = match.group().strip(_AROUND)
    rest = _REST_OF_TOKEN.match(match.string, match.string.index(value, match.start()) + len(value))
    return value + (rest.group() if rest else "")


def _is_made_up(token: str) -> bool:
    """Whether it says so, or counts up as AKIA1234567890ABCDEF does."""
    counts_up = token.startswith("AKIA") and sum(ord(b) - ord(a) != 1 for a, b in pairwise(token[4:])) <= 2
    return counts_up or bool(_MADE_UP.search(token))


def _is_made_up_login(user: str, password: str, host: str) -> bool:
    return password == user or "example" in host.casefold().split(".") or _is_made_up_password(password)


def _is_made_up_password(password: str) -> bool:
    """`Password123`, `p4ssw0rd`, `12345`, `${DB_PASSWORD}` and the like."""
    said = password.casefold()
    spelt = (re.sub(r"[\W\d_]+$", "", said), said)
    return (
        password.isdigit()
        or any(_SOME_WORD.fullmatch(re.sub(r"[\W_]", "", one.translate(_LEET))) for one in spelt)
        or bool(_MADE_UP.search(password))
    )


def _is_empty_block(body: str | None) -> bool:
    """Whether nothing that could be a key stands between the two lines of a block; None is a block without its end."""
    return body is not None and (len("".join(body.split())) < _LEAST_KEY or bool(_MADE_UP.search(body)))


@cache
def _detectors() -> list[Any]:
    """Those that know a secret by its form. They only read: detect-secrets' own scan would try what it finds online."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    classes: Iterable[type[Any]] = get_mapping_from_secret_type_to_class().values()
    return [kind() for kind in classes if kind.__name__ not in _NOT_WANTED]
