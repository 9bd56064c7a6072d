"""E-mail addresses, phone numbers, and numbers of cards, accounts and persons, as far as they are somebody's.

Found by form and checked where the form can be: phone numbers by Google's libphonenumber, the others by python-stdnum's
checksums and ranges. Placeholders, sums, and numbers that a text calls an order's or a book's are nobody's.
`benchmarks/data_checks.py` counts false hits on clean rows, and planted ones found. Names have no form and are not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneNumberMatch

_EMAIL = re.compile(r"(?<![\w.+-])\w[\w.+-]{0,63}@((?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24})(?![\w-])")
# RFC 2606, 6761 and 6762, and what networks call their own
_NO_DOMAIN = ("example", "test", "invalid", "localhost", "local", "internal", "lan")
_SECOND_LEVEL = ("co", "com", "org", "net", "ac", "edu", "gov")
# "yourdomain.com", "company.com", "email.com": the domain is said to be one
_SOME_DOMAIN = re.compile(
    r"[a-z]|beispiel|muster(?:mann|firma)?|ejemplo|exemple|esempio|exemplo|voorbeeld"
    r"|(?:(?:your|my|our|their|some|any|the|old|new)[-_]?(?:mail|bank|name)"
    r"|(?:(?:your|my|our|their|some|any|another|the|old|new|first|second|abc|xyz)[-_]?)?"
    r"(?:example|company|corp|domain|(?:web)?site|e-?mail|host|server|organi[sz]ation|org|business|provider|school|university|"
    r"college|store|shop|employer|client|customer|test(?:ing)?|sample|dummy|fake|placeholder|foo|bar|baz|foobar|acme|abc|xyz|"
    r"x{3,}|somewhere|nowhere|whatever)"
    r"(?:[-_]?(?:name|domain|company|site|corp|inc|e?mail|\d+))?)",
    re.IGNORECASE,
)
_SOMEBODY = re.compile(
    r"git|root|ubuntu|ec2-user|user(?:[-_.]?name)?|(?:your|my)[-_.]?(?:name|e?mail|address|id|user(?:name)?)?|name|e-?mail|address"
    r"|first(?:[-_.]?name)?[-_.]?last(?:[-_.]?name)?|someone|somebody|anyone|nobody|recipient|sender|example|tester|test"
    r"|(?:test|example|another|sample)[-_.](?:user|e?mail|address|example|account)|dummy|fake|sample|placeholder|foo|bar|x+|abc"
    r"|j(?:ohn|ane)?[-_.]?doe|no-?reply|do-?not-?reply|mailer-daemon|postmaster",
    re.IGNORECASE,
)

_DIGITS = re.compile(r"(?:\d[ ().-]{0,3}){7}")
_FICTION = re.compile(r"1\d{3}555(?:01\d\d|1234|1212|4567|5678|6789|(\d)\1{3})")
_ASCENDING = "12345678901234567890"
_ALONE = re.compile(r"\+?\(?\d[\d ()./-]{6,18}\d")
_CALLED = re.compile(
    r"\b(?:(?:tele|cell|mobile )?phone|tel|call|cell|mobile|whatsapp|fax|ring|dial|sms|text|telefon|handy|mobil|rufen|anrufen"
    r"|t[ée]l[ée]phone|portable|appelez|tel[ée]fono|m[óo]vil|celular|llame|cellulare|chiama|telefone|telemóvel|ligue)\b"
    r"[^\n\d]{0,24}$|(?:電話|携帯|电话|手机)[^\n\d]{0,8}$",
    re.IGNORECASE,
)
_BEFORE = 48
_LEAST_NATIONAL = 9
_REGION = "US"
_NATIONAL_REGIONS = (
    "GB",
    "DE",
    "FR",
    "IT",
    "ES",
    "NL",
    "CH",
    "AT",
    "SE",
    "AU",
    "NZ",
    "IN",
    "JP",
    "BR",
    "CN",
    "MX",
    "ZA",
)

_CARD = re.compile(r"(?<!\w)(?<!\d\.)[2-6]\d{3}(?:[ -]?\d){9,15}(?!\w|\.\d)")
_BRANDS = re.compile(
    r"4\d{15}(?:\d{3})?|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|(?:6011|65\d\d|64[4-9]\d|35(?:2[89]|[3-8]\d))\d{12}|62\d{14,17}"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}\b")
_SSN = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")

# what stands beside a number that is part of a sum or an amount
_SUM_BEFORE = re.compile(r"[=*/×÷^%$€£<>]\s*$|\d\s*[+−–-]\s*$|[\d)]\s*$")  # noqa: RUF001
_SUM_AFTER = re.compile(r"\s*[=*×÷^%<>]|\s*[+/]\s*\d|\s+[−–-]\s*\d")  # noqa: RUF001
_MINUS = re.compile(r"\d\s+[-−–]\s+\d")  # noqa: RUF001
_SOME_THINGS = re.compile(
    r"(?:#|№|\b(?:id|isbn(?:-1[03])?|issn|order|invoice|sku|ref(?:erence)?|tracking|serial|part|model|version|ticket|case|"
    r"patent|doi|vin|ups|ean|upc|item|lot|batch|docket|commit|build|pmid|arxiv|coordinates?)\b"
    r"(?:\s*(?:no|nr|number|code|id)\b)?[\s.:#=(\"'`]*(?:is\s+)?)$",
    re.IGNORECASE,
)


def emails(text: str) -> Iterator[tuple[str, str]]:
    """Addresses, but for those of nobody."""
    for match in _EMAIL.finditer(text):
        if not _is_nobodys(*match.group().split("@")):
            yield "e-mail address", match.group()


def phones(text: str) -> Iterator[tuple[str, str]]:
    """Numbers with a country code from anywhere; without one, those of the United States and Canada, and where the text
    says that one calls it, of other countries too.

    Not those in plain digits, which are any number's, nor those that belong to no person: toll-free ones, and those that
    North America keeps for fiction.
    """
    if not _DIGITS.search(text):
        return
    from phonenumbers import Leniency, PhoneNumberMatcher

    seen: list[range] = []
    for match in PhoneNumberMatcher(text, _REGION, leniency=Leniency.STRICT_GROUPING):
        seen.append(range(match.start, match.end))
        if not match.raw_string.isdigit() and _is_a_persons(match) and not _is_other(text, match.start, match.end):
            yield "phone number", match.raw_string
    for found in _ALONE.finditer(text):
        if any(found.start() in span for span in seen) or not _CALLED.search(_before(text, found.start())):
            continue
        if not _is_other(text, found.start(), found.end()) and _is_national(found.group()):
            yield "phone number", found.group()


def numbers(text: str) -> Iterator[tuple[str, str]]:
    """Numbers of cards, accounts and persons that their checksum or range allows."""
    from stdnum import iban
    from stdnum.us import ssn

    for kind, pattern, is_valid in (
        ("card number", _CARD, _is_card),
        ("bank account", _IBAN, iban.is_valid),
        ("social security number", _SSN, lambda number: number != "123-45-6789" and ssn.is_valid(number)),
    ):
        for match in pattern.finditer(text):
            if is_valid(match.group()) and not _is_other(text, match.start(), match.end()):
                yield kind, match.group()


def _is_nobodys(local: str, domain: str) -> bool:
    *labels, top = domain.casefold().split(".")
    if len(labels) > 1 and len(top) == 2 and labels[-1] in _SECOND_LEVEL:
        labels.pop()
    if top in _NO_DOMAIN or "example" in labels or _SOME_DOMAIN.fullmatch(labels[-1]):
        return True
    return bool(_SOMEBODY.fullmatch(local.partition("+")[0].rstrip("0123456789")))


def _is_a_persons(match: PhoneNumberMatch) -> bool:
    from phonenumbers import PhoneNumberType, number_type

    national = str(match.number.national_number)
    of_lines = (
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
    )
    if number_type(match.number) in of_lines:
        return False
    made_up = national in _ASCENDING or len(set(national)) <= 2
    return match.number.country_code != 1 or not (made_up or _FICTION.fullmatch(f"1{national}"))


def _is_national(number: str) -> bool:
    from phonenumbers import NumberParseException, is_valid_number, parse

    groups = re.findall(r"\d+", number)
    digits = "".join(groups)
    scattered = sum(len(group) == 1 for group in groups) > 1 or number.count("(") != number.count(")")
    if len(digits) < _LEAST_NATIONAL or scattered or digits in _ASCENDING or len(set(digits)) == 1:
        return False
    try:
        return any(is_valid_number(parse(number, region)) for region in _NATIONAL_REGIONS)
    except NumberParseException:
        return False


def _is_card(number: str) -> bool:
    from stdnum import luhn

    digits = re.sub(r"\D", "", number)
    return bool(_BRANDS.fullmatch(digits)) and luhn.is_valid(digits)


def _is_other(text: str, start: int, end: int) -> bool:
    """Whether what stands there is part of a sum, an amount, or the number of a thing."""
    before = _before(text, start)
    return bool(
        _MINUS.search(text[start:end])
        or _SUM_BEFORE.search(before)
        or _SUM_AFTER.match(text, end)
        or _SOME_THINGS.search(before)
    )


def _before(text: str, start: int) -> str:
    return text[max(0, start - _BEFORE) : start]
