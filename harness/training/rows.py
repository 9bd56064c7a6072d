"""Rows in tokens, and the columns of TRL's trainers that they become."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from datasets import Dataset

IGNORED_LABEL = -100

RowKind = Literal["conversations", "pairs", "judged", "prompts"]
"""What a method learns from: answers, a better and a worse answer, answers that are wanted or not, or rewards of its own
answers."""


@dataclass(frozen=True)
class TokenRow:
    """One row of answers to learn. `labels` equals `input_ids` on what is learnt and is -100 on the rest."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """How many the model reads."""
        return len(self.input_ids)

    @property
    def prompt_tokens(self) -> int:
        """How many stand before the first that is learnt."""
        return next((i for i, label in enumerate(self.labels) if label != IGNORED_LABEL), self.tokens)

    @property
    def has_label(self) -> bool:
        """Whether anything that is learnt is there."""
        return any(label != IGNORED_LABEL for label in self.labels)

    def cut(self, max_length: int | None) -> TokenRow:
        """The same with so many tokens at the most."""
        return TokenRow(self.input_ids[:max_length], self.labels[:max_length])


@dataclass(frozen=True)
class AnswerRow:
    """A prompt with the answers that are weighed: a better one and a worse, or one that is `wanted` or not."""

    input_ids: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    wanted: bool | None = None

    @property
    def tokens(self) -> int:
        """How many the model reads of prompt and longest answer."""
        return len(self.input_ids) + max(map(len, self.answers))

    @property
    def prompt_tokens(self) -> int:
        """How many stand before the answers."""
        return len(self.input_ids)

    @property
    def has_label(self) -> bool:
        """Whether something is left of each answer."""
        return all(self.answers)

    def cut(self, max_length: int | None) -> AnswerRow:
        """The same with answers that end where so many tokens are full."""
        if max_length is None:
            return self
        room = max(max_length - len(self.input_ids), 0)
        return replace(self, answers=tuple(answer[:room] for answer in self.answers))


@dataclass(frozen=True)
class PromptRow:
    """A prompt that is answered while training.

    Attributes:
        text: that of `input_ids`.
        number: of the example that its answers are rewarded by.
    """

    input_ids: tuple[int, ...]
    text: str
    number: int = 0

    @property
    def tokens(self) -> int:
        """How many the model reads before it answers."""
        return len(self.input_ids)

    @property
    def prompt_tokens(self) -> int:
        """None stand before what is learnt from the row: that is sampled."""
        return 0

    @property
    def has_label(self) -> bool:
        """Whether it is trained on."""
        return True

    def cut(self, max_length: int | None) -> PromptRow:
        """A prompt is read whole."""
        return self


Row = TypeVar("Row", TokenRow, AnswerRow, PromptRow)
Columns = dict[str, list[Any]]


def learnt_columns(rows: Sequence[TokenRow]) -> Columns:
    """Of SFTTrainer."""
    return {"input_ids": [list(row.input_ids) for row in rows], "labels": [list(row.labels) for row in rows]}


def pair_columns(rows: Sequence[AnswerRow]) -> Columns:
    """Of DPOTrainer: the answers beside their prompt."""
    return {
        "prompt_ids": [list(row.input_ids) for row in rows],
        "chosen_ids": [list(row.answers[0]) for row in rows],
        "rejected_ids": [list(row.answers[1]) for row in rows],
    }


def whole_pair_columns(rows: Sequence[AnswerRow]) -> Columns:
    """Of RewardTrainer: each answer behind its prompt."""
    return {
        f"{name}_ids": [[*row.input_ids, *row.answers[place]] for row in rows]
        for place, name in enumerate(("chosen", "rejected"))
    }


def labelled_pair_columns(rows: Sequence[AnswerRow]) -> Columns:
    """Of CPOTrainer and ORPOTrainer: each answer behind its prompt, which no label covers."""
    found: Columns = {"prompt_input_ids": [list(row.input_ids) for row in rows]}
    for place, name in enumerate(("chosen", "rejected")):
        whole = [[*row.input_ids, *row.answers[place]] for row in rows]
        masked = [[IGNORED_LABEL] * len(row.input_ids) + list(row.answers[place]) for row in rows]
        found |= {f"{name}_input_ids": whole, f"{name}_labels": masked}
    masks = {
        name.replace("input_ids", "attention_mask"): [[1] * len(ids) for ids in found[name]]
        for name in found
        if name.endswith("input_ids")
    }
    return {**found, **masks}


def judged_columns(rows: Sequence[AnswerRow]) -> Columns:
    """Of KTOTrainer: of a pair the better answer is wanted and the worse is not."""
    judged = [
        (row.input_ids, answer, row.wanted if row.wanted is not None else place == 0)
        for row in rows
        for place, answer in enumerate(row.answers)
    ]
    return {
        "prompt_ids": [list(prompt) for prompt, _, _ in judged],
        "completion_ids": [list(answer) for _, answer, _ in judged],
        "label": [wanted for _, _, wanted in judged],
    }


def prompt_columns(rows: Sequence[PromptRow]) -> Columns:
    """Of trainers that have prompts answered; `number` is handed on to the reward."""
    return {"prompt": [row.text for row in rows], "number": [row.number for row in rows]}


def as_it_comes(trainer: Any, given: Any, *_: Any, **__: Any) -> Any:
    """In place of a trainer's method that tokenises: rows come tokenised."""
    return given


def with_answers_to_others(trainer: Any, dataset: Dataset, _: Any, args: Any, *__: Any) -> Dataset:
    """The same of KTOTrainer, which estimates the KL divergence by answers that stand behind other prompts: within a batch,
    each that of the row before (`KTOTrainer._prepare_dataset`)."""
    if not trainer.calculate_KL:
        return dataset
    size, answers = args.per_device_train_batch_size, dataset["completion_ids"]
    batches = [list(answers[start : start + size]) for start in range(0, len(answers), size)]
    shifted = [answer for batch in batches for answer in [batch[-1], *batch[:-1]]]
    made: Dataset = dataset.add_column("KL_completion_ids", shifted)
    return made


Replacements = Mapping[str, Callable[..., Any]]
"""Methods of a trainer of TRL's -> what stands in their place."""
