"""Is every training row its own? A row given twice counts twice, and is learnt by heart first."""

from __future__ import annotations

from collections.abc import Sequence

from harness.data.corpus import TRAIN, Corpus, Row
from harness.data.finding import Finding, share_check
from harness.data.near import NearIndex
from harness.data.words import exact_key
from harness.gates import Check


def rows_are_not_repeated(corpus: Corpus, limit: float) -> Check:
    """At most a share `limit` of the training rows repeats an earlier one: same prompt and answer (see `exact_key`).

    The details count prompts that come back with another answer, for the rows then contradict each other or want variety.
    """
    rows = corpus.of(TRAIN)
    first: dict[tuple[str, ...], Row] = {}
    answers: dict[str, set[str]] = {}
    findings = []
    for row in rows:
        key = tuple(exact_key(said) for said in (*(turn.content for turn in row.prompt), row.answer))
        answers.setdefault(exact_key(row.question), set()).add(row.answer.strip())
        if key in first:
            findings.append(Finding(row.place, f"the same as {first[key].place}", other=first[key].place))
        else:
            first[key] = row
    return share_check(
        "exact_duplicates",
        findings,
        len(rows),
        limit,
        fault="repeat an earlier row",
        sound=f"none of {len(rows)} training rows repeats another",
        remedy="keep one of each, or allow more by `exact_duplicates` under `data:`",
        details={"prompts_with_several_answers": sum(len(given) > 1 for given in answers.values())},
    )


def rows_differ(corpus: Corpus, limit: float, *, similarity: float) -> Check:
    """At most a share `limit` of the training rows has an earlier one nearly like it: prompts whose word triples are
    shared to `similarity` or more (Jaccard).

    Rows made from templates are alike by design; what is common to many of them does not count (see `NearIndex`).
    """
    rows = corpus.of(TRAIN)
    return share_check(
        "near_duplicates",
        _near_pairs(rows, similarity),
        len(rows),
        limit,
        fault=f"are alike to {similarity:.0%} or more with an earlier row",
        sound=f"no two of {len(rows)} training rows are alike to {similarity:.0%} or more",
        remedy="keep one of each group, or allow more by `near_duplicates` under `data:`",
    )


def _near_pairs(rows: Sequence[Row], similarity: float) -> list[Finding]:
    index = NearIndex([row.question for row in rows], similarity)
    findings = []
    for number, row in enumerate(rows):
        earlier = index.nearest_before(number)
        if earlier is not None:
            twin = rows[earlier.index].place
            findings.append(Finding(row.place, f"{earlier.similarity:.0%} like {twin}", other=twin))
    return findings
