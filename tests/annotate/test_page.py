"""The page: blind, inert whatever the models wrote, and at work in a browser."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from reviewed import MANIFEST, answers, island, ours, sample, stored_run, theirs

from harness.annotate.answers import read_answers
from harness.annotate.page import render_page
from harness.annotate.review import make_review
from harness.runs import Run

HOSTILE = "</script><script>document.title='taken'</script><img src=x onerror=alert(1)> \u202eevil \x1b[31m {{7*7}} ]]>"


def write(run: Run, path: Path, **settings: int) -> Path:
    path.write_text(render_page(make_review(run, "talk", **settings)))
    return path


def test_the_page_does_not_tell_who_answered(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "reports", answers(200, identical=20))
    review = make_review(run, "talk")
    text = render_page(review)
    for name in (
        MANIFEST["model"]["name"],
        MANIFEST["adapter"]["name"],
        MANIFEST["judge"]["name"],
        '"base"',
        "candidate_",
    ):
        assert name not in text
    pairs = island(write(run, tmp_path / "p.html"))["pairs"]
    assert len(pairs) == 180
    assert all(pair.keys() == {"key", "prompt", "sides"} for pair in pairs)
    assert all(side.keys() == {"before", "answer"} for pair in pairs for side in pair["sides"])
    firsts = [pair["sides"][0]["answer"].startswith("The candidate") for pair in pairs]
    assert 65 < sum(firsts) < 115
    assert [pair["prompt"] for pair in pairs] != sorted(pair["prompt"] for pair in pairs)


def test_order_and_sides_are_those_of_run_and_seed(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "one", answers(40))
    assert make_review(run, "talk") == make_review(run, "talk")
    first, other = make_review(run, "talk"), make_review(run, "talk", seed=1)
    assert first.page != other.page
    assert [one.pair.id for one in first.drawn] != [one.pair.id for one in other.drawn]
    assert {one.pair.id: one.candidate_first for one in first.drawn} != {
        one.pair.id: one.candidate_first for one in other.drawn
    }
    short = make_review(run, "talk", limit=5)
    assert short.drawn == first.drawn[:5] and short.page != first.page
    again = make_review(stored_run(tmp_path / "two", answers(40), run_id="r2"), "talk")
    assert [one.candidate_first for one in again.drawn] != [one.candidate_first for one in first.drawn]


def test_what_the_models_wrote_is_inert(tmp_path: Path) -> None:
    rows = [sample(0, "base", HOSTILE, prompt=HOSTILE), sample(0, "candidate", "ok", prompt=HOSTILE)]
    page = write(stored_run(tmp_path / "reports", rows), tmp_path / "p.html")
    text = page.read_text()
    assert text.count("<script") == 2 and text.count("</script>") == 2
    assert "<img" not in text and "\u202e" not in text and "\x1b" not in text
    assert "default-src &#39;none&#39;" in text
    assert not re.search(r"https?://", text)
    [pair] = island(page)["pairs"]
    assert "</script><script>" in pair["prompt"] and "[U+202E]evil" in pair["prompt"]


def test_sensitive_texts_are_veiled_until_asked_for(tmp_path: Path) -> None:
    review = make_review(stored_run(tmp_path / "reports", answers(2)), "talk")
    assert 'class="card veiled"' in render_page(review, sensitive=True)
    assert "veiled" not in render_page(review).partition("<body>")[2].partition("<script")[0]


DRIVER = """
(async () => {
  let saved = null;
  URL.createObjectURL = (blob) => { saved = blob; return "#"; };
  const told = {};
  const press = (key, code) => document.body.dispatchEvent(
    new KeyboardEvent("keydown", { key, code: code ?? "Key" + key.toUpperCase(), bubbles: true }));
  const all = document.querySelectorAll(".side .answer");
  const text = () => [...all].map((node) => node.textContent);
  told.shown = text();
  press("j"); press("4", "Digit4"); press("7", "Digit7");
  press("n"); press("k"); press("5", "Digit5"); press("0", "Digit0");
  told.second = text();
  press("p");
  told.back = text();
  told.checked = [...document.querySelectorAll("input:checked")].map((node) => node.value);
  press("o");
  told.place = document.querySelector("#place").textContent;
  document.querySelector("[name=annotator]").value = "Zo\\u00eb";
  document.querySelector("[name=annotator]").dispatchEvent(new Event("input"));
  document.querySelector("[name=prefer][value='2']").click();
  document.querySelector("textarea").value = "</textarea> n j 1";
  document.querySelector("textarea").dispatchEvent(new Event("input", { bubbles: true }));
  document.querySelector("textarea").dispatchEvent(new KeyboardEvent("keydown", { key: "n", code: "KeyN", bubbles: true }));
  told.stays = document.querySelector("#place").textContent;
  told.done = document.querySelector(".done").textContent;
  document.querySelector(".save").click();
  told.file = await saved.text();
  told.kept = localStorage.getItem(Object.keys(localStorage)[0]);

  const load = async (content) => {
    const files = new DataTransfer();
    files.items.add(new File([content], "f.json"));
    const input = document.querySelector(".load input");
    input.files = files.files;
    input.dispatchEvent(new Event("change"));
    await new Promise((done) => new MutationObserver(done).observe(document.querySelector(".status"), { childList: true }));
    return document.querySelector(".status").textContent;
  };
  window.confirm = () => true;
  told.torn = await load("{");
  told.foreign = await load(JSON.stringify({ ...JSON.parse(told.file), page: "other" }));
  const fewer = JSON.parse(told.file);
  fewer.answers = fewer.answers.slice(0, 1);
  told.loaded = await load(JSON.stringify(fewer));
  told.open = document.querySelector("#place").textContent;
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify(told);
  document.body.append(result);
})();
"""


def allow(page: Path, script: str) -> Path:
    """The page with one script more, which its policy is made to allow and nothing else."""
    sha = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = page.read_text().replace("script-src ", f"script-src &#39;sha256-{sha}&#39; ", 1)
    page.write_text(text.replace("</body>", f"<script>{script}</script></body>"))
    return page


@pytest.mark.real_process
def test_a_browser_judges_by_keys_saves_and_loads(tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs chromium or google-chrome")
    run = stored_run(tmp_path / "reports", answers(4))
    page = allow(write(run, tmp_path / "p.html"), DRIVER)
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--virtual-time-budget=5000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stdout[-2000:]
    told = json.loads(html.unescape(found[1]))

    pairs = island(page)["pairs"]
    assert told["shown"] == told["back"] == [side["answer"] for side in pairs[0]["sides"]]
    assert told["second"] == [side["answer"] for side in pairs[1]["sides"]]
    assert told["checked"] == ["1", "4", "2"]
    assert told["place"] == told["stays"] == "Pair 3 of 4"
    assert told["done"] == "2 of 4 judged"
    assert "cannot be loaded" in told["torn"]
    assert "it is of the page other" in told["foreign"]
    assert (told["loaded"], told["open"]) == ("Loaded f.json: 1 of 4 judged.", "Pair 2 of 4")
    assert json.loads(told["kept"])["annotator"] == "Zo\u00eb"

    path = tmp_path / "saved.json"
    path.write_text(told["file"])
    filled = read_answers(path, run)
    assert filled.annotator == "Zo\u00eb"
    by_item = {one.pair.id: one for one in filled.judgements}
    n = [int(re.search(r"\d+", pair["sides"][0]["answer"])[0]) for pair in pairs]
    first = by_item[f"q{n[0]:02}"]
    assert first.prefers == ("candidate" if told["shown"][0] == ours(n[0]) else "base")
    assert {first.candidate_rating, first.base_rating} == {4, 2}
    assert (first.candidate_rating == 4) == (first.prefers == "candidate")
    assert (by_item[f"q{n[1]:02}"].prefers, by_item[f"q{n[1]:02}"].base_rating) == ("tie", 5)
    third = by_item[f"q{n[2]:02}"]
    assert (third.comment, third.base_rating) == ("</textarea> n j 1", None)
    assert third.prefers == ("candidate" if pairs[2]["sides"][0]["answer"] == theirs(n[2]) else "base")
    assert len(by_item) == 3
