"""What a verdict means for the release. Decided here alone: severities, waivers, and the gates that must be there.

The outcome of a verdict stays what was measured; what is added is whether it blocks. Imported at pytest collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from harness.config import Config
from harness.config.policy import CRITICAL_REMEDY, WaiverEntry, is_pattern, matches, severity_of
from harness.errors import ConfigError, did_you_mean, nearest
from harness.records import Lapse, Severity, SkippedTest, Verdict, Waiver, WaiverFacts
from harness.runs.baselines import SUITE as BASELINE
from harness.runs.gate_names import in_suite

SUITE = "policy"
"""What names of the verdicts on missing gates begin with."""


@dataclass(frozen=True)
class Collected:
    """A suite of which tests were collected, as far as is known before they run.

    Attributes:
        default: severity of its gates where nothing else is said.
        gates: name -> what its task says of its severity; None where the names are known only once it has run.
    """

    default: Severity
    gates: Mapping[str, Severity | None] | None = None

    def severity_of(self, gate: str) -> Severity:
        """That of the gate so called in the suite, as far as is known."""
        return (self.gates or {}).get(gate) or self.default


@dataclass(frozen=True)
class ReleasePolicy:
    """What the configuration says of gates by their names.

    Attributes:
        today: the day on which the run began, UTC.
        candidate_digest: the digest of the adapter under test; empty where it is not known yet. Asked only where a waiver
            holds for one adapter.
    """

    config: Config
    today: date
    candidate_digest: Callable[[], str]

    def applied(self, verdict: Verdict, default: Severity) -> Verdict:
        """The verdict with its severity and, where it does not pass, the waiver that names it.

        Args:
            default: the severity where `severities:` says nothing of the gate.
        """
        names = names_of(verdict)
        found = replace(verdict, severity=severity_of(names, self.config.severities) or default, waiver=None)
        if found.outcome == "pass" or found.severity == "advisory":
            return found
        named = [self._held(one, found) for one in self.config.waivers if _names(one.gate, names)]
        return replace(found, waiver=min(named, key=lambda one: one.lapse != "", default=None))

    def settled(self, verdicts: Iterable[Verdict]) -> list[Verdict]:
        """The verdicts of a whole run. A waiver that gives one name to several gates of it holds for none of them."""
        found = list(verdicts)
        ambiguous = {
            one.gate for one in self.config.waivers if not is_pattern(one.gate) and len(_named(one.gate, found)) > 1
        }
        return [
            replace(v, waiver=replace(v.waiver, lapse="ambiguous"))
            if v.waived and v.waiver is not None and v.waiver.gate in ambiguous
            else v
            for v in found
        ]

    def missing(
        self, verdicts: Sequence[Verdict], skipped: Sequence[SkippedTest] = (), deselected: int = 0
    ) -> list[Verdict]:
        """A failed verdict for each required gate that the run has not."""
        return [_missing(name, skipped, deselected) for name in self.config.required if not _named(name, verdicts)]

    def waivers(self, verdicts: Sequence[Verdict]) -> tuple[WaiverFacts, ...]:
        """What each waiver did in a run."""
        return tuple(
            WaiverFacts(
                gate=one.gate,
                who=one.who,
                why=one.why,
                until=one.until.isoformat(),
                adapter=one.adapter or "",
                matched=len(_named(one.gate, verdicts)),
                lifted=sum(v.waived and v.waiver == _waiver(one) for v in verdicts),
                expired=self._expired(one),
            )
            for one in self.config.waivers
        )

    def unused_severities(self, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
        """Names under `severities:` that no gate has, with the one that was probably meant."""
        known = [verdict.gate for verdict in verdicts]
        return tuple(
            f"{name} ({hint.strip()})" if (hint := did_you_mean(name, known)) else name
            for name in self.config.severities
            if not _named(name, verdicts)
        )

    def check(self, suites: Mapping[str, Collected]) -> Iterator[ConfigError]:
        """The waivers of gates that are critical, as far as that is known before they are decided.

        Args:
            suites: those of which tests were collected, by their names.
        """
        for one in self.config.waivers:
            suite, _, gate = one.gate.partition("/")
            if suite in suites and not is_pattern(one.gate):
                said = severity_of([one.gate], self.config.severities) or suites[suite].severity_of(gate)
                if said == "critical":
                    yield ConfigError(f"waivers: {one.gate}, waived by {one.who}, is critical", CRITICAL_REMEDY)

    def foreseen(self, suites: Mapping[str, Collected], running: Collection[str] | None = None) -> Iterator[str]:
        """What is past, what names no gate, and what will be missing, in a line each.

        Args:
            running: the suites of which tests will run; None where that is not known.
        """
        for one in self.config.waivers:
            if self._expired(one):
                yield f"waivers: that of {one.gate} by {one.who} expired on {one.until.isoformat()}: the gate blocks again"
        for key, name in self._given():
            suite, _, gate = name.partition("/")
            known = suites[suite].gates if suite in suites else None
            if known is not None and not any(matches(gate, one) for one in known):
                yield f"{key}: {name} is none of the gates of {suite}. {nearest(gate, list(known))}"
        for name in self.config.required:
            suite = name.partition("/")[0]
            if running is not None and not is_pattern(suite) and suite not in {*running, BASELINE}:
                yield f"required: no test of the suite {suite} will run: {name} will be missing, which fails the run"

    def _given(self) -> Iterator[tuple[str, str]]:
        yield from (("severities", name) for name in self.config.severities)
        yield from (("waivers", one.gate) for one in self.config.waivers)
        yield from (("required", name) for name in self.config.required)

    def _held(self, entry: WaiverEntry, verdict: Verdict) -> Waiver:
        return replace(_waiver(entry), lapse=self._lapse(entry, verdict) or "")

    def _lapse(self, entry: WaiverEntry, verdict: Verdict) -> Lapse | None:
        if verdict.severity == "critical":
            return "critical"
        if verdict.outcome == "error":
            return "error"
        if self._expired(entry):
            return "expired"
        is_other = entry.adapter is not None and not self.candidate_digest().startswith(entry.adapter)
        return "other_adapter" if is_other else None

    def _expired(self, entry: WaiverEntry) -> bool:
        return entry.until < self.today


def names_of(verdict: Verdict) -> tuple[str, ...]:
    """What a gate may be called: as it is alone in a run, and as where other tests gate under the same name."""
    bare = verdict.name or verdict.gate
    labelled = (f"{bare} ({test})" for test in (verdict.test.rpartition("::")[2], verdict.test) if test)
    return tuple(dict.fromkeys((bare, verdict.gate, *labelled)))


def _names(name: str, names: Iterable[str]) -> bool:
    return any(matches(name, one) for one in names)


def _named(name: str, verdicts: Iterable[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if _names(name, names_of(verdict))]


def _waiver(entry: WaiverEntry) -> Waiver:
    return Waiver(entry.gate, entry.who, entry.why, entry.until.isoformat())


def _missing(name: str, skipped: Sequence[SkippedTest], deselected: int) -> Verdict:
    suite = name.partition("/")[0]
    reasons = dict.fromkeys(
        one.reason.removeprefix("Skipped: ")
        for one in skipped
        if one.test.partition("::")[0].endswith(f"test_{suite}.py")
    )
    told = [f"its suite skipped tests ({'; '.join(list(reasons)[:3])})"] if reasons else []
    told += [f"tests deselected: {deselected}"] if deselected else []
    verdict = Verdict(
        f"required/{name}",
        "fail",
        f"{name} is required, and this run decided no gate of that name" + (f": {', '.join(told)}" if told else ""),
        kind="is_measured",
        rule="is measured",
        remedy="run the suite that has it, whole and with what its tests need; or take the name out of `required:`",
        severity="critical",
    )
    return in_suite(verdict, SUITE)
