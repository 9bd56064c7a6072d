"""Can every row be read, and do its turns follow one another as a conversation's do?"""

from __future__ import annotations

from harness.checks.data.corpus import Corpus
from harness.checks.data.finding import Finding, share_check
from harness.gates import Check
from harness.tasks.conversations import Conversation
from harness.tasks.formats import known_formats

_FOLLOWS = {
    None: ("system", "developer", "user"),
    "system": ("user",),
    "developer": ("user",),
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


def conversations_are_in_order(corpus: Corpus) -> Check:
    """System turns stand first only, user and assistant alternate, the assistant speaks last; tools answer assistants."""
    examples = [(part, example) for part in corpus.parts for example in part.examples]
    findings = [
        Finding(part.location(example.row), fault)
        for part, example in examples
        if (fault := _order_fault(example.conversation))
    ]
    total = len(examples)
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


def _order_fault(conversation: Conversation) -> str:
    """Plain text has no turns, and a prompt that is answered while training lacks its last."""
    if not conversation.prompt:
        return ""
    return order_fault(conversation.roles if conversation.learnt else [*conversation.roles, "assistant"])


def order_fault(roles: list[str]) -> str:
    """What is wrong with an order of roles; empty where nothing is."""
    before: str | None = None
    for number, role in enumerate(roles, 1):
        if role not in _FOLLOWS[before]:
            after = f"follows {before}" if before else "comes first"
            return f"turn {number} of {len(roles)} ({role}) {after}"
        before = role
    return "" if before == "assistant" else f"the last turn is {before}, not assistant"
