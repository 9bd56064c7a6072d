"""Is everything used that the rows hold? What is trained without a column that changes its meaning is another data set."""

from __future__ import annotations

from harness.checks.data.corpus import Corpus
from harness.checks.data.finding import Finding, share_check
from harness.gates import Check


def columns_are_used(corpus: Corpus) -> Check:
    """No column or key of a turn is left unread that changes what is learnt; others that are not read are named.

    A column that repeats what the turns say is no loss.
    """
    examples = [(part, example) for part in corpus.parts for example in part.examples]
    unread: dict[str, set[str]] = {}
    for part, example in examples:
        unread.setdefault(part.path.name, set()).update(example.unread)
    listed = {file: sorted(names) for file, names in unread.items() if names}
    named = "; ".join(f"{file}: {', '.join(names)}" for file, names in listed.items())
    return share_check(
        "columns",
        [
            Finding(part.location(example.row), f"{', '.join(sorted(example.lost))} would be lost")
            for part, example in examples
            if example.lost
        ],
        len(examples),
        0.0,
        fault="hold what is not used and changes what is learnt",
        sound=f"not used, and none of them is known to change what is learnt: {named}"
        if named
        else "every column is used",
        remedy="put what they say into the turns, or remove these columns if the model is served without it",
        details={"not_used": listed},
    )
