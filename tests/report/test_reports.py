"""The reports as files: what a browser, a CI page and a JUnit reader would make of them."""

import base64
import gzip
import hashlib
import json
import random
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from harness.records import Estimate, Limit, Manifest, Outcome, RunStatus, Sample, TrainingPoint, Verdict
from harness.report import MARKER, render_html, render_junit, render_summary
from harness.report.facts import glance
from harness.runs.exporters import export_run
from harness.runs.run import Run, load_run
from harness.runs.writer import RunWriter

HOSTILE = (
    "<script>alert(1)</script> </script><!-- --> ]]> \ud800 \x00 \x1b[31mred\x1b[0m {{7*7}} {% raw %} \u202eevil "
    "| `code` @team [x](http://evil) <img src=x onerror=alert(1)> ${1} &amp; \ufffe \x85"
)
LOUD = "<b>" + "x" * 100_000


def sample(item: str, role: Any, answer: str = "yes", *, acc: float = 1.0, prompt: str = "Q?", **tags: str) -> Sample:
    return Sample(
        "t", item, None, role, f"d{item}", prompt, {"a": 1}, answer, [1], {"acc": acc}, tags, "eos", 5, 2, 0.1, False
    )


def verdict(outcome: Outcome = "pass", gate: str = "t/acc/at_least", **changes: Any) -> Verdict:
    fields: dict[str, Any] = {"suite": "task", "task": "t", "metric": "acc", "rule": "at least 0.5", "margin": 0.5}
    return Verdict(gate, outcome, changes.pop("reason", "because"), **{**fields, **changes})


KEPT: dict[str, Any] = {"margin": 0.05, "limit": Limit(-0.05, strict=True)}
"""Of a gate that tolerates a loss of 0.05."""


def make_run(
    root: Path,
    verdicts: list[Verdict],
    samples: list[Sample] | None = None,
    status: RunStatus = "complete",
    manifest: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
) -> Run:
    writer = RunWriter.create(root, "r")
    writer.add_samples(samples or [])
    return load_run(writer.finish(Manifest.read(manifest or {}), verdicts, status, training))


