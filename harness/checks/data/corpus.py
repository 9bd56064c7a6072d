"""The rows a recipe trains and validates on, read so that one bad row does not hide the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.engines.requests import SYSTEM_ROLES, Message
from harness.errors import DataError
from harness.tasks.conversations import Conversation
from harness.tasks.formats import Example
from harness.tasks.records import Record
from harness.training.drawing import drawn_examples
from harness.training.reading import Rows, rows_of, rows_without_recipe
from harness.training.recipe import Recipe
from harness.training.staged import AnyRecipe

TRAIN, VALIDATION, REHEARSAL = "train", "validation", "rehearsal"


@dataclass(frozen=True)
class Row:
    """One readable row.

    Attributes:
        location: file and row, for messages.
        rejected: of a preference pair the worse answer; the conversation ends in the better one.
        wanted: whether the answer is to become likelier, where rows are marked so (KTO).
    """

    location: str
    conversation: Conversation
    rejected: Message | None = None
    wanted: bool | None = None

    @property
    def prompt(self) -> tuple[Message, ...]:
        """The turns before the last answer that is learnt."""
        return self.conversation.prompt

    @property
    def answer(self) -> str:
        """The last answer that is learnt, without its reasoning."""
        return self.conversation.answer.content

    @property
    def taught(self) -> str:
        """All that the model is to write last: the answer, after its reasoning where it has some."""
        return _whole(self.conversation.answer)

    @property
    def refused(self) -> str:
        """The same of a pair's worse answer."""
        return "" if self.rejected is None else _whole(self.rejected)

    @property
    def turns(self) -> tuple[Message, ...]:
        """All up to the last answer that is learnt: what follows it is not trained on. Of a prompt that is answered while
        training, the prompt."""
        return (*self.prompt, self.conversation.answer) if self.conversation.learnt else self.prompt

    @property
    def question(self) -> str:
        """The prompt without its system turns, which many rows share; of plain text, the text."""
        return "\n".join(turn.content for turn in self.prompt or self.turns if turn.role not in SYSTEM_ROLES)

    @property
    def text(self) -> str:
        """Everything that is trained on, of pairs with either answer."""
        tools = self.conversation.tools
        turns = self.turns if self.rejected is None else (*self.turns, self.rejected)
        said = [text for turn in turns for text in (turn.reasoning, turn.content) if text]
        return "\n".join(said if tools is None else [tools, *said])

    def by_answer(self) -> Iterator[Row]:
        """For each answer that is learnt a row that ends with it."""
        for one in self.conversation.by_answer():
            turn = f", turn {len(one.turns)}" if len(self.conversation.learnt) > 1 else ""
            yield replace(self, location=f"{self.location}{turn}", conversation=one)


def _whole(answer: Message) -> str:
    return f"{answer.reasoning}\n{answer.content}" if answer.reasoning else answer.content


@dataclass(frozen=True)
class Part:
    """One data file, or the share of one that a recipe's split takes.

    Attributes:
        role: train, validation or rehearsal.
        format: as detected in the first row, unless it was given; or the task that words the rows.
        records: every row of the file.
        examples: the readable ones that are used.
        refused: what is wrong with the others, by their row number.
    """

    role: str
    path: Path
    format: str
    records: Sequence[Record]
    examples: Sequence[Example]
    refused: dict[int, str]

    @property
    def rows(self) -> list[Row]:
        """The examples with their locations."""
        return [
            Row(
                self.location(one.row),
                one.conversation,
                one.rejected.answer if one.rejected is not None else None,
                one.wanted,
            )
            for one in self.examples
        ]

    def location(self, row: int) -> str:
        """File and row, for messages."""
        return f"{self.path.name} row {row}"


