"""ROUGE, BLEU and chrF are the libraries' own figures, on a scale of 0 to 1."""

from __future__ import annotations

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from harness.metrics.overlap import corpus_bleu, corpus_chrf, rouge, sentence_bleu, sentence_chrf

ASCII = st.text(alphabet="ab cD1,-_.'\n")


@given(ASCII, ASCII)
def test_rouge_equals_the_default_tokenizer_on_ascii(prediction: str, reference: str) -> None:
    theirs = RougeScorer(["rouge1", "rougeL"]).score(reference, prediction)
    ours = rouge(prediction, [reference])
    assert (ours["rouge1"], ours["rougeL"]) == (theirs["rouge1"].fmeasure, theirs["rougeL"].fmeasure)


def test_rouge_sees_other_alphabets() -> None:
    assert rouge("добрый день", ["добрый день"])["rouge1"] == 1.0


def test_rouge_takes_the_best_reference() -> None:
    assert rouge("a b", ["c d", "a b"])["rougeL"] == 1.0


def test_corpus_figures_are_sacrebleu_s_over_100() -> None:
    targets = ["the cat sat on the mat", "a dog barked at the moon"]
    answers = ["the cat sat on a mat", "a dog barked at a moon"]
    assert corpus_bleu(targets, answers) == pytest.approx(sacrebleu.corpus_bleu(answers, [targets]).score / 100)
    assert corpus_chrf(targets, answers) == pytest.approx(sacrebleu.corpus_chrf(answers, [targets]).score / 100)
    assert 0.3 < corpus_bleu(targets, answers) < 1


def test_items_may_have_different_numbers_of_references() -> None:
    targets = [["the cat sat on the mat", "a cat was on the mat"], "a dog barked at the moon"]
    answers = ["a cat was on the mat", "a dog barked at the moon"]
    assert corpus_bleu(targets, answers) == pytest.approx(1.0)
    assert corpus_chrf(targets, answers) == pytest.approx(1.0)


def test_sentence_figures_of_a_short_right_answer_are_full() -> None:
    assert sentence_bleu("yes", ["yes"]) == pytest.approx(1.0)
    assert sentence_chrf("yes", ["no", "yes"]) == pytest.approx(1.0)
    assert sentence_bleu("", ["yes"]) == sentence_chrf("", ["yes"]) == 0.0


PAIRS = {
    "zh": ("今天天气很好、我们去公园。", "今天天气不错、我们去公园玩。"),
    "char": ("วันนี้อากาศดีมาก", "วันนี้อากาศดี"),
    "13a": ("The weather is fine today.", "The weather is good today."),
}


@pytest.mark.parametrize("tokenize", PAIRS)
def test_bleu_is_sacrebleu_s_by_the_tokenizer_of_the_references_script(tokenize: str) -> None:
    answer, reference = PAIRS[tokenize]
    wanted = sacrebleu.sentence_bleu(answer, [reference], use_effective_order=True, tokenize=tokenize).score / 100
    assert sentence_bleu(answer, [reference]) == pytest.approx(wanted)
    assert 0.3 < wanted < 1
    corpus = sacrebleu.corpus_bleu([answer] * 2, [[reference, answer]], tokenize=tokenize).score / 100
    assert corpus_bleu([reference, answer], [answer] * 2, tokenize=tokenize) == pytest.approx(corpus)


@pytest.mark.parametrize("score", [sentence_bleu, sentence_chrf, lambda a, b: rouge(a, b)["rouge1"]])
def test_accents_and_quotes_written_another_way_score_alike(score) -> None:
    assert score(
        "the caf\u00e9\u2019s \u201cbest\u201d hot menu", ['the cafe\u0301\'s "best" hot menu']
    ) == pytest.approx(1.0)


def test_rouge_sees_the_characters_of_a_script_without_spaces() -> None:
    assert rouge("今天天气很好", ["今天天气不错"])["rouge1"] == pytest.approx(4 / 6)
