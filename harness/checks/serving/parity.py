"""What a server says, beside what was measured here: everything is asked when it is first looked at, and once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

from harness.checks.release import Passages
from harness.checks.serving.asking import Heard, Server
from harness.checks.serving.line import Line, Lines, Probe
from harness.checks.serving.probes import MOST, ranked, spread_out
from harness.checks.serving.strength import nearer_the_candidate, strength
from harness.config.sections import Serving
from harness.config.spec import ServedModel
from harness.engines.server import RetryPolicy
from harness.stats import Interval

_IN_TURN = 24
_OF_FORM = {"float32": 2.0**-11, "float16": 2.0**-11, "bfloat16": 2.0**-8}
_OF_QUANTIZATION = {"none": 0.0, "int8": 2.0**-6, "nf4": 2.0**-3}
_LIKELY_FORM = "bfloat16"  # what servers compute in unless told otherwise


class _Measured(Protocol):
    """How the candidate was measured (`models.loading.LoadOptions`)."""

    @property
    def dtype(self) -> str: ...
    @property
    def quantization(self) -> str: ...
    @property
    def template_args(self) -> Mapping[str, Any]: ...


def rounding(serving: Serving, measured: _Measured) -> float:
    """Relative size of the steps that the server's precision and the measurement's may lie apart.

    The unit roundoff of a form (2^-8 of bfloat16; of float32 as much as of float16, for matrices are multiplied in TF32), and of
    a quantisation that is stated for serving and was not measured, about half a step of its grid.
    """
    steps = [_OF_FORM[serving.dtype or _LIKELY_FORM], _OF_FORM.get(measured.dtype, _OF_FORM[_LIKELY_FORM])]
    if serving.quantization and serving.quantization != measured.quantization:
        steps.append(_OF_QUANTIZATION[serving.quantization])
    return max(steps)


class InTurn(NamedTuple):
    """What base and candidate say on the same contexts.

    Attributes:
        base_first, candidate_second: at the fresh probes, each put to the one and then to the other.
        base_second: at the probes that the candidate was asked alone.
    """

    base_first: Heard
    candidate_second: Heard
    base_second: Heard


class Parity:
    """A served name, and the candidate that it should be.

    Attributes:
        texts: along which base and candidate are read in this process.
        server: answers as the candidate; `base_server` as the base, None where that is not served.
        serving: what is stated of it.
    """

    def __init__(
        self,
        served: ServedModel,
        base: ServedModel | None,
        texts: Passages,
        serving: Serving,
        measured: _Measured,
        *,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.texts = texts
        self.serving = serving
        tokenizer = texts.candidate.loaded.tokenizer
        make = partial(Server, tokenizer=tokenizer, retry=retry, template_args=measured.template_args)
        self.server = make(served)
        self.base_server = None if base is None else make(base)
        self.lines = Lines(texts, rounding(serving, measured))

    @property
    def place(self) -> str:
        """Who is asked, in words."""
        return str(self.server.served)

    @cached_property
    def ranked(self) -> Sequence[Probe]:
        """Where it can be asked, those places first that tell most."""
        by_text = not self.server.way.likeliest
        return [one for one in ranked(self.texts, self.lines, by_text=by_text) if self.server.understands(one)]

    @cached_property
    def line(self) -> Line:
        """What base and candidate expect at the probes."""
        return self.lines.of(spread_out(self.ranked, MOST))

    @cached_property
    def alone(self) -> Heard:
        """What the server says there, asked one after the other."""
        return self.server.hear(self.line)

    @cached_property
    def strength(self) -> Interval:
        """How strong the adapter is that answers."""
        return strength(self.line, self.alone)

    @cached_property
    def is_the_candidates(self) -> bool:
        """Whether it answers nearer the candidate than the base: else nothing finer can be told of it."""
        return nearer_the_candidate(self.line, self.alone).low > 0.5

    @cached_property
    def fresh(self) -> Line:
        """Probes that it was not asked before; where there are none left, those that it was."""
        asked = {probe.context for probe in self.line.probes}
        left = [probe for probe in self.ranked if probe.context not in asked]
        return self.lines.of(spread_out(left, _IN_TURN) or self.line.probes[:_IN_TURN])

    @property
    def base_can_be_asked(self) -> bool:
        """Whether the base, where it is served, can be asked wherever the candidate is."""
        base = self.base_server
        probes = (*self.line.probes, *self.fresh.probes)
        return base is not None and (base.way.form != "chat" or all(map(base.understands, probes)))

    @cached_property
    def in_turn(self) -> InTurn | None:
        """What is said where both are asked; None where the base is not served."""
        if self.base_server is None:
            return None
        _ = self.alone  # before the base is asked anything
        pair = (self.base_server, self.server)
        said = [[server.ask([probe])[0] for server in pair] for probe in self.fresh.probes]
        first, second = (
            server.hear(self.fresh, list(own)) for server, own in zip(pair, zip(*said, strict=True), strict=True)
        )
        return InTurn(first, second, self.base_server.hear(self.line))
