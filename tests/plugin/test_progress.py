"""The bar moves per answer, and its rest counts what is computed alone."""

from __future__ import annotations

import io

from harness.plugin.progress import AnswerBar


def shown(bar: AnswerBar) -> str:
    return str(bar._bar)


def test_it_moves_within_a_batch_and_tells_the_rest_by_what_was_computed() -> None:
    bar = AnswerBar("pets, base", io.StringIO(), hidden=False)
    bar.answered(0, 100)
    bar.answered(60, 100)  # from the cache, at once
    for answer in range(1, 11):
        bar.computed(answer, 2.0 * answer)
    assert "pets, base: 70 of 100 answers" in shown(bar)
    assert "about 1 min 00 s left" in shown(bar)  # 30 of 2 s
    bar.answered(61, 100)  # the batch is whole now, and told once more
    assert "70 of 100" in shown(bar)
    bar.answered(80, 100)
    bar.computed(11, 22.0)
    assert "81 of 100" in shown(bar) or "80 of 100" in shown(bar)
    bar.close()


def test_of_the_first_answers_no_rest_is_told() -> None:
    bar = AnswerBar("pets, base", io.StringIO(), hidden=False)
    bar.answered(0, 10)
    bar.computed(1, 9.0)
    assert "left" not in shown(bar) and "1 of 10 answers" in shown(bar)
    bar.close()


def test_the_next_requests_go_on_from_there() -> None:
    bar = AnswerBar("mmlu, base", io.StringIO(), hidden=False)
    bar.answered(0, 4)
    bar.computed(1, 1.0)
    bar.computed(2, 2.0)
    bar.answered(2, 4)
    bar.computed(1, 1.0)
    assert "3 of 4 answers" in shown(bar)
    bar.close()
