"""Personal data and secrets among the training rows: what is trained on can be asked out of the model again.

What counts is in `harness.checks.data.identifiers` and `harness.checks.data.credentials`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from harness.checks.data.corpus import Corpus
from harness.checks.data.credentials import secrets
from harness.checks.data.finding import Finding, share_check
from harness.checks.data.identifiers import emails, numbers, phones
from harness.errors import ConfigError
from harness.gates import Check
from harness.patterns import refused, search


def no_personal_data(corpus: Corpus, limit: float, accepted: Sequence[str] = ()) -> Check:
    """At most a share `limit` of the rows holds an e-mail address, a phone number, or the number of a card, an account
    or a person.

    Args:
        accepted: values that may be there, patterns of them, or places (`train.jsonl row 12`); as under `data:`.

    Raises:
        ConfigError: a pattern of `accepted` takes longer than anyone would wait.
    """
    return _check("personal_data", corpus, _PERSONAL, limit, accepted, "hold personal data")


def no_secrets(corpus: Corpus, limit: float, accepted: Sequence[str] = ()) -> Check:
    """At most a share `limit` of the rows holds a key, token or password that some service would accept.

    Args:
        accepted: as of `no_personal_data`.
    """
    return _check("secrets", corpus, [secrets], limit, accepted, "hold secrets")


def mask(value: str) -> str:
    """The value as a report may show it: two characters and its length."""
    return f"{value[:2]}{'*' * 6} ({len(value)} characters)"


def redacted(text: str) -> str:
    """A text out of a row as a report may show it: with whatever the two checks would find masked."""
    # the keys first: a number masked within one would hide what is left of it
    for find in (secrets, *_PERSONAL):
        for value in sorted({value for _, value in find(text)}, key=len, reverse=True):
            text = text.replace(value, mask(value))
    return text


def excerpt(text: str, most: int) -> str:
    """The beginning of a text out of a row, redacted, in at most so many characters."""
    text = redacted(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


_Find = Callable[[str], Iterable[tuple[str, str]]]


def _check(
    name: str, corpus: Corpus, finders: Sequence[_Find], limit: float, accepted: Sequence[str], fault: str
) -> Check:
    rows = corpus.asked()
    found: list[Finding] = []
    kinds: Counter[str] = Counter()
    let_be = 0
    for row in rows:
        hits = list(dict.fromkeys(hit for find in finders for hit in find(row.text)))
        kept = (
            [] if _is_accepted(row.location, accepted) else [hit for hit in hits if not _is_accepted(hit[1], accepted)]
        )
        let_be += len(hits) - len(kept)
        kinds.update(kind for kind, _ in kept)
        if kept:
            shown = ", ".join(f"{kind} {mask(value)}" for kind, value in kept)
            found.append(Finding(row.location, shown, kind=", ".join(dict.fromkeys(kind for kind, _ in kept))))
    return share_check(
        name,
        found,
        len(rows),
        limit,
        fault=fault,
        sound=f"none was found in {len(rows)} rows" + (f" but {let_be} that are accepted" if let_be else ""),
        remedy="replace these values by invented ones (somebody@example.com), or remove the rows; change a secret that was "
        "real. Where one may stay, list it, a pattern of it, or its place (as in the reason: 'train.jsonl row 12') "
        "under `accepted:` of `data:` in assay.yaml",
        details={"kinds": dict(kinds), **({"accepted": let_be} if let_be else {})},
    )


def _is_accepted(value: str, accepted: Sequence[str]) -> bool:
    return any(value == one or _matches(one, value) for one in accepted)


def _matches(pattern: str, value: str) -> bool:
    if refused(pattern) is not None:  # a value such as "+1 650 ...": no pattern
        return False
    return search(pattern, value, "data.accepted:", ConfigError, whole=True) is not None


_PERSONAL: Sequence[_Find] = (emails, phones, numbers)
