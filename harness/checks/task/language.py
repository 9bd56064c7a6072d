"""Are answers in the language of their targets, or else of what was asked?"""

from __future__ import annotations

from harness.checks.task.answers import finding_rule
from harness.gates import Comparison, Rule
from harness.metrics.languages import differ, language_of, script_of
from harness.tasks.expected import Expected, ExpectedTexts

_LEAST_SHARE = 0.1
_LEAST_KNOWN, _AGREE = 5, 0.9


def answers_keep_their_language(answers: Comparison, limit: float) -> Rule | None:
    """The share of answers in another language than their target rises by less than the limit over the base's.

    Of an item whose target is too short to tell, that of the question counts, where the other targets are in the language of
    theirs or no item has a target: a translation's question is in another one. Code, JSON, numbers and answers of a few words
    are in no language; of those only the script counts.

    Returns:
        None where the language of a tenth of the items or less can be told.
    """
    of = ExpectedTexts(answers.task).of
    expected = [of(sample) for _, sample in answers.pairs]
    by_question = _questions_tell(expected)
    models = [_model(one, by_question) for one in expected]
    if sum(bool(text) for text in models) <= _LEAST_SHARE * len(models):
        return None
    base, candidate = (
        [_other_language(pair[side].answer, text) for pair, text in zip(answers.pairs, models, strict=True)]
        for side in (0, 1)
    )
    return finding_rule(
        answers,
        "other_language",
        base,
        candidate,
        limit,
        remedy="add training rows in the language that is asked, in the share in which it is served, and train fewer steps on "
        "rows of the other; a system prompt that names the language helps where both are trained",
    )


def _questions_tell(expected: list[Expected]) -> bool:
    if not any(one.text for one in expected):
        return True
    known = [
        (asked, wanted)
        for one in expected
        if (asked := language_of(one.question)) is not None and (wanted := language_of(one.text)) is not None
    ]
    return len(known) >= _LEAST_KNOWN and sum(asked == wanted for asked, wanted in known) >= _AGREE * len(known)


def _model(expected: Expected, by_question: bool) -> str:
    """The text whose language the answer should have; empty where none tells it."""
    if language_of(expected.text) is not None:
        return expected.text
    if by_question and language_of(expected.question) is not None:
        return expected.question
    return ""


def _other_language(answer: str, model: str) -> str:
    if not model or not differ(answer, model):
        return ""
    return f"{language_of(answer) or script_of(answer)} in place of {language_of(model)}"
