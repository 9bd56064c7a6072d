"""The report in a real browser: what is on its first screen, what its links do, and that it asks the network for nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.records import Estimate, Limit, Manifest, Sample, Verdict, Waiver
from harness.report import render_html
from harness.runs.run import load_run
from harness.runs.writer import RunWriter

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or google-chrome")

HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    """Opens a file; what the page logged as an error or asked the network for fails the test."""
    contexts, troubles = [], []

    def opened(path: Path, fragment: str = "", width: int = 1400, scheme: str = "light") -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith("file:") else troubles.append(request.url))
        page.goto(f"{path.as_uri()}{fragment}")
        page.wait_for_selector("#samples form:not([hidden])")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def gate(suite: str, outcome: Any = "pass", metric: str = "accuracy", task: str = "intents", **changes: Any) -> Verdict:
    fields: dict[str, Any] = {
        "limit": Limit(-0.05, strict=True),
        "paired": True,
        "estimate": Estimate(0.1, 0.05, 0.15),
        "base": Estimate(0.5),
        "candidate": Estimate(0.6),
        "remedy": f"what helps with {metric}, said at some length as remedies are, for one has to know what to do",
    }
    reason = "moved by so much"
    name = f"{suite}/{task}/{metric}/non_inferior"
    return Verdict(name, outcome, reason, suite=suite, task=task, metric=metric, kind="x", **{**fields, **changes})


def blocked() -> list[Verdict]:
    """Gates on all eight concerns, five of them failed, some undecided."""
    gain = {"limit": Limit(0.1), "estimate": Estimate(0.91, 0.85, 0.95), "base": Estimate(0.0)}
    return [
        gate("task", **gain, candidate=Estimate(0.91), details={"slices": {"label": {"card": _slice, "cash": _slice}}}),
        *(gate("data", task="", metric=f"m{i}") for i in range(12)),
        gate("data", "fail", metric="truncated_share", task=""),
        gate("integrity"),
        gate("training", metric="loss_drop", task=""),
        gate("overfitting", "inconclusive", open_because=("interval",)),
        *(gate("forgetting", "fail", metric, "general_text") for metric in ("bits_per_byte", "acc", "bleu", "chrf")),
        gate("safety", "inconclusive", "complied", "forbidden", open_because=("at_floor",)),
        gate("judge", "error", "win_rate"),
    ]


_slice = {"n": 10, "base": 0.0, "candidate": 0.9, "difference": 0.9, "regressed": 0}


def answer(n: int, role: Any, label: str, right: bool) -> Sample:
    parsed = label if label in ("card", "cash") else None
    score = {"accuracy": float(right)}
    text = f"Question {n}, needle{n}?"
    return Sample(
        "intents", f"i{n}", None, role, f"d{n}", text, "card", label, parsed, score, {}, "eos", 9, n % 7 + 1, 0.1, False
    )


def answers(count: int) -> list[Sample]:
    """The base is right on the even items, the candidate on all but every tenth."""
    return [
        one
        for n in range(count)
        for one in (
            answer(n, "base", "card" if n % 2 == 0 else "cash", n % 2 == 0),
            answer(n, "candidate", "card" if n % 10 else "no idea at all", n % 10 != 0),
        )
    ]


def stored(root: Path, verdicts: list[Verdict], samples: list[Sample], **manifest: Any) -> Path:
    writer = RunWriter.create(root, "r")
    writer.add_samples(samples)
    skipped = [{"test": "suites/test_data.py::test_canaries", "reason": "Skipped: no canaries were planted"}]
    told = Manifest.read({"profile": "release", "skipped": skipped, "adapter": {"name": "v2"}, **manifest})
    return writer.finish(told, verdicts, "complete") / "report.html"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("runs"), blocked(), answers(60))


def bottom(page: Any, selector: str) -> float:
    boxes = [one.bounding_box() for one in page.query_selector_all(selector)]
    assert boxes and all(boxes)
    return max(box["y"] + box["height"] for box in boxes)


def expect_found(page: Any, start: str) -> None:
    sync_api.expect(page.locator("#samples .status")).to_have_text(re.compile(f"^{start}"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_screen_says_it_all(report: Path, visit: Any, scheme: str) -> None:
    page = visit(report, scheme=scheme)
    assert page.inner_text("h1").strip().endswith("Must not be released")
    assert page.inner_text(".why") == (
        "Does its job: accuracy 0 to 91%. Blocked by training data (1) and forgetting (4). "
        "Could not be measured: judge (1). Overfitting could not be told: too few items to tell. "
        "Safety could not be told: the base refuses nothing."
    )
    assert page.locator(".strip tbody tr").count() == 8
    assert page.locator(".problems a").count() == 5
    for part in (".why", ".strip tbody tr", ".problems li", ".front svg", ".unmeasured li"):
        assert bottom(page, part) <= 900
    assert "no canaries were planted" in page.inner_text(".unmeasured")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_first_screen_holds_verdict_concerns_and_failures(report: Path, visit: Any, scheme: str) -> None:
    page = visit(report, width=420, scheme=scheme)
    assert bottom(page, ".strip tbody tr") <= 900
    assert page.locator(".problems li").first.bounding_box()["y"] < 900
    assert page.evaluate("document.documentElement.scrollWidth") <= 420


def test_waived_and_advisory_failures_stand_below_what_blocks(tmp_path: Path, visit: Any) -> None:
    first, second, third, *rest = [one for one in blocked() if one.outcome == "fail"]
    waived = replace(first, waiver=Waiver(first.gate, "Ada", "a calculator does it", "2026-12-31"))
    shown = stored(tmp_path, [waived, replace(second, severity="advisory"), third, *rest], answers(4))
    for width in (1400, 420):
        page = visit(shown, width=width)
        assert page.locator(".aside li").count() == 2 and "waived by Ada" in page.inner_text(".aside li >> nth=0")
        assert page.locator(".problems.aside").bounding_box()["y"] >= bottom(page, ".problems:not(.aside)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def luminance(color: str) -> float:
    channels = [int(n) / 255 for n in re.findall(r"\d+", color)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(report: Path, visit: Any, scheme: str) -> None:
    page = visit(report, scheme=scheme)
    style = "(node, name) => getComputedStyle(node)[name]"
    paper = luminance(page.eval_on_selector("body", style, "backgroundColor"))
    assert (paper < 0.1) == (scheme == "dark")
    for selector in ("h1", ".why", ".soft", "nav a", ".chip.pass", ".chip.fail", ".chip.inconclusive", ".chip.error"):
        own = page.eval_on_selector(selector, style, "backgroundColor")
        behind = luminance(own) if "chip" in selector else paper
        seen = luminance(page.eval_on_selector(selector, style, "color"))
        light, dark = max(seen, behind), min(seen, behind)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, selector


def test_failing_gates_are_open_and_a_link_opens_any_other(report: Path, visit: Any) -> None:
    page = visit(report)
    assert page.locator("details.gate.fail[open]").count() == 5
    assert page.locator("details.gate.pass[open]").count() == 0
    page.click(".strip tr.pass a >> nth=0")
    assert page.locator("details.gate.pass[open]").count() == 1


def test_regressed_and_failing_samples_are_shown_first_and_filters_live_in_the_address(
    report: Path, visit: Any
) -> None:
    page = visit(report)
    assert page.inner_text("#samples .status").startswith("6 of 60 items")
    page.select_option("[name=show]", "improved")
    sync_api.expect(page).to_have_url(re.compile("show=improved"))
    again = visit(report, fragment=page.evaluate("location.hash"))
    assert again.inner_text("#samples .status").startswith("30 of 60 items")
    assert again.input_value("[name=show]") == "improved"


def test_a_cell_of_the_confusion_matrix_leads_to_its_items(report: Path, visit: Any) -> None:
    verdicts, samples = blocked(), answers(60)
    page = visit(stored(report.parent.parent / "two", verdicts, [*samples, answer(99, "candidate", "cash", False)]))
    assert page.locator(".confusion").count() == 0  # one label is no classification
    page.close()
    cash = Sample(**{**vars(answer(98, "candidate", "card", False)), "target": "cash"})
    page = visit(stored(report.parent.parent / "three", verdicts, [*samples, cash]))
    page.click(".confusion tbody tr:nth-of-type(1) td:nth-of-type(3) a")
    expect_found(page, "6 of 61")
    assert page.locator(".cards article").count() == 6


def test_keys_reach_search_and_samples(report: Path, visit: Any) -> None:
    page = visit(report)
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.className") == "card"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "text"
    page.keyboard.type("needle50")
    expect_found(page, "1 of 60")


def test_the_words_that_changed_are_marked(tmp_path: Path, visit: Any) -> None:
    before, after = answer(0, "base", "the quick fox", True), answer(0, "candidate", f"the slow fox {HOSTILE}", False)
    page = visit(stored(tmp_path, blocked(), [before, after]))
    assert page.text_content(".base .answer del") == "quick"
    assert page.locator(".candidate .answer ins").first.text_content() == "slow"
    assert page.text_content(".candidate .answer") == f"the slow fox {HOSTILE}"
    assert page.title().startswith("Must not")


def test_ten_thousand_items_are_searched_and_fit_six_megabytes(tmp_path: Path, visit: Any) -> None:
    path = stored(tmp_path, blocked(), answers(10_000)[1::2])
    assert path.stat().st_size < 6_000_000
    page = visit(path)
    page.fill("[name=text]", "needle4321")
    expect_found(page, "No item")
    page.select_option("[name=show]", "")
    expect_found(page, "1 of 10,000")
    page.fill("[name=text]", "")
    expect_found(page, "10,000 items")
    assert page.locator(".cards article").count() == 20


def test_a_printed_report_leaves_the_samples_out(report: Path, visit: Any) -> None:
    page = visit(report)
    page.emulate_media(media="print")
    assert not page.locator(".cards").is_visible() and page.locator(".strip").is_visible()


def test_a_run_stored_by_the_last_schema_still_renders(visit: Any, tmp_path: Path) -> None:
    run = load_run(Path(__file__).parents[1] / "runs" / "stored_by_schema_1")
    path = tmp_path / "report.html"
    path.write_text(render_html(run))
    page = visit(path)
    assert page.locator(".strip tbody tr").count() >= 8