@dataclass(frozen=True)
class Corpus:
    """The parts of a training.

    Attributes:
        kto_weights: of wanted and of unwanted answers in the loss.
    """

    parts: Sequence[Part]
    kto_weights: tuple[float, float] = (1.0, 1.0)

    def asked(self, *roles: str) -> list[Row]:
        """The rows of these roles, in their order; of all where none is named."""
        return [row for part in self.parts if not roles or part.role in roles for row in part.rows]

    def of(self, *roles: str) -> list[Row]:
        """Those of them that teach an answer, of pairs the better one: not prompts that are answered while training, nor what
        is not wanted (KTO)."""
        return [row for row in self.asked(*roles) if row.conversation.learnt and row.wanted is not False]

    def pairs(self, *roles: str) -> list[Row]:
        """Those that have a worse answer beside the better one."""
        return [row for row in self.asked(*roles) if row.rejected is not None]

    @property
    def only_prefers(self) -> bool:
        """Whether no answer is taught to the letter: each is preferred to a worse one, or marked as wanted."""
        taught = self.of(TRAIN)
        return bool(taught) and all(row.rejected is not None or row.wanted is not None for row in taught)

    def answers(self, *roles: str) -> list[Row]:
        """The same, one for each answer that is learnt."""
        return [one for row in self.of(*roles) for one in row.by_answer()]

    def records(self) -> Iterator[tuple[Part, Record]]:
        """Every row of every file once, readable or not."""
        seen: set[Path] = set()
        for part in self.parts:
            if part.path not in seen:
                seen.add(part.path)
                yield from ((part, record) for record in part.records)


def corpus_of_recipe(recipe: AnyRecipe) -> Corpus:
    """What a recipe trains on, in all its stages: with its limits and its split, unless a row cannot be read and nothing can be
    trained. A file that several stages train on counts once.

    Raises:
        DataError: a file is missing, empty, or not JSON or CSV at all.
        RecipeError: the split leaves one side without rows.
    """
    parts: dict[tuple[bool, Path], Part] = {}
    for part in (part for one in recipe.parts for part in _parts(one)):
        place = part.role == VALIDATION, part.path  # rows that one stage trains on another may rehearse
        parts[place] = part if place not in parts else _with_rows_of(parts[place], part)
    weights = [
        (float(one.trainer.get("desirable_weight", 1.0)), float(one.trainer.get("undesirable_weight", 1.0)))
        for one in recipe.parts
    ]
    return Corpus(list(parts.values()), weights[-1])


def _parts(recipe: Recipe) -> list[Part]:
    files = recipe.data.files()
    parts = [_part(role.partition(".")[0], recipe.resolve(file), rows_of(recipe, file)) for role, file in files.items()]
    if any(part.refused for part in parts):
        return parts
    read = {(part.role, part.path): part for part in parts}
    drawn = [(one, recipe.resolve(one.file)) for one in drawn_examples(recipe)]
    return [
        replace(read.get((one.role, path)) or read[TRAIN, path], role=one.role, examples=one.examples)
        for one, path in drawn
    ]


def _with_rows_of(part: Part, other: Part) -> Part:
    known = {one.row for one in part.examples}
    return replace(part, examples=[*part.examples, *(one for one in other.examples if one.row not in known)])


def corpus_of_files(train: Path, validation: Path | None = None, *, layout: str = "auto") -> Corpus:
    """What an adapter without a recipe was trained on.

    Args:
        layout: a data format, or what a method that learns from no answers alone learns from: `pairs`, `judged`, `prompts`.

    Raises:
        DataError: a file is missing, empty, or not JSON or CSV at all.
    """
    files = {TRAIN: train, VALIDATION: validation}
    return Corpus(
        [_part(role, path, rows_without_recipe(path, layout)) for role, path in files.items() if path is not None]
    )


def _part(role: str, path: Path, rows: Rows) -> Part:
    """Rows of no format are each one's own fault."""
    refused: dict[int, str] = {}
    for record, error in zip(rows.records, rows.parsed, strict=True):
        if isinstance(error, DataError):
            problem = error.problem.removeprefix(f"{path}: row {record.row} ")
            refused[record.row] = f"{problem}: {error.remedy}" if error.remedy else problem
    examples = [one for one in rows.parsed if isinstance(one, Example)]
    return Part(role, path, rows.name, rows.records, examples, refused)
