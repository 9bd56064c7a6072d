"""What safety brings: its kinds of task, the sets that ship, and who scores answers. Registered as a plugin's are."""

from __future__ import annotations

from harness.hookspecs import Register, hookimpl


@hookimpl
def register_task_kinds(register: Register) -> None:
    """Prompts to be refused or answered, and texts to be continued."""
    from harness.safety.build import CONTINUATION, SAFETY

    register(SAFETY)
    register(CONTINUATION)


@hookimpl
def register_tasks(register: Register) -> None:
    """Public sets of the data directory, and the small ones of the package."""
    from harness.safety.sets import SAFETY_SETS
    from harness.scaffold import shipped
    from harness.tasks.kinds import NamedTask

    for name, spec in SAFETY_SETS.items():
        register(NamedTask(name, spec, shipped("fixtures").parent))


@hookimpl
def register_scorers(register: Register) -> None:
    """The grammar of refusals, a judge by a rubric, classifiers of the hub, and a list of words."""
    from harness.errors import ConfigError
    from harness.safety.hub import HubScorer
    from harness.safety.rubric import RubricScorer
    from harness.safety.scorers import ScorerKind, Wanted
    from harness.safety.scoring import RulesScorer
    from harness.safety.toxicity import HubToxicity, LexiconScorer

    def rubric(wanted: Wanted) -> RubricScorer:
        if wanted.judge is None:
            raise ConfigError("safety.scorer is judge, and there is no judge", "name one: `judge: {model: ...}`")
        return RubricScorer(wanted.judge)

    register(ScorerKind("rules", "rules", refusals=lambda wanted: RulesScorer()))
    register(ScorerKind("judge", "judge", refusals=rubric))
    register(ScorerKind("lexicon", "lexicon", toxicity=lambda wanted: LexiconScorer()))
    register(
        ScorerKind(
            "hub",
            "hub:ID of a text classifier",
            refusals=lambda wanted: HubScorer(wanted.value, wanted.safety.labels),
            toxicity=lambda wanted: HubToxicity(wanted.value, wanted.safety.toxicity_label),
        )
    )
