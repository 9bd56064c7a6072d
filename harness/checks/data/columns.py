"""Is everything used that the rows hold? What is trained without a column that changes its meaning is another data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from harness.checks.data.corpus import Corpus
from harness.gates import Check


def columns_are_used(corpus: Corpus) -> Check:
    """No column or key of a turn is left unread that changes what is learnt; others that are not read are named.

    A column that repeats what the turns say is no loss.
    """
    unread: Counter[tuple[str, str]] = Counter()
    lost: Counter[tuple[str, str]] = Counter()
    for part in corpus.parts:
        for example in part.examples:
            unread.update((part.path.name, name) for name in example.unread)
            lost.update((part.path.name, name) for name in example.lost)
    listed = _by_file(unread)
    named = "; ".join(f"{file}: {', '.join(columns)}" for file, columns in listed.items())
    reason = f"not used, and needed by nothing: {named}" if listed else "every column is used"
    if lost:
        named = "; ".join(f"{file}: {_counted(columns)}" for file, columns in _by_file(lost).items())
        reason = f"not used though they change what is learnt: {named}"
    return Check(
        "columns",
        holds=not lost,
        reason=reason,
        remedy="put what they say into the turns, or remove these columns if the model is served without it",
        details={"not_used": {file: dict(columns) for file, columns in listed.items()}},
    )


def _by_file(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    files: dict[str, dict[str, int]] = {}
    for (file, column), count in sorted(counts.items()):
        files.setdefault(file, {})[column] = count
    return files


def _counted(columns: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count} row{'' if count == 1 else 's'})" for name, count in columns.items())
