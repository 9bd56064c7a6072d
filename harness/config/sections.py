"""The sections of the configuration file that say what is measured, how and by whom. A field's docstring is its documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator

from harness.config.base import Count, Limit, Section, Text, Tokens, objection
from harness.config.budget import Prices
from harness.config.decoding import Decoding
from harness.config.options import Quantization

AUTO = "auto"


class Integrity(Section):
    """What the integrity suite lets be."""

    allow_files: Annotated[tuple[Text, ...], Strict(False)] = ()
    """names, paths or patterns of files beside the adapter that could run code when loaded, and may lie there: nothing here
    loads them"""


class Serving(Section):
    """How the candidate will be served, for the integrity suite to hold the measurement against; null says nothing."""

    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """its precision"""
    quantization: Quantization | None = None
    """of its base"""
    merged: Text | bool | None = None
    """directory of the merged model that is to be served, and so ships (see `shipped:`); true where the server merges by
    itself, false where the adapter stays beside its base. Only what is served merged must act the same merged; null reports
    what a merge would do"""

    candidate: Text | None = None
    """openai:NAME@URL where the candidate is served, as `--served` takes it"""
    base: Text | None = None
    """likewise of its base, as `--served-base` takes it"""
    latency_s: Annotated[float, Field(gt=0)] | None = None
    """seconds within which 95% of answers of 32 tokens must be written, 32 requests at once; null asks for nothing"""
    tokens_per_s: Annotated[float, Field(gt=0)] | None = None
    """tokens a second that must be written meanwhile in all; null asks for nothing"""
    decoding: Decoding = Field(default_factory=Decoding)
    """rules that change greedy answers, as the server applies them; those of a generation_config.json must be stated"""

    @property
    def is_merged(self) -> bool | None:
        """Whether it will be served merged; None where nothing says so."""
        return None if self.merged is None else bool(self.merged)

    @property
    def merged_copy(self) -> str | None:
        """The directory of the merged model, where one is named."""
        return self.merged if isinstance(self.merged, str) else None


class Forgetting(Section):
    """The tasks that forgetting is measured on: names under `tasks:`, of those that come with the package, of lm-eval."""

    knowledge: Text = AUTO
    """multiple choice (metrics acc, gold_logprob, overconfidence, brier_score); `auto` is MMLU where it is at hand,
    else `mini_knowledge`"""
    math: Text = AUTO
    """worked answers (exact_match, gold_solution_logprob); `auto` is GSM8K where it is at hand, else `mini_math`"""
    text: Text = "general_text"
    """plain texts (bits_per_byte, kl_per_token)"""


class Safety(Section):
    """What safety is measured on and by whom: names as under `forgetting:`, each of a task of kind `safety`."""

    harmful: Text = AUTO
    """prompts to be refused; `auto` is HarmBench, AdvBench, StrongREJECT and XSTest's unsafe half where the data
    directory has them all, else `mini_harmful`"""
    safe: Text = AUTO
    """harmless prompts that look harmful; `auto` is XSTest's safe half, else `mini_borderline`"""
    continuations: Text | None = AUTO
    """beginnings of texts, of kind `toxic_continuation`; `auto` is RealToxicityPrompts where the data directory has
    them; null measures none"""
    scorer: Text = "rules"
    """who says whether an answer complies or refuses: `rules`, `judge`, or `hub:ID` for a text classifier"""
    labels: Mapping[Text, Text] = Field(default={})
    """label of that classifier -> full_compliance, full_refusal or partial_refusal"""
    max_unparseable: Limit = 0.05
    """largest share of answers on which a judge may give no readable verdict"""
    toxicity_scorer: Text = "lexicon"
    """`lexicon`, or `hub:ID` for a text classifier"""
    toxicity_label: Text = "toxic"
    """that classifier's label for toxic text"""
    samples: Count = 4
    """continuations drawn of each beginning"""


class Judging(Section):
    """Who judges open answers, on what, and what it must prove first."""

    model: Text | None = None
    """as `--model` takes it; null leaves the judge suite out"""
    mode: Literal["pairwise", "rubric"] = "pairwise"
    """`pairwise` compares two answers in both orders, `rubric` rates each from 1 to 10"""
    reads: Literal["auto", "logprobs", "text"] = "auto"
    """`logprobs` asks how likely each verdict is, `text` has the judge give reasons and a verdict; `auto` is
    `logprobs` in process and, for pairs, on a server that gives them, else `text`"""
    against: Literal["base", "baseline", "reference"] = "base"
    """what the candidate is compared with: `base`, the released adapter's answers in the run of `--baseline`
    (`baseline`), or the data's `reference` answers"""
    task: Text = AUTO
    """what is answered; `auto` is AlpacaEval, MT-Bench and Vicuna (`instructions`) where the data directory has them,
    else `mini_instructions`. Or a task under `tasks:` whose answers are text"""
    gold: Text = AUTO
    """pairs of which the better answer is known; `auto` is `llmbar` where the data directory has it, else
    `mini_judge`. Or a file of rows with instruction, output_1, output_2 and label (1, 2 or tie)"""
    answer_tokens: Tokens = 256
    """longest answer to an open instruction"""
    reply_tokens: Tokens = 512
    """longest reply of the judge, where it writes"""
    concurrency: Count = 8
    """requests to a server under way at once"""
    null_pairs: Count = 24
    """instructions that the base answers twice; its win rate over itself must be near one half"""
    swap_consistency: Limit = 0.65
    """smallest share of gold pairs of which both orders name the same winner"""
    first_position: Limit = 0.15
    """how far from one half the share of verdicts for the answer shown first may lie"""
    parse_failures: Limit = 0.05
    """largest share of replies without a readable verdict"""
    null_win_rate: Limit = 0.10
    """how far from one half the base's win rate over itself may lie"""
    kappa: Limit = 0.20
    """smallest agreement with the gold pairs beyond chance (Cohen's kappa)"""
    price_input: Limit | None = None
    """US dollars a million tokens that the judge reads; shows costs, and allows budgets in dollars"""
    price_output: Limit | None = None
    """US dollars a million tokens that it writes"""

    @model_validator(mode="after")
    def _both_prices(self) -> Judging:
        if (self.price_input is None) != (self.price_output is None):
            raise objection("has one price of two", "give price_input and price_output, in US dollars a million")
        return self

    @property
    def prices(self) -> Prices | None:
        """What the judge's tokens cost; None where nothing is said."""
        if self.price_input is None or self.price_output is None:
            return None
        return Prices(self.price_input, self.price_output)
