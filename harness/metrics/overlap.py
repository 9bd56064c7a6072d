"""ROUGE, BLEU and chrF of generated text against references, all in [0, 1].

ROUGE by rouge-score (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"), BLEU and chrF by sacrebleu
(Post 2018, "A Call for Clarity in Reporting BLEU Scores"; Popovic 2015, "chrF: character n-gram F-score"), whose 0-100
is divided by 100 so that one margin means one thing for every metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from harness.metrics.words import BleuTokenizer, bleu_tokenizer, canonical, rouge_words

ROUGE_TYPES = ("rouge1", "rouge2", "rougeL")


class _Words:
    def tokenize(self, text: str) -> list[str]:
        return rouge_words(text)


@cache
def _rouge_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(ROUGE_TYPES), tokenizer=_Words())


def rouge(prediction: str, references: Sequence[str]) -> Mapping[str, float]:
    """`rouge1`, `rouge2`, `rougeL`: F-measures, each against the reference it fits best."""
    scores = [_rouge_scorer().score(reference, prediction) for reference in references]
    return {name: max(float(score[name].fmeasure) for score in scores) for name in ROUGE_TYPES}


def sentence_bleu(prediction: str, references: Sequence[str], tokenize: BleuTokenizer | None = None) -> float:
    """BLEU-4 of one answer, smoothed, with no n-gram order longer than the answer.

    Args:
        tokenize: None: that of the references' script.
    """
    import sacrebleu

    bleu = sacrebleu.sentence_bleu(
        canonical(prediction),
        list(map(canonical, references)),
        use_effective_order=True,
        tokenize=tokenize or bleu_tokenizer(references),
    )
    return float(bleu.score) / 100


def sentence_chrf(prediction: str, references: Sequence[str]) -> float:
    """chrF2 of one answer."""
    import sacrebleu

    return float(sacrebleu.sentence_chrf(canonical(prediction), list(map(canonical, references))).score) / 100


def corpus_bleu(
    targets: Sequence[str | Sequence[str]], predictions: Sequence[str], *, tokenize: BleuTokenizer = "13a"
) -> float:
    """BLEU-4 over all answers together."""
    import sacrebleu

    bleu = sacrebleu.corpus_bleu(list(map(canonical, predictions)), _streams(targets), tokenize=tokenize)
    return float(bleu.score) / 100


def corpus_chrf(targets: Sequence[str | Sequence[str]], predictions: Sequence[str]) -> float:
    """chrF2 over all answers together."""
    import sacrebleu

    return float(sacrebleu.corpus_chrf(list(map(canonical, predictions)), _streams(targets)).score) / 100


def as_references(target: str | Sequence[str]) -> list[str]:
    """The gold answers of an item: a target is one text or a list of them."""
    return [target] if isinstance(target, str) else list(target)


def _streams(targets: Sequence[str | Sequence[str]]) -> list[list[str | None]]:
    """References as sacrebleu wants them: one list a reference number, None where an item has fewer."""
    references = [list(map(canonical, as_references(target))) for target in targets]
    most = max(map(len, references))
    return [[r[i] if i < len(r) else None for r in references] for i in range(most)]
