from __future__ import annotations

import pytest
from lm_eval.api.instance import Instance

from harness.engines import Prompt
from harness.errors import TaskError
from harness.tasks.lm_eval.lm import ChatText, EngineLM, generate_request

PROMPT = Prompt(text="hi")


def instance(kind, args, doc_id=0, idx=0):
    return Instance(kind, {}, args, idx, ("subtask", doc_id, 1))


def test_answers_come_back_in_the_order_of_the_requests(scripted):
    lm = EngineLM(scripted(score=lambda request: -float(len(request.continuation))))
    asked = [instance("loglikelihood", ("q", "a" * n), doc_id=n) for n in (3, 1, 2)]
    assert [logprob for logprob, _ in lm.loglikelihood(asked)] == [-3.0, -1.0, -2.0]
    assert [lm.answers["subtask", n, 0][0].completion_tokens for n in (1, 2, 3)] == [1, 2, 3]


def test_too_long_contexts_are_to_be_cut_as_lm_eval_cuts_them(scripted):
    engine = scripted()
    lm = EngineLM(engine)
    lm.loglikelihood([instance("loglikelihood", ("q", "a"))])
    lm.generate_until([instance("generate_until", ("q", {"until": ["\n"]}))])
    assert [request.truncate for request in engine.requests] == [True, True]


def test_generation_arguments_mean_what_they_mean_to_lm_eval():
    request = generate_request(PROMPT, {"until": "\n", "max_new_tokens": 9, "temperature": 0.7, "top_p": 0.9})
    assert (request.stop, request.max_new_tokens, request.temperature, request.top_p) == (("\n",), 9, 0.7, 0.9)
    assert generate_request(PROMPT, {}).max_new_tokens == 256


def test_do_sample_false_is_greedy_whatever_the_temperature():
    request = generate_request(PROMPT, {"do_sample": False, "temperature": 0.7, "top_k": 5, "top_p": 0.5})
    assert (request.temperature, request.top_p) == (0.0, 1.0)


def test_empty_stop_texts_do_not_end_every_answer_at_once():
    assert generate_request(PROMPT, {"until": ["", "\n"]}).stop == ("\n",)


@pytest.mark.parametrize("kwargs", [{"num_beams": 4}, {"do_sample": True, "temperature": 1.0, "top_k": 5}])
def test_generation_arguments_that_would_be_lost_are_refused(kwargs):
    with pytest.raises(TaskError, match=r"num_beams=4|top_k=5"):
        generate_request(PROMPT, kwargs)


def test_repeats_of_a_sampled_request_are_different_draws(scripted):
    engine = scripted()
    one = instance("generate_until", ("q", {"do_sample": True, "temperature": 1.0}))
    EngineLM(engine).generate_until([one] * 3)
    assert [request.seed for request in engine.requests] == [0, 1, 2]


def test_conversations_reach_the_engine_as_messages(scripted):
    engine = scripted()
    lm = EngineLM(engine, chat=True)
    prompt = lm.apply_chat_template([{"role": "user", "content": "hi"}])
    lm.generate_until([instance("generate_until", (prompt, {}))])
    assert isinstance(prompt, ChatText)
    assert engine.requests[0].prompt == Prompt.chat("hi")


def test_a_prompt_that_lost_its_conversation_is_refused(scripted):
    lm = EngineLM(scripted(), chat=True)
    prompt = lm.apply_chat_template([{"role": "user", "content": "hi"}]) + " there"
    with pytest.raises(TaskError, match="past the chat template"):
        lm.generate_until([instance("generate_until", (prompt, {}))])


def test_an_answer_begun_by_the_task_is_refused_in_a_conversation(scripted):
    history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "The best answer is"}]
    with pytest.raises(TaskError, match="The best answer is"):
        EngineLM(scripted(), chat=True).apply_chat_template(history, add_generation_prompt=False)


def test_progress_counts_answers_over_several_kinds_of_requests(scripted):
    seen = []
    lm = EngineLM(scripted(), progress=lambda done, wanted: seen.append((done, wanted)))
    lm.loglikelihood([instance("loglikelihood", ("q", "a"), idx=i) for i in range(2)])
    lm.generate_until([instance("generate_until", ("q", {}))])
    assert seen == [(0, 2), (1, 2), (2, 2), (2, 3), (3, 3)]
