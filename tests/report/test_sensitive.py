"""Prompts and answers of sensitive tasks are veiled until they are asked for; those of others are not."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from harness.records import Manifest, Sample
from harness.report import render_html
from harness.report.facts import sensitive_tasks
from harness.runs.run import load_run
from harness.runs.writer import RunWriter

TEMPLATES = Path(str(files("harness.report"))) / "templates"


def page(tmp_path: Path, **data: Any) -> str:
    writer = RunWriter.create(tmp_path, "r")
    writer.add_samples(
        Sample(task, "a", None, role, "d", "<i>rude</i>", None, "words", None, {"m": 1.0}, {}, "eos", 1, 1, 0.1, False)
        for task in ("bad", "pets")
        for role in ("base", "candidate")
    )
    return render_html(load_run(writer.finish(Manifest.read({"data": data}), [], "complete", None)))


def test_flag_of_the_manifest_reaches_the_page(tmp_path: Path) -> None:
    html = page(tmp_path, bad={"sensitive": True}, pets={"items": 1})
    assert '"name":"bad","metrics":[["m",true,true]],"sensitive":true' in html
    assert '"name":"pets","metrics":[["m",true,true]],"sensitive":false' in html
    assert "Prompts and answers of bad are blurred" in html
    assert "<i>rude" not in html


def test_judgements_of_sensitive_answers_are_veiled_too() -> None:
    manifest = Manifest.read({"data": {"bad": {"sensitive": True}, "pets": {"items": 1}}})
    assert sensitive_tasks(manifest) == {"bad", "judge:bad"}


def test_run_without_sensitive_tasks_says_nothing_of_it(tmp_path: Path) -> None:
    html = page(tmp_path, pets={"items": 1})
    assert "are blurred" not in html and '"sensitive":true' not in html


@pytest.mark.parametrize("data", [None, [], {"a": None}, {"a": {"sensitive": "yes"}}, {"a": {"sensitive": False}}])
def test_only_a_plain_flag_counts(data: Any) -> None:
    assert sensitive_tasks(Manifest.read({"data": data})) == frozenset()


def test_style_blurs_every_text_of_a_veiled_card() -> None:
    style = (TEMPLATES / "report.css").read_text()
    [rule] = re.findall(r"\.veiled pre \{([^}]*)\}", style)
    assert "blur(" in rule and "user-select: none" in rule


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_button_unveils_and_veils_again_and_takes_text_out_of_reach_meanwhile() -> None:
    script = (TEMPLATES / "report.js").read_text()
    [veil] = re.findall(r"  function veil\(node\) \{.*?\n  \}\n", script, flags=re.DOTALL)
    program = """
const element = () => ({ attributes: {}, tabIndex: 0, listeners: [],
  setAttribute(name, value) { this.attributes[name] = value; },
  toggleAttribute(name, on) { this.attributes[name] = on; },
  addEventListener(name, run) { this.listeners.push(run); } });
const make = (tag, name) => Object.assign(element(), { tag, name });
const texts = [element(), element()];
let veiled = false, button = null;
const node = { classList: { toggle: (name, on) => { veiled = on; }, contains: () => veiled },
  querySelectorAll: () => texts, querySelector: () => ({ append: (child) => { button = child; } }) };
""" + veil + """
veil(node);
const seen = () => [veiled, button.tag, button.textContent, button.attributes["aria-expanded"],
  ...texts.map((text) => [text.tabIndex, text.attributes.inert, text.attributes["aria-hidden"]])];
const states = [seen()];
for (let i = 0; i < 2; i += 1) { button.listeners[0](); states.push(seen()); }
const hidden = [true, "button", "Show this text", "false", [-1, true, "true"], [-1, true, "true"]];
const shown = [false, "button", "Hide this text", "true", [0, false, "false"], [0, false, "false"]];
if (JSON.stringify(states) !== JSON.stringify([hidden, shown, hidden])) throw new Error(JSON.stringify(states));
"""  # fmt: skip
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
