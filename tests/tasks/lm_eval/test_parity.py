"""Equal numbers with lm-eval's own Hugging Face model, on the tiny model in float32."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.engines import AnswerCache, Engine
from harness.tasks.lm_eval import LmEvalOptions, LmEvalTask

CONTEXTS = ["", "The quick brown fox ", "Question: who?\nAnswer:", "word\n\n", "<|im_start|>user\nhi", "long " * 700]
CONTINUATIONS = [" dog", "Paris", "B\n", " sing, and nobody knows why"]
SHOTS = "Answer with one letter.\n\n" + "Question: who sings?\nA. birds\nB. dogs\nAnswer: A\n\n" * 2
WINDOW_TOKENS = 64


@pytest.fixture(scope="module")
def short_model_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a window of 64 tokens, and a tokenizer that begins every encoding with BOS, as Llama's."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    directory = tmp_path_factory.mktemp("short") / "model"
    shutil.copytree(tiny_model_dir, directory)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | {"max_position_embeddings": WINDOW_TOKENS}))
    tokenizer = AutoTokenizer.from_pretrained(directory)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", tokenizer.bos_token_id)]
    )
    tokenizer.save_pretrained(directory)
    return directory


def open_engine(directory: Path, answers: Path) -> Engine:
    from harness.engines.local import LocalBackend
    from harness.models.loading import LoadOptions, load_model

    loaded = load_model(directory, LoadOptions(dtype="float32", device="cpu"))
    return Engine("tiny", LocalBackend(lambda: loaded, adapter=False), AnswerCache(answers))


def open_library_model(directory: Path, batch_size: int):
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(directory), device="cpu", dtype="float32", batch_size=batch_size)


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return open_engine(tiny_model_dir, tmp_path_factory.mktemp("answers") / "answers.sqlite")


@pytest.fixture(scope="module")
def library_model(tiny_model_dir: Path):
    return open_library_model(tiny_model_dir, 4)


@pytest.fixture(scope="module")
def short_engine(short_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return open_engine(short_model_dir, tmp_path_factory.mktemp("answers") / "answers.sqlite")


@pytest.fixture(scope="module")
def short_library_model(short_model_dir: Path):
    # One at a time: in a batch lm-eval looks at the first prompt alone to see whether they bring their own BOS.
    return open_library_model(short_model_dir, 1)


@pytest.fixture(params=["plain", "short"])
def pair(request):
    """Our engine and lm-eval's model, over the tiny model and over the one with a short window that adds BOS."""
    names = {"plain": ("engine", "library_model"), "short": ("short_engine", "short_library_model")}
    return tuple(request.getfixturevalue(name) for name in names[request.param])


def instances(kind: str, arguments: list[tuple]) -> Iterator:
    from lm_eval.api.instance import Instance

    for i, args in enumerate(arguments):
        yield Instance(kind, {}, args, 0, ("tiny", i, 1))


def both(engine, library_model, kind, arguments):
    from harness.tasks.lm_eval.lm import EngineLM

    ours = getattr(EngineLM(engine), kind)(list(instances(kind, arguments)))
    return ours, getattr(library_model, kind)(list(instances(kind, arguments)))


def assert_equal_scores(ours, theirs):
    assert [score for score, _ in ours] == pytest.approx([score for score, _ in theirs], abs=1e-4)
    assert [greedy for _, greedy in ours] == [greedy for _, greedy in theirs]


def test_loglikelihoods_equal_lm_evals_for_empty_spaced_and_too_long_contexts(pair):
    pairs = [(context, continuation) for context in CONTEXTS for continuation in CONTINUATIONS]
    assert_equal_scores(*both(*pair, "loglikelihood", pairs))


def test_one_token_choices_over_shared_examples_equal_lm_evals(pair):
    questions = [f"{SHOTS}Question: who {verb}?\nA. birds\nB. dogs\nAnswer:" for verb in ("jumps", "sings", "sings")]
    assert_equal_scores(*both(*pair, "loglikelihood", [(q, letter) for q in questions for letter in (" A", " B")]))


def test_several_token_choices_that_begin_alike_equal_lm_evals(pair):
    endings = [" sing", " sing, and", " sing, and nobody", " sing, and nobody knows why they sing", " jump over"]
    contexts = ["birds", "birds that", "The quick brown fox jumps over the lazy dog while birds"]
    assert_equal_scores(*both(*pair, "loglikelihood", [(c, e) for c in contexts for e in endings]))


@pytest.mark.parametrize(
    ("context", "continuation"),
    [
        ("The quick bro", "wn fox jumps over the lazy dog"),
        ("The quick brown fox ju", "mps over the lazy dog"),
        ("get_weather(cit", "y: string)"),
        ("a\n", "\nb"),
    ],
)
def test_a_context_that_ends_within_a_token_is_divided_as_lm_eval_divides_it(pair, context, continuation):
    assert_equal_scores(*both(*pair, "loglikelihood", [(context, continuation)]))


def test_a_continuation_that_begins_with_bos_needs_no_other_before_it(pair):
    assert_equal_scores(*both(*pair, "loglikelihood", [("", "<|im_start|>user"), ("", "user")]))


def test_a_context_of_white_space_alone_follows_bos_as_in_lm_eval(short_engine, short_library_model):
    pairs = [(" ", "dog"), ("\n\n", "The dog")]  # without BOS lm-eval stops at these
    assert_equal_scores(*both(short_engine, short_library_model, "loglikelihood", pairs))


def test_a_continuation_as_long_as_the_window_keeps_one_token_of_context(short_engine, short_library_model):
    tail = " dog" * WINDOW_TOKENS
    assert_equal_scores(*both(short_engine, short_library_model, "loglikelihood", [("The quick brown fox", tail)]))


