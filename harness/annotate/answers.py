"""A filled-in page, read back and checked against the run it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.annotate.review import BlindPair, Review, StoredPair, make_review
from harness.digests import digest_bytes
from harness.errors import DataError, show
from harness.json_files import parse_json_object
from harness.paths import read_file
from harness.runs.run import Run

ANSWERS_SCHEMA = 1
RATINGS = (1, 2, 3, 4, 5)
LONGEST_COMMENT = 2_000

Side = Literal["candidate", "base", "tie"]

_HEAD: Mapping[str, tuple[type, ...]] = {"page": (str,), "run": (str,), "task": (str,), "seed": (int,)}
_PREFERRED = ("1", "2", "tie")
_MOST_BYTES = 1 << 28
_RESTORE = "save the page to a file again: it keeps its answers in the browser it was filled in with"


@dataclass(frozen=True)
class Judgement:
    """What one person said of a pair, told of the models; None where nothing was said.

    Attributes:
        first: which model's answer was shown first.
        base_rating, candidate_rating: 1 to 5.
    """

    pair: StoredPair
    first: Literal["candidate", "base"]
    prefers: Side | None
    base_rating: int | None
    candidate_rating: int | None
    comment: str


@dataclass(frozen=True)
class Filled:
    """A page one person filled in.

    Attributes:
        annotator: the name given in the page, or the file's.
        judgements: of the pairs they said anything about.
        ties: the pairs of identical answers among those drawn up to the last that was judged; nobody is shown them.
        digest: of the file.
    """

    path: Path
    digest: str
    annotator: str
    review: Review
    judgements: tuple[Judgement, ...]
    ties: tuple[StoredPair, ...]


def read_answers(path: Path, run: Run) -> Filled:
    """Read a file that a page of this run saved.

    Raises:
        DataError: it cannot be read, is of another run or page, or holds what no page would save.
        RunError: the run's samples cannot be read.
    """
    data, document = _read(path)
    review = _review(path, document, run)
    rows = document.get("answers")
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{path}: 'answers' is {show(rows)}, not a list of answers", _RESTORE)
    judgements: dict[str, Judgement] = {}
    for number, row in enumerate(rows, 1):
        where = f"{path}: answer {number}"
        key = row.get("item") if isinstance(row, dict) else None
        blind = review.by_key.get(key) if isinstance(key, str) else None
        if blind is None:
            raise DataError(f"{where} is to the item {show(key)}, which is not on the page {review.page}", _RESTORE)
        if blind.key in judgements:
            raise DataError(f"{where} is a second one to the item {key!r}", "keep one of the two")
        judgements[blind.key] = _judgement(where, row, blind)
    given = document.get("annotator")
    return Filled(
        path=path,
        digest=digest_bytes(data),
        annotator=(given.strip() if isinstance(given, str) else "") or path.stem,
        review=review,
        judgements=tuple(judgements.values()),
        ties=_ties(review, {key for key, one in judgements.items() if one.prefers is not None}),
    )


def check_once(pages: Sequence[Filled]) -> None:
    """See that nobody judged a pair twice, and that all pages are of one task.

    Raises:
        DataError: with the two files.
    """
    seen: dict[tuple[str, tuple[str, str]], Path] = {}
    for page in pages:
        if page.review.task != pages[0].review.task:
            problem = f"{pages[0].path} is about {pages[0].review.task}, {page.path} about {page.review.task}"
            raise DataError(problem, "read the pages of one task at a time")
        for judgement in page.judgements:
            key = page.annotator, judgement.pair.key
            if key in seen:
                problem = f"{page.annotator!r} judged the item {judgement.pair.id!r} in {seen[key]} and in {page.path}"
                raise DataError(problem, "give each file once; two people need two names: 'annotator' in the files")
            seen[key] = page.path


def _read(path: Path) -> tuple[bytes, dict[str, Any]]:
    data = read_file(path, DataError, "check the path", most_bytes=_MOST_BYTES)
    document = parse_json_object(data, path, DataError, _RESTORE)
    if document.get("schema") != ANSWERS_SCHEMA:
        problem = f"{path} has the schema {show(document.get('schema'))}; this version reads {ANSWERS_SCHEMA}"
        raise DataError(problem, "give a file that a page of `assay annotate` saved")
    return data, document


def _review(path: Path, document: Mapping[str, Any], run: Run) -> Review:
    """The page the file was saved from, made again."""
    for name, kinds in _HEAD.items():
        if not isinstance(document.get(name), kinds):
            raise DataError(f"{path}: {name!r} is {show(document.get(name))}", _RESTORE)
    if document["run"] != run.id:
        raise DataError(f"{path} is about the run {document['run']!r}, not {run.id!r}", "name that run")
    limit = document.get("limit")
    if limit is not None and not (isinstance(limit, int) and limit > 0):
        raise DataError(f"{path}: 'limit' is {show(limit)}", _RESTORE)
    review = make_review(run, document["task"], seed=document["seed"], limit=limit)
    if review.page != document["page"]:
        problem = f"{path} was saved by the page {document['page']!r}, and this run now makes {review.page!r} of it"
        raise DataError(
            problem, "its samples have changed, or the file has: find the run as it was, or review it again"
        )
    return review


def _judgement(where: str, row: Mapping[str, Any], blind: BlindPair) -> Judgement:
    prefer, comment = row.get("prefer"), row.get("comment") or ""
    if prefer is not None and prefer not in _PREFERRED:
        raise DataError(f"{where} prefers {show(prefer)}", f"it must be one of {', '.join(_PREFERRED)}")
    if not isinstance(comment, str) or len(comment) > LONGEST_COMMENT:
        raise DataError(
            f"{where} has the comment {show(comment)}", f"write text of at most {LONGEST_COMMENT} characters"
        )
    one, two = (_rating(where, row.get(f"rating_{number}")) for number in (1, 2))
    sides: tuple[Literal["candidate", "base"], ...] = (
        ("candidate", "base") if blind.candidate_first else ("base", "candidate")
    )
    told: Mapping[Any, Side | None] = {"1": sides[0], "2": sides[1], "tie": "tie", None: None}
    base, candidate = (two, one) if blind.candidate_first else (one, two)
    return Judgement(blind.pair, sides[0], told[prefer], base, candidate, comment)


def _rating(where: str, value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value not in RATINGS:
        raise DataError(f"{where} has the rating {show(value)}", f"it must be one of {', '.join(map(str, RATINGS))}")
    return value


def _ties(review: Review, judged: set[str]) -> tuple[StoredPair, ...]:
    """Identical answers in the share in which they were drawn: of an unfinished page up to the last pair judged."""
    last = max((place for place, blind in enumerate(review.drawn) if blind.key in judged), default=-1)
    if len(judged) == len(review.shown):
        last = len(review.drawn)
    return tuple(blind.pair for blind in review.drawn[: last + 1] if blind.pair.identical)
