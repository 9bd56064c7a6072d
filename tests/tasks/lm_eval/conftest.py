from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import pytest

from harness.engines import Answer, GenerateRequest, Generation, Request, Score, ScoreRequest

QUESTIONS = [
    ("The quick brown fox jumps over the lazy", ["dog", "bird", "a table for two people", "cat"], 0),
    ("Please call the function that books a", ["table", "weather", "fox", "Friday evening at seven"], 0),
    ("Answer the question with one", ["birds", "word", "12345", "city"], 1),
    ("You are a helpful", ["jump", "sing", "assistant", "dog who sings"], 2),
    ("12345 birds", ["know", "book", "are", "sing, and nobody knows why they sing"], 3),
    ("The capital of France is", ["Paris", "the weather", "seven", "get_weather(city)"], 0),
]

CHOICE_YAML = """
task: {name}
dataset_path: json
dataset_kwargs:
  data_files: {{test: {data}, dev: {data}}}
test_split: test
fewshot_split: dev
fewshot_config: {{sampler: first_n}}
output_type: multiple_choice
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_choice: choices
doc_to_target: answer
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1.0}}
"""

GENERATION_YAML = """
task: tiny_words
dataset_path: json
dataset_kwargs:
  data_files: {{test: {data}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{choices[answer]}}}}"
generation_kwargs: {{until: ["\\n\\n"], max_gen_toks: 8, do_sample: false, temperature: 0.0}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}}
filter_list:
  - name: strict-match
    filter: [{{function: take_first}}]
  - name: flexible-extract
    filter: [{{function: regex, regex_pattern: "(\\\\w+)"}}, {{function: take_first}}]
metadata: {{version: 1.0}}
"""

ROLLING_YAML = """
task: tiny_text
dataset_path: json
dataset_kwargs:
  data_files: {{test: {data}}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{question}}}}"
metric_list:
  - {{metric: bits_per_byte}}
  - {{metric: word_perplexity}}
metadata: {{version: 1.0}}
"""


@pytest.fixture(scope="session")
def yaml_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own task definitions: two multiple-choice subjects in a group, words to generate, texts to score."""
    root = tmp_path_factory.mktemp("yaml")
    rows = [{"question": q, "choices": c, "answer": a} for q, c, a in QUESTIONS]
    for subject, part in (("animals", rows[:4]), ("places", rows[2:])):
        data = root / f"{subject}.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in part))
        (root / f"{subject}.yaml").write_text(CHOICE_YAML.format(name=f"tiny_group_{subject}", data=data))
    (root / "group.yaml").write_text("group: tiny_group\ntask: [tiny_group_animals, tiny_group_places]\n")
    everything = root / "all.jsonl"
    everything.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "words.yaml").write_text(GENERATION_YAML.format(data=everything))
    (root / "text.yaml").write_text(ROLLING_YAML.format(data=everything))
    return root


@pytest.fixture(autouse=True)
def _own_datasets_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets are prepared below pytest's directory, not in the user's cache."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.getbasetemp() / "datasets")


class ScriptedEngine:
    """Answers every request at once, by rule: for tests of what is asked and how it is graded."""

    identity_digest = "scripted"

    def __init__(
        self,
        *,
        score: Callable[[Request], float] = lambda request: -1.0,
        text: Callable[[GenerateRequest], str] = lambda request: "",
    ) -> None:
        self.requests: list[Request] = []
        self._score = score
        self._text = text

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """(index, answer), the last first, as an engine may do."""
        self.requests += requests
        for index, request in reversed(list(enumerate(requests))):
            if isinstance(request, GenerateRequest):
                yield index, Generation(self._text(request), "stop", 7, 3, 0.5)
            else:
                tokens = len(request.continuation) if isinstance(request, ScoreRequest) else 1
                yield index, Score(self._score(request), False, 7, tokens, 0.5)


@pytest.fixture(scope="session")
def scripted() -> type[ScriptedEngine]:
    """The class of the scripted engine."""
    return ScriptedEngine


@pytest.fixture
def small_stock_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stored index of some of lm-eval's tasks: reading all 14,000 definitions takes seconds."""
    rows = {
        "mmlu_astronomy": ["TASK", "mmlu/default/mmlu_astronomy.yaml", []],
        "hellaswag": ["TASK", "hellaswag/hellaswag.yaml", []],
        "truthfulqa_mc1": ["TASK", "truthfulqa/truthfulqa_mc1.yaml", []],
    }
    (tmp_path / f"lm-eval-{version('lm_eval')}-tasks.json").write_text(json.dumps(rows))
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path))
