"""Personal data and secrets among the training rows: what is trained on can be asked out of the model again.

Found by form, and checked where the form can be: phone numbers by Google's libphonenumber, card numbers, IBANs and US
social security numbers by python-stdnum's checksums and ranges, keys and tokens by the detectors of detect-secrets.
Names and addresses have no form and are not found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from harness.checks.data.corpus import Corpus
from harness.checks.data.finding import Finding, share_check
from harness.gates import Check

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}(?![\w-])")
# RFC 2606 and 6761: addresses that belong to nobody; and the user of git servers (git@host:path)
_NOBODYS = re.compile(r"^git@|(?:@|\.)(?:example\.(?:com|org|net)|example|test|invalid|localhost)$", re.IGNORECASE)
_DIGITS = re.compile(r"(?:\d[ ().-]{0,3}){7}")
_FICTION = re.compile(r"1\d{3}55501\d\d")
_CARD = re.compile(r"(?<!\w)(?<!\d\.)[3-6]\d{3}(?:[ -]?\d){9,15}(?!\w|\.\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b")
_SSN = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_REGION = "US"
# entropy finds random text, not secrets; the keyword finds "password: ..." in any talk of passwords; and of a private
# key its detector finds but the header
_NOT_WANTED = (
    "Base64HighEntropyString",
    "HexHighEntropyString",
    "IPPublicDetector",
    "KeywordDetector",
    "PrivateKeyDetector",
)
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:.*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|.*)"
    r"|PuTTY-User-Key-File-\d.*",
    re.DOTALL,
)
# forms that detect-secrets has not; each asks for a digit where its length alone would fit a placeholder
_TOKENS = {
    "OpenAI Token": re.compile(r"\bsk-(?:proj|svcacct|admin)-(?=[\w-]{0,40}\d)[\w-]{20,}", re.ASCII),
    "Anthropic Token": re.compile(r"\bsk-ant-(?=[\w-]{0,40}\d)[\w-]{20,}", re.ASCII),
    "Hugging Face Token": re.compile(r"\bhf_[A-Za-z0-9]{34}"),
    "Google API Key": re.compile(r"\bAIza[\w-]{35}", re.ASCII),
}
_REST_OF_TOKEN = re.compile(r"[\w+/=-]*", re.ASCII)
# what stands around the token in the matches of some detectors
_AROUND = " \t\r\n\"':="


def no_personal_data(corpus: Corpus, limit: float) -> Check:
    """At most a share `limit` of the rows holds an e-mail address, a phone number, or the number of a card, an account
    or a person."""
    return _check("personal_data", corpus, _PERSONAL, limit, "hold personal data")


def no_secrets(corpus: Corpus, limit: float) -> Check:
    """At most a share `limit` of the rows holds a key, token or password that some service would accept."""
    return _check("secrets", corpus, [_secrets], limit, "hold secrets")


def mask(value: str) -> str:
    """The value as a report may show it: two characters and its length."""
    return f"{value[:2]}{'*' * 6} ({len(value)} characters)"


def redacted(text: str) -> str:
    """A text out of a row as a report may show it: with whatever the two checks would find masked."""
    # the keys first: a number masked within one would hide what is left of it
    for find in (_secrets, *_PERSONAL):
        for value in sorted({value for _, value in find(text)}, key=len, reverse=True):
            text = text.replace(value, mask(value))
    return text


def excerpt(text: str, most: int) -> str:
    """The beginning of a text out of a row, redacted, in at most so many characters."""
    text = redacted(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


_Find = Callable[[str], Iterable[tuple[str, str]]]


def _check(name: str, corpus: Corpus, finders: Sequence[_Find], limit: float, fault: str) -> Check:
    rows = corpus.of()
    found: list[Finding] = []
    kinds: Counter[str] = Counter()
    for row in rows:
        hits = dict.fromkeys(hit for find in finders for hit in find(row.text))
        kinds.update(kind for kind, _ in hits)
        if hits:
            shown = ", ".join(f"{kind} {mask(value)}" for kind, value in hits)
            found.append(Finding(row.location, shown, kind=", ".join(dict.fromkeys(kind for kind, _ in hits))))
    return share_check(
        name,
        found,
        len(rows),
        limit,
        fault=fault,
        sound=f"none was found in {len(rows)} rows",
        remedy="replace these values by invented ones, or remove the rows; change a secret that was real",
        details={"kinds": dict(kinds)},
    )


def _emails(text: str) -> Iterator[tuple[str, str]]:
    for match in _EMAIL.finditer(text):
        if not _NOBODYS.search(match.group()):
            yield "e-mail address", match.group()


def _phones(text: str) -> Iterator[tuple[str, str]]:
    """Numbers with a country code from anywhere; without one, those of the United States and Canada.

    Not those in plain digits, which are any number's, nor those that North America keeps for fiction (555-0100 to -0199).
    """
    if not _DIGITS.search(text):
        return
    from phonenumbers import Leniency, PhoneNumberMatcher

    for match in PhoneNumberMatcher(text, _REGION, leniency=Leniency.STRICT_GROUPING):
        fiction = _FICTION.fullmatch(f"{match.number.country_code}{match.number.national_number}")
        if not fiction and not match.raw_string.isdigit():
            yield "phone number", match.raw_string


def _numbers(text: str) -> Iterator[tuple[str, str]]:
    """Numbers of cards, accounts and persons that their checksum or range allows."""
    from stdnum import iban, luhn
    from stdnum.us import ssn

    for kind, pattern, is_valid in (
        ("card number", _CARD, lambda number: luhn.is_valid(re.sub(r"\D", "", number))),
        ("bank account", _IBAN, iban.is_valid),
        ("social security number", _SSN, ssn.is_valid),
    ):
        yield from ((kind, match.group()) for match in pattern.finditer(text) if is_valid(match.group()))


def _secrets(text: str) -> Iterator[tuple[str, str]]:
    """Each to its end: what a detector gives may be a part of it, as `ghp` of a whole token."""
    for match in _KEY_BLOCK.finditer(text):
        yield "Private Key", match.group()
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


@cache
def _detectors() -> list[Any]:
    """Those that know a secret by its form. They only read: detect-secrets' own scan would try what it finds online."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    classes: Iterable[type[Any]] = get_mapping_from_secret_type_to_class().values()
    return [kind() for kind in classes if kind.__name__ not in _NOT_WANTED]


_PERSONAL: Sequence[_Find] = (_emails, _phones, _numbers)