class Page(HTMLParser):
    """Collects tags, script and style bodies, and text outside of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, dict[str, str | None], str]] = []
        self.text = ""
        self._open: tuple[str, dict[str, str | None]] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = (tag, dict(attrs)) if tag in ("script", "style") else None

    def handle_endtag(self, tag: str) -> None:
        self._open = None

    def handle_data(self, data: str) -> None:
        if self._open:
            self.raw.append((*self._open, data))
        else:
            self.text += data


def island(page: Page) -> dict[str, Any]:
    [(attributes, body)] = [(a, body) for _, a, body in page.raw if a.get("id") == "data"]
    content = json.loads(body)
    if attributes["data-encoding"] == "plain":
        return dict(content)
    return dict(json.loads(gzip.decompress(base64.b64decode(content))))


@pytest.fixture
def hostile(tmp_path: Path) -> Run:
    bad = {"note": HOSTILE, HOSTILE: [HOSTILE], "slices": {HOSTILE: {"n": 1, HOSTILE: HOSTILE}}}
    return make_run(
        tmp_path,
        [
            verdict(
                "fail", HOSTILE, reason=HOSTILE, remedy=HOSTILE, suite=HOSTILE, test=HOSTILE, rule=HOSTILE, details=bad
            ),
            verdict("error", "loud", reason=LOUD, task=HOSTILE, metric=HOSTILE),
        ],
        [sample(HOSTILE, "base", HOSTILE, prompt=HOSTILE, tag=HOSTILE), sample("loud", "candidate", LOUD)],
        manifest={"profile": HOSTILE, "model": {"name": HOSTILE, "digest": HOSTILE, "parts": bad}, "options": bad},
        training={"recipe": bad, "points": [TrainingPoint(1, loss=1.0)], "summary": HOSTILE},
    )


def test_hostile_output_makes_no_element_in_the_page(hostile: Run) -> None:
    page = Page(render_html(hostile))
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not {"img", "b"} & {tag for tag, _ in page.tags}
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on") or a in ("src", "style")]
    assert "<script>alert(1)</script>" in page.text and "{{7*7}}" in page.text and "[U+202E]evil" in page.text


def test_hostile_output_reaches_the_browser_as_it_was_written(hostile: Run) -> None:
    html = render_html(hostile)
    assert not set(html) & {"\x00", "\x1b", "\u202e", "\ud800", "\x85"}
    [first, loud] = island(Page(html))["pairs"]
    assert first[7][0].startswith("<script>alert(1)</script> </script><!-- --> ]]> \ufffd [U+0000] [U+001B][31mred")
    assert len(loud[8][0]) < 25_000 and "characters left out" in loud[8][0]


def test_a_small_data_island_cannot_be_left_by_closing_tags(tmp_path: Path) -> None:
    page = Page(render_html(make_run(tmp_path, [verdict()], [sample("a", "base", "</script><!--<script>")])))
    [(attributes, body)] = [(a, body) for _, a, body in page.raw if a.get("id") == "data"]
    assert attributes["data-encoding"] == "plain"
    assert not set("<>&") & set(body)
    assert island(page)["pairs"][0][7][0] == "</script><!--<script>"


def test_the_page_loads_nothing_and_runs_only_its_own_script(hostile: Run) -> None:
    page = Page(render_html(hostile))
    [policy] = [a["content"] or "" for tag, a in page.tags if tag == "meta" and "http-equiv" in a]
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    for kind, attributes, body in page.raw:
        if "type" not in attributes:
            digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
            assert f"{kind}-src 'sha256-{digest}'" in policy
    assert all((a.get("href") or "#").startswith("#") for _, a in page.tags)


def test_the_script_never_parses_markup() -> None:
    script = (Path(sys.modules["harness.report"].__path__[0]) / "templates" / "report.js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(", script)


def test_hostile_output_leaves_markdown_one_row_a_gate(hostile: Run) -> None:
    summary = render_summary(hostile)
    assert summary.startswith(MARKER + "\n")
    rows = [line for line in summary.splitlines() if line.startswith("| ")]
    assert [row.count("|") for row in rows] == [9] * 3
    body = summary.removeprefix(MARKER)
    assert not re.search(r"<(?!/?code>|br>)|\]\(|@team|http://|\x1b|\x00", body)
    assert len(summary) < 10_000


def test_hostile_output_leaves_junit_well_formed(hostile: Run) -> None:
    root = ET.fromstring(render_junit(hostile).encode())
    [failure] = root.iter("failure")
    assert "]]>" in failure.attrib["message"] and "]]>" in (failure.text or "")
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "1", "1")


OUTCOMES: list[tuple[list[Outcome], RunStatus, str]] = [
    (["pass", "pass"], "complete", "May be released"),
    (["pass", "fail", "error"], "complete", "Must not be released"),
    (["pass", "error"], "complete", "Undecided"),
    (["inconclusive", "pass"], "complete", "Undecided"),
    ([], "complete", "Undecided"),
    (["pass"], "interrupted", "Undecided"),
    (["pass", "fail"], "interrupted", "Must not be released"),
]


@pytest.mark.parametrize(("outcomes", "status", "title"), OUTCOMES)
def test_the_headline_never_promises_more_than_the_verdicts(
    tmp_path: Path, outcomes: list[Outcome], status: RunStatus, title: str
) -> None:
    run = make_run(tmp_path, [verdict(o, f"g{i}") for i, o in enumerate(outcomes)], status=status)
    for report in (render_html(run), render_summary(run)):
        shown = {t for t in ("May be released", "Must not be released", "Undecided") if t in report}
        assert shown == {title}
        assert ("interrupted" in report.lower().replace(".interrupted", "")) == (status == "interrupted")


def test_failing_gates_and_concerns_come_first(tmp_path: Path) -> None:
    gates = [
        verdict("pass", "task/one"),
        verdict("pass", "safety/one", suite="safety"),
        verdict("fail", "safety/two", suite="safety"),
    ]
    text = Page(render_html(make_run(tmp_path, gates))).text
    table = text[text.index("The bar is the interval") :]
    assert table.index("safety/two") < table.index("safety/one") < table.index("task/one")


def test_an_empty_manifest_still_makes_a_report(tmp_path: Path) -> None:
    run = make_run(tmp_path, [verdict(estimate=Estimate(0.7), base=Estimate(0.5), candidate=Estimate(0.7))])
    assert "+0.200" in render_html(run)
    assert "+0.200" in render_summary(run)


def test_the_manifest_facts_reach_the_reader(tmp_path: Path) -> None:
    manifest = {
        "answers": {"cached": 1204, "computed": 36},
        "duration_s": 252,
        "model": {"name": "smollm2-135m", "digest": "ab" * 32},
        "machine": {"cpu": "two cores", "threads": 2, "memory_gib": 15.6},
        "training": {"from_cache": True, "steps": 60},
        "precision": {"dtype": "float32", "quantization": "none", "device": "cpu", "ways": ["forked caches"]},
    }
    run = make_run(tmp_path, [verdict()], manifest=manifest)
    for report in (Page(render_html(run)).text, render_summary(run)):
        for fact in ("1,204 from the cache, 36 computed", "4 min 12 s", "smollm2-135m", "2 threads, 15.6 GiB"):
            assert fact in report
        assert "60 steps, taken from the cache" in report
        assert "float32, cpu, forked caches" in report


@pytest.mark.parametrize(
    ("manifest", "kind"),
    [
        ({"profile": "release"}, "failure"),
        ({"profile": "smoke"}, "skipped"),
        ({"profile": "release", "options": {"inconclusive": "warn"}}, "skipped"),
        ({"profile": "smoke", "options": {"inconclusive": "fail"}}, "failure"),
    ],
)
def test_junit_treats_an_inconclusive_gate_as_the_run_does(tmp_path: Path, manifest: dict[str, Any], kind: str) -> None:
    root = ET.fromstring(render_junit(make_run(tmp_path, [verdict("inconclusive")], manifest=manifest)).encode())
    assert [element.tag for case in root.iter("testcase") for element in case] == [kind]


def test_junit_of_an_interrupted_run_is_red(tmp_path: Path) -> None:
    root = ET.fromstring(render_junit(make_run(tmp_path, [verdict()], status="interrupted")).encode())
    assert root.get("errors") == "1"


@pytest.mark.parametrize(("outcome", "told"), [("fail", True), ("error", True), ("inconclusive", False)])
def test_report_and_summary_say_what_to_do_about_a_gate_that_fails(
    outcome: Outcome, told: bool, tmp_path: Path
) -> None:
    run = make_run(tmp_path, [verdict(outcome, remedy="train with rehearsal")])
    assert ("What to do:** train with rehearsal" in render_summary(run)) == told
    assert "train with rehearsal" in Page(render_html(run)).text


def test_a_summary_of_very_many_gates_fits_a_comment(tmp_path: Path) -> None:
    hostile = {"reason": "|" * 500, "rule": "<" * 200, "remedy": "&" * 500}
    gates = [verdict("fail", f"{i}/" + "&" * 200, **hostile) for i in range(300)]
    summary = render_summary(make_run(tmp_path, gates))
    assert len(summary) < 65_536
    assert "more gates are in the report" in summary


def test_ten_thousand_incompressible_samples_stay_under_six_megabytes(tmp_path: Path) -> None:
    noise = random.Random(0)
    samples = [
        sample(str(i), role, noise.randbytes(700).hex(), prompt=noise.randbytes(400).hex())
        for i in range(5000)
        for role in ("base", "candidate")
    ]
    html = (make_run(tmp_path, [verdict()], samples).path / "report.html").read_text()
    assert len(html.encode()) < 6_000_000
    page = Page(html)
    assert len(island(page)["pairs"]) == 5000
    assert "are shortened here" in page.text


def test_reports_can_be_made_again_from_the_stored_run_without_torch(tmp_path: Path) -> None:
    run = make_run(tmp_path, [verdict()], [sample("a", "base"), sample("a", "candidate", acc=0.0)])
    before = (run.path / "report.html").read_text()
    (run.path / "report.html").unlink()
    export_run(run.path)
    assert (run.path / "report.html").read_text() == before
    program = (
        "import sys; from pathlib import Path; from harness.runs.exporters import export_run;"
        "export_run(Path(sys.argv[1]));"
        "print([m for m in ('torch', 'transformers', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(run.path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_report_says_which_gates_had_power(tmp_path: Path) -> None:
    def asked(gate: str, effect: float) -> Verdict:
        return verdict(gate=gate, paired=True, **KEPT, minimum_detectable_effect=effect)

    told = dict(glance(make_run(tmp_path, [asked("seen", 0.04), asked("blind", 0.2), verdict()], [])))["power"]
    assert told == "1 of 2 gates would have seen a loss of their margin 4 times out of 5; not blind"


def test_a_gate_at_its_floor_or_of_unknown_noise_had_no_power(tmp_path: Path) -> None:
    def asked(gate: str, outcome: Outcome, effect: float | None, **more: Any) -> Verdict:
        return verdict(outcome, gate, paired=True, **KEPT, minimum_detectable_effect=effect, **more)

    verdicts = [
        asked("floor", "inconclusive", 0.01, open_because=("at_floor",)),
        asked("unread", "inconclusive", 0.01, open_because=("at_floor", "unreadable")),
        asked("broken", "error", None),
        asked("fell", "fail", 0.01, reason="20 points worse; the base was hardly at floor: so it is"),
        asked("early", "pass", None, population=600),
        asked("low", "inconclusive", None, population=600, open_because=("at_floor",)),
    ]
    told = dict(glance(make_run(tmp_path, verdicts, [])))["power"]
    assert (
        told == "1 of 5 gates would have seen a loss of their margin 4 times out of 5; not floor, unread, broken, low"
    )


def test_of_a_gate_that_asks_for_a_gain_the_report_says_how_large_a_one_it_would_have_seen(tmp_path: Path) -> None:
    def asked(gate: str, margin: float, effect: float | None) -> Verdict:
        return verdict(gate=gate, paired=True, limit=Limit(margin), margin=margin, minimum_detectable_effect=effect)

    run = make_run(tmp_path, [asked("any", 0.0, 0.04), asked("much", 0.2, 0.04), asked("same", 0.0, None)], [])
    assert dict(glance(run))["power"] == "smallest gain seen 4 times out of 5: any 0.040, much 0.240, same unknown"