@pytest.mark.parametrize(
    "text", ["The quick brown fox.", "<|im_start|>user\nhi", "birds sing " * 25], ids=["short", "bos", "longer"]
)
def test_rolling_loglikelihoods_equal_lm_evals(pair, text):
    ours, theirs = both(*pair, "loglikelihood_rolling", [(text,)])
    assert ours == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("beyond", [-1, 0, 1, 2, WINDOW_TOKENS, WINDOW_TOKENS + 1, 3 * WINDOW_TOKENS - 5])
def test_rolling_loglikelihoods_of_texts_past_the_window_equal_lm_evals(short_engine, short_library_model, beyond):
    words = [" the", " sing", " why", " dog"]  # a token each
    text = "".join(words[i % 4] for i in range(WINDOW_TOKENS - 1 + beyond))  # and BOS
    assert len(short_library_model.tok_encode(text)) == WINDOW_TOKENS + beyond
    ours, theirs = both(short_engine, short_library_model, "loglikelihood_rolling", [(text,)])
    assert ours == pytest.approx(theirs, abs=1e-4 * (1 + abs(beyond)))


STOPS = [
    {"until": ["\n\n"], "max_gen_toks": 12},
    {"until": ["e", "q"], "max_gen_toks": 12, "do_sample": False, "temperature": 0.0},
    {"until": [], "max_new_tokens": 5},
]


def test_greedy_generations_equal_lm_evals_with_and_without_stop_texts(pair):
    prompts = [context for context in CONTEXTS if context]
    ours, theirs = both(*pair, "generate_until", [(prompt, kwargs) for prompt in prompts for kwargs in STOPS])
    assert ours == theirs


def test_stop_texts_that_overlap_cut_where_lm_eval_cuts(short_engine, short_library_model):
    prompt = "The quick brown fox"
    [free], _ = both(short_engine, short_library_model, "generate_until", [(prompt, {"until": [], "max_gen_toks": 12})])
    whole, part = free[2:8], free[3:5]
    for until in ([part, whole], [whole, part]):
        kwargs = {"until": until, "max_gen_toks": 12}
        ours, theirs = both(short_engine, short_library_model, "generate_until", [(prompt, kwargs)])
        assert ours == theirs


@pytest.fixture(scope="module")
def library_results(library_model, yaml_dir):
    """lm-eval's own run of tasks, with its own model, manager and defaults."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(yaml_dir), include_defaults=False)
    return lambda tasks, **options: simple_evaluate(
        library_model, tasks=tasks, task_manager=manager, bootstrap_iters=0, **options
    )


@pytest.fixture(scope="module")
def zero_shot(library_results):
    return library_results(["tiny_group", "tiny_words", "tiny_text"])


def assert_equal_choices(samples, results):
    logged = {(subtask, row["doc_id"]): row for subtask, rows in results["samples"].items() for row in rows}
    assert len(samples) == 8
    for sample in samples:
        subtask, doc_id, _ = sample.item_id.split("/")
        row = logged[subtask, int(doc_id)]
        assert sample.prompt == row["arguments"][0][0]
        assert (sample.scores["acc"], sample.scores["acc_norm"]) == (row["acc"], row["acc_norm"])
        logprobs = [response[0] for response in row["filtered_resps"]]
        assert sample.parsed["choice_logprobs"] == pytest.approx(logprobs, abs=1e-4)


def test_a_group_of_choices_has_lm_evals_own_scores(engine, zero_shot, yaml_dir):
    task = LmEvalTask("tiny_group", LmEvalOptions(include_path=yaml_dir))
    assert_equal_choices(task.evaluate(engine, "base"), zero_shot)


def test_few_shot_prompts_and_scores_are_lm_evals_own(engine, library_results, yaml_dir):
    task = LmEvalTask("tiny_group", LmEvalOptions(fewshot=2, include_path=yaml_dir))
    assert_equal_choices(task.evaluate(engine, "base"), library_results(["tiny_group"], num_fewshot=2))


def test_generated_answers_and_filters_are_lm_evals_own(engine, zero_shot, yaml_dir):
    samples = LmEvalTask("tiny_words", LmEvalOptions(include_path=yaml_dir)).evaluate(engine, "base")
    for name, filter_ in (("exact_match_strict", "strict-match"), ("exact_match_flexible", "flexible-extract")):
        rows = [row for row in zero_shot["samples"]["tiny_words"] if row["filter"] == filter_]
        assert [s.answer for s in samples] == [row["resps"][0][0] for row in rows]
        assert [s.parsed["filtered"][filter_] for s in samples] == [row["filtered_resps"][0] for row in rows]
        assert [s.scores[name] for s in samples] == [row["exact_match"] for row in rows]


def test_perplexity_metrics_equal_lm_evals(engine, zero_shot, yaml_dir):
    task = LmEvalTask("tiny_text", LmEvalOptions(include_path=yaml_dir))
    samples = task.evaluate(engine, "base")
    for name in ("bits_per_byte", "word_perplexity"):
        ours = task.metric(name).corpus([s.target for s in samples], [s.parsed for s in samples])
        assert ours == pytest.approx(zero_shot["results"]["tiny_text"][f"{name},none"], rel=1e-5)


def test_a_chat_generation_equals_lm_evals(engine, library_results, yaml_dir):
    task = LmEvalTask("tiny_words", LmEvalOptions(chat_template=True, include_path=yaml_dir))
    theirs = library_results(["tiny_words"], apply_chat_template=True)
    answers = [row["resps"][0][0] for row in theirs["samples"]["tiny_words"] if row["filter"] == "strict-match"]
    assert [sample.answer for sample in task.evaluate(engine, "base")] == answers
