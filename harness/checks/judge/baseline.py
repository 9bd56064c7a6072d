"""The released adapter as the candidate's opponent: its stored answers, where they are answers to the same questions."""

from __future__ import annotations

from collections.abc import Sequence

from harness.config import FILE_NAME
from harness.config.settings import Settings
from harness.errors import ConfigError, RunError
from harness.records import Manifest, Sample
from harness.runs.baselines import NamedRun, find_run
from harness.runs.comparability import comparability_key, differing_parts, in_words
from harness.runs.storage import open_store


def find_baseline(settings: Settings) -> NamedRun:
    """The run of `--baseline`.

    Raises:
        ConfigError: none is named.
        RunError: there is no such run, or it is not whole.
    """
    if not settings.baseline:
        raise ConfigError(
            "judge.against is baseline, and no baseline is named",
            f"pass --baseline=RUN, or set judge.against to base in {FILE_NAME}",
        )
    return find_run(settings.baseline, settings.reports_dir, open_store(settings.store))


def baseline_answers(found: NamedRun, task: str, candidate: Sequence[Sample], facts: Manifest) -> list[Sample]:
    """The released adapter's samples of a task, one to each of the candidate's: same item, same prompt digest.

    Args:
        facts: what this session found out (`Session.facts`), to hold against the run's comparability key.

    Raises:
        RunError: the run never measured the task, or measured it another way; the parts that differ are named.
    """
    remedy = f"set a baseline that was measured the same way, or judge.against to base in {FILE_NAME}"
    asked = {task: [(sample.item_id, sample.prompt_digest) for sample in candidate]}
    differing = differing_parts(found.run.manifest.comparability, comparability_key(facts, asked), task)
    if differing:
        raise RunError(f"{found.name} cannot be held against on {task}: {in_words(differing)} differ", remedy)
    samples = {(s.item_id, s.prompt_digest): s for s in found.run.read_samples(task=task, role="candidate")}
    missing = [item for item, prompt in asked[task] if (item, prompt) not in samples]
    if missing:
        raise RunError(
            f"{found.name} lacks answers to {len(missing)} of {len(candidate)} questions of {task}: {missing[0]}",
            remedy,
        )
    return [samples[key] for key in asked[task]]
