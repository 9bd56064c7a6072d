"""The run that `--baseline` names, as the gates of this session see it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from harness.config.settings import Settings
from harness.records import BaselineFacts, ModelFacts, Verdict
from harness.runs.baselines import SUITE, NamedRun, find_run, own
from harness.runs.comparability import comparability_key, differing_parts
from harness.runs.gate_names import comparable_names, gate_name, in_suite
from harness.runs.storage import open_store

if TYPE_CHECKING:
    from harness.gates import Gateable
    from harness.gates.baseline import AgainstBaseline
    from harness.session import Session


log = logging.getLogger(__name__)


class BaselineRun:
    """The run of the baseline adapter, to which each gate on a metric of its samples is put a second time.

    Args:
        session: the measuring session, made when first called.

    Raises:
        RunError: there is no such run, or it is not whole; raised before anything is measured.
    """

    def __init__(self, settings: Settings, text: str, session: Callable[[], Session]) -> None:
        self.found: NamedRun = find_run(text, settings.reports_dir, open_store(settings.store))
        self.found.run.read_columns("item_id")
        self._margins_of = settings.config.margins_of
        self._session = session
        self._told = False
        self._samples = cache(lambda task: self.found.run.read_samples(task=task, role="candidate"))

    def against(self, gateable: Gateable) -> AgainstBaseline | None:
        """The gate's question put to candidate and baseline.

        None where the gate rests on no samples of the candidate, on what was computed for it alone, or where the baseline
        never measured its task or metric: it is new then.
        """
        from harness.gates.baseline import AgainstBaseline, is_stored, paired_rule

        rule = paired_rule(gateable)
        if rule is None:
            return None
        task = rule.measurement.task
        candidate, baseline = self._session().measured(task), self._samples(task)
        if candidate is None or not is_stored(rule, candidate, baseline):
            return None
        asked = {task: [(sample.item_id, sample.prompt_digest) for sample in candidate.samples]}
        facts = self._session().facts()
        self._tell_of_base(facts.model)
        key = comparability_key(facts, asked)
        differing = differing_parts(self.found.run.manifest.comparability, key, task, rule.measurement.metric.name)
        return AgainstBaseline(rule, candidate, baseline, self.found.name, differing, self._margins_of(task).baseline)

    def facts(self, verdicts: Iterable[Verdict]) -> BaselineFacts:
        """Which run it is, and the gates that only one of the two runs has."""
        run = self.found.run
        mine, theirs = comparable_names(own(verdicts), own(run.verdicts))
        return BaselineFacts(
            name=self.found.name,
            run=run.id,
            adapter=run.manifest.adapter.name,
            new=tuple(sorted(mine - theirs)),
            missing=tuple(sorted(theirs - mine)),
        )

    def _tell_of_base(self, measured: ModelFacts) -> None:
        """Once, and before the run has taken its hours: the verdict comes at its end."""
        if not self._told and (verdict := self.same_base(measured)).outcome != "pass":
            log.warning("%s", verdict.reason)
        self._told = True

    def same_base(self, measured: ModelFacts) -> Verdict:
        """Whether this run stands on the base of the baseline."""
        from harness.gates.same_base import same_base

        return in_suite(same_base(measured, self.found.run.manifest.model, self.found.name), SUITE)

    def missing(self, gates: Iterable[str]) -> list[Verdict]:
        """A failed verdict for each gate that the baseline has and this run lacks, for `--strict`."""
        lacking = Verdict(
            "",
            "fail",
            f"the baseline {self.found.name} has this gate and this run does not",
            kind="is_measured",
            rule="is measured",
            remedy="run the whole of the suites, or set a baseline without it",
            against=self.found.name,
        )
        return [in_suite(replace(lacking, gate=gate_name("missing", gate)), SUITE) for gate in gates]
