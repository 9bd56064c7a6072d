"""Can every row be read, and do its turns follow one another as a conversation's do?"""

from __future__ import annotations

from typing import Any

from harness.checks.data.corpus import Corpus
from harness.checks.data.finding import Finding, share_check
from harness.gates import Check
from harness.tasks.formats import known_formats
from harness.tasks.records import Record

_SPEAKERS = {"human": "user", "gpt": "assistant"}
_FOLLOWS = {
    None: ("system", "user"),
    "system": ("user",),
    "user": ("assistant",),
    "assistant": ("user", "tool"),
    "tool": ("assistant", "tool"),
}


def rows_can_be_read(corpus: Corpus) -> Check:
    """Every row fits its file's data format: the fields are there, of the right type, filled, and roles are known ones."""
    findings = [
        Finding(part.location(record.row), part.refused[record.row])
        for part, record in corpus.records()
        if record.row in part.refused
    ]
    total = sum(1 for _ in corpus.records())
    return share_check(
        "layout",
        findings,
        total,
        0.0,
        fault="cannot be read",
        sound=f"all {total} rows can be read",
        remedy=f"correct or remove these rows, or name the right `format` ({known_formats()})",
        details={"layouts": {part.path.name: part.format for part in corpus.parts}},
    )


def conversations_are_in_order(corpus: Corpus) -> Check | None:
    """System turns stand first only, user and assistant alternate, the assistant speaks last; tools answer assistants.

    Returns:
        None where no row is a conversation.
    """
    findings = []
    total = unread = 0
    for part, record in corpus.records():
        roles = _roles(record)
        if roles is None:
            continue
        if record.row in part.refused:
            unread += 1
            continue
        total += 1
        if fault := order_fault(roles):
            findings.append(Finding(part.location(record.row), fault))
    if not total and not unread:
        return None
    return share_check(
        "roles",
        findings,
        total,
        0.0,
        fault="have turns out of order",
        counted="conversations",
        sound=f"the turns of all {total} conversations are in order",
        remedy="order the turns as system, user, assistant, user, assistant ..., merge two turns of one speaker, "
        "and end with the answer wanted: what follows it is not trained on",
    )


def order_fault(roles: list[str]) -> str:
    """What is wrong with an order of roles; empty where nothing is."""
    before: str | None = None
    for number, role in enumerate(roles, 1):
        if role not in _FOLLOWS[before]:
            after = f"follows {before}" if before else "comes first"
            return f"turn {number} of {len(roles)} ({role}) {after}"
        before = role
    return "" if before == "assistant" else f"the last turn is {before}, not assistant"


def _roles(record: Record) -> list[str] | None:
    """The roles of a row's turns; None where it is not a conversation."""
    fields = record.fields
    chats: list[Any] = [fields.get("messages"), fields.get("conversations")]
    if isinstance(fields.get("prompt"), list) and isinstance(fields.get("completion"), list):
        chats.append([*fields["prompt"], *fields["completion"]])
    turns = next((chat for chat in chats if isinstance(chat, list)), None)
    if turns is None or not all(isinstance(turn, dict) for turn in turns):
        return None
    said = [str(turn.get("role", turn.get("from"))) for turn in turns]
    return [_SPEAKERS.get(role, role) for role in said]
