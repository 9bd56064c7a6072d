"use strict";
// Everything the model wrote reaches the page through textContent only.
(() => {
  const PAGE = 20;
  const CHANGED = 1, REGRESSED = 2, IMPROVED = 4, FAILING = 8;
  const SHOW = { changed: CHANGED, harmed: REGRESSED | FAILING, regressed: REGRESSED, improved: IMPROVED, failing: FAILING };
  const BADGES = [[REGRESSED, "▼ regressed", "fail"], [IMPROVED, "▲ improved", "pass"], [FAILING, "✗ failing", "inconclusive"]];
  const NO_LABEL = "no label";
  const MOST_WORDS = 400;
  const EXTRA = ["target", "given", "item"]; // filters that a link sets and no field of the form shows
  const island = document.getElementById("data");
  const section = document.getElementById("samples");

  // A link to a gate opens it, whatever it was folded to.
  function openGate() {
    const gate = location.hash.startsWith("#gate-") && document.getElementById(location.hash.slice(1));
    if (gate) {
      gate.open = true;
      gate.scrollIntoView();
    }
  }
  addEventListener("hashchange", openGate);
  openGate();

  const form = section.querySelector("form");
  if (!form) return;
  const cards = section.querySelector(".cards");
  const status = section.querySelector(".status");
  const pager = section.querySelector(".pager");
  let tasks = [], pairs = [], found = [], page = 0, extra = {};
  const haystacks = [], harms = [];

  const make = (tag, name, text) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const count = (n) => n.toLocaleString("en");

  async function read() {
    const content = JSON.parse(island.textContent);
    if (island.dataset.encoding === "plain") return content;
    const raw = atob(content);
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  function fill() {
    const tags = new Map();
    for (const pair of pairs) {
      for (const [key, value] of Object.entries(pair[3])) {
        if (!tags.has(key)) tags.set(key, new Set());
        tags.get(key).add(value);
      }
    }
    for (const task of tasks) form.elements.task.append(new Option(task.name));
    for (const [key, values] of [...tags].sort()) {
      const group = document.createElement("optgroup");
      group.label = key;
      [...values].sort().slice(0, 500).forEach((value) => group.append(new Option(`${key}: ${value}`, JSON.stringify([key, value]))));
      form.elements.tag.append(group);
    }
    form.querySelector("[data-if=tags]").hidden = tags.size === 0;
    for (const option of form.elements.show.options) {
      const flags = SHOW[option.value];
      option.textContent += ` (${count(flags ? pairs.filter((pair) => pair[4] & flags).length : pairs.length)})`;
    }
  }

  // How much worse the candidate is on an item: whether it regressed or fails, in a task whose
  // gates failed or in another, then by how much of the task's largest move.
  function weigh() {
    const moved = (pair, i) => {
      const before = pair[7]?.[2][i], after = pair[8]?.[2][i];
      return typeof before === "number" && typeof after === "number" ? after - before : 0;
    };
    const largest = tasks.map((task) => task.metrics.map(() => 0));
    for (const pair of pairs) largest[pair[0]].forEach((size, i) => { largest[pair[0]][i] = Math.max(size, Math.abs(moved(pair, i))); });
    pairs.forEach((pair, at) => {
      const losses = tasks[pair[0]].metrics.map(([, higher, judged], i) => judged && largest[pair[0]][i] ? moved(pair, i) * (higher ? -1 : 1) / largest[pair[0]][i] : 0);
      const bad = (pair[4] & REGRESSED ? 2 : 0) + (pair[4] & FAILING ? 1 : 0);
      harms[at] = [bad, -tasks[pair[0]].rank, Math.max(0, ...losses)];
    });
    for (const task of tasks) task.targets = new Set();
    for (const pair of pairs) tasks[pair[0]].targets.add(pair[6]);
  }

  const words = (i) => haystacks[i] ??= [pairs[i][1], pairs[i][5], pairs[i][6], pairs[i][7]?.[0], pairs[i][8]?.[0]].join("\n").toLowerCase();

  // What an answer was read as: the island holds it only where it differs from the answer.
  function given(pair) {
    const own = pair[8];
    if (!own) return null;
    return own[1] ?? (tasks[pair[0]].targets.has(own[0]) ? own[0] : NO_LABEL);
  }

  function filter() {
    const { task, show: wanted, tag: tagged, text, order } = form.elements;
    const at = tasks.findIndex((one) => one.name === task.value);
    const flags = SHOW[wanted.value];
    const tag = tagged.value ? JSON.parse(tagged.value) : null;
    const sought = text.value.trim().toLowerCase();
    found = [];
    for (let i = 0; i < pairs.length; i += 1) {
      const pair = pairs[i];
      if (task.value && pair[0] !== at) continue;
      if (flags && !(pair[4] & flags)) continue;
      if (tag && pair[3][tag[0]] !== tag[1]) continue;
      if (extra.item !== undefined && pair[1] !== extra.item) continue;
      if (extra.target !== undefined && pair[6] !== extra.target) continue;
      if (extra.given !== undefined && given(pair) !== extra.given) continue;
      if (sought && !words(i).includes(sought)) continue;
      found.push(i);
    }
    if (!order.value) found.sort((a, b) => harms[b][0] - harms[a][0] || harms[b][1] - harms[a][1] || harms[b][2] - harms[a][2] || a - b);
    page = 0;
  }

  // The address holds the filters, so that a view can be sent.
  function address() {
    const state = new URLSearchParams();
    for (const name of ["task", "show", "tag", "text", "order"]) if (form.elements[name].value) state.set(name, form.elements[name].value);
    for (const name of EXTRA) if (extra[name] !== undefined) state.set(name, extra[name]);
    if (page) state.set("page", String(page + 1));
    history.replaceState(null, "", `#samples${state.size ? `?${state}` : ""}`);
  }

  function follow() {
    const [anchor, query] = [location.hash.split("?")[0], location.hash.split("?").slice(1).join("?")];
    if (anchor !== "#samples" || !query) return false;
    const state = new URLSearchParams(query);
    form.reset();
    for (const name of ["task", "show", "tag", "text", "order"]) form.elements[name].value = state.get(name) ?? "";
    extra = Object.fromEntries(EXTRA.filter((name) => state.has(name)).map((name) => [name, state.get(name)]));
    filter();
    page = Math.min(Math.max(0, Number(state.get("page") || 1) - 1 || 0), Math.max(0, Math.ceil(found.length / PAGE) - 1));
    show();
    section.scrollIntoView();
    return true;
  }

  function changed() {
    filter();
    show();
    address();
  }

  function turn(by) {
    const next = page + by;
    if (next < 0 || next * PAGE >= found.length) return;
    page = next;
    show();
    address();
    section.scrollIntoView();
  }

  function show() {
    const start = page * PAGE;
    const end = Math.min(start + PAGE, found.length);
    cards.replaceChildren(...found.slice(start, end).map((i) => card(pairs[i])));
    // The question of a few-shot prompt is at its end.
    for (const prompt of cards.querySelectorAll(".prompt")) prompt.scrollTop = prompt.scrollHeight;
    const all = found.length === pairs.length ? "" : ` of ${count(pairs.length)}`;
    const told = EXTRA.filter((name) => extra[name] !== undefined).map((name) => `${name} ${extra[name]}`).join(", ");
    status.textContent = (found.length ? `${count(found.length)}${all} items; ${count(start + 1)} to ${count(end)} shown` : "No item fits these filters") + (told ? `, only ${told}.` : ".");
    pager.hidden = found.length <= PAGE;
    pager.querySelector(".where").textContent = `page ${page + 1} of ${Math.max(1, Math.ceil(found.length / PAGE))}`;
    pager.querySelector('[data-go="-1"]').disabled = page === 0;
    pager.querySelector('[data-go="1"]').disabled = end >= found.length;
  }

  function text(name, value, label) {
    const node = make("pre", name, value);
    node.dir = "auto";
    node.tabIndex = 0;
    node.setAttribute("aria-label", label);
    return node;
  }

  function label(left, right) {
    const node = make("div", "label");
    node.append(make("span", "", left));
    if (right) node.append(make("span", "", right));
    return node;
  }

  // Which words two texts share, by their longest common sequence; null where they are too long or too far apart to say.
  function compared(before, after) {
    const [one, other] = [before, after].map((whole) => whole.split(/(\s+)/));
    if (before === after || one.length > 2 * MOST_WORDS || other.length > 2 * MOST_WORDS) return null;
    const width = other.length + 1;
    const longest = new Uint16Array((one.length + 1) * width);
    for (let i = one.length - 1; i >= 0; i -= 1) {
      for (let j = other.length - 1; j >= 0; j -= 1) {
        longest[i * width + j] = one[i] === other[j] ? longest[(i + 1) * width + j + 1] + 1 : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
      }
    }
    const kept = [one.map(() => false), other.map(() => false)];
    for (let i = 0, j = 0; i < one.length && j < other.length;) {
      if (one[i] === other[j]) { kept[0][i] = kept[1][j] = true; i += 1; j += 1; }
      else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) i += 1;
      else j += 1;
    }
    const shared = one.filter((word, i) => kept[0][i] && word.trim()).length;
    if (shared < 0.2 * Math.min(...[one, other].map((all) => all.filter((word) => word.trim()).length))) return null;
    return [[one, kept[0]], [other, kept[1]]];
  }

  function mark(node, [parts, kept], tag) {
    node.textContent = "";
    for (let i = 0; i < parts.length;) {
      let end = i + 1;
      while (end < parts.length && kept[end] === kept[i]) end += 1;
      const run = parts.slice(i, end).join("");
      node.append(kept[i] ? run : make(tag, "", run));
      i = end;
    }
  }

  function side(name, data) {
    const node = make("div", name);
    if (!data) {
      node.append(label(name), make("p", "empty", "not measured"));
      return node;
    }
    const [answer, parsed, , stop, before, after, latency, cached] = data;
    const facts = [stop && `stopped by ${stop}`, `${count(before)} + ${count(after)} tokens`, cached ? "from the cache" : latency !== null && `${latency} s`];
    node.append(label(name, facts.filter(Boolean).join(" · ")), text("answer", answer, `${name} answer`));
    if (parsed !== null) node.append(label("read as"), text("parsed", parsed, `${name} answer as read`));
    return node;
  }

  const score = (value) => typeof value === "number" ? String(Math.round(value * 1e4) / 1e4) : value ?? "–";

  function scores(task, base, candidate) {
    const table = make("table", "scores");
    const head = table.createTHead().insertRow();
    for (const name of ["metric", "base", "candidate", "change"]) {
      const cell = make("th", name === "metric" ? "" : "num", name);
      cell.scope = "col";
      head.append(cell);
    }
    const body = table.createTBody();
    // Of a metric that no gate rests on it is not known which way is better.
    task.metrics.forEach(([name, higher, judged], i) => {
      const before = base?.[2][i] ?? null, after = candidate?.[2][i] ?? null;
      if (before === null && after === null) return;
      const row = body.insertRow();
      const title = make("th", "", name);
      title.scope = "row";
      const both = typeof before === "number" && typeof after === "number";
      const gain = both ? (after - before) * (higher ? 1 : -1) : 0;
      const moved = gain > 0 ? "up" : "down";
      const change = !both ? "–" : gain === 0 ? "same" : `${after > before ? "+" : "−"}${score(Math.abs(after - before))}${!judged ? "" : gain > 0 ? " better" : " worse"}`;
      row.append(title, make("td", "num", score(before)), make("td", "num", score(after)), make("td", gain && judged ? `num ${moved}` : "num", change));
    });
    return body.rows.length ? table : document.createDocumentFragment();
  }

  // Veiled text is out of sight, of the tab order and of screen readers until its card's button is pressed.
  function veil(node) {
    const texts = node.querySelectorAll("pre");
    const button = make("button", "reveal");
    button.type = "button";
    const set = (veiled) => {
      node.classList.toggle("veiled", veiled);
      button.textContent = veiled ? "Show this text" : "Hide this text";
      button.setAttribute("aria-expanded", String(!veiled));
      for (const text of texts) {
        text.tabIndex = veiled ? -1 : 0;
        text.toggleAttribute("inert", veiled);
        text.setAttribute("aria-hidden", String(veiled));
      }
    };
    button.addEventListener("click", () => set(!node.classList.contains("veiled")));
    node.querySelector("header").append(button);
    set(true);
  }

  function card(pair) {
    const [at, item, cluster, tags, flags, prompt, target, base, candidate] = pair;
    const node = make("article", "card");
    node.tabIndex = -1;
    const head = make("header");
    const marks = make("div", "tags");
    marks.append(make("bdi", "", tasks[at].name));
    if (cluster !== null && cluster !== item) marks.append(make("bdi", "", `cluster ${cluster}`));
    for (const [key, value] of Object.entries(tags)) marks.append(make("bdi", "", `${key}: ${value}`));
    const badges = make("div", "badges");
    for (const [flag, name, tone] of BADGES) if (flags & flag) badges.append(make("span", `chip ${tone}`, name));
    if (!(flags & CHANGED) && base && candidate) badges.append(make("span", "chip", "= unchanged"));
    const name = make("h4");
    const link = make("a", "", item);
    link.href = `#samples?${new URLSearchParams({ task: tasks[at].name, item })}`;
    name.append(link);
    head.append(name, marks, badges);
    const sides = make("div", "sides");
    const judged = tasks[at].name.startsWith("judge:");
    sides.append(...(judged ? [side("judge", candidate)] : [side("base", base), side("candidate", candidate)]));
    const apart = base && candidate && compared(base[0], candidate[0]);
    if (apart) {
      mark(sides.querySelector(".base .answer"), apart[0], "del");
      mark(sides.querySelector(".candidate .answer"), apart[1], "ins");
    }
    const results = judged ? label(...tasks[at].metrics.map(([name], i) => `${name}: ${score(candidate[2][i])}`)) : scores(tasks[at], base, candidate);
    node.append(head, label("prompt"), text("prompt", prompt, "prompt"), label("target"), text("target", target, "target"), sides, results);
    if (tasks[at].sensitive) veil(node);
    return node;
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const all = [...cards.children];
    const at = all.indexOf(document.activeElement?.closest(".card"));
    const actions = {
      "/": () => form.elements.text.focus(),
      j: () => all[Math.min(at + 1, all.length - 1)]?.focus(),
      k: () => all[Math.max(at - 1, 0)]?.focus(),
      n: () => turn(1),
      p: () => turn(-1),
    };
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  }

  function listen() {
    let timer = 0;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.querySelector("[type=reset]").addEventListener("click", () => setTimeout(() => { extra = {}; changed(); }));
    form.addEventListener("input", (event) => {
      clearTimeout(timer);
      timer = setTimeout(changed, event.target.name === "text" ? 150 : 0);
    });
    for (const button of pager.querySelectorAll("button")) button.addEventListener("click", () => turn(Number(button.dataset.go)));
    addEventListener("hashchange", follow);
    document.addEventListener("keydown", keys);
  }

  read().then((data) => {
    ({ tasks, pairs } = data);
    fill();
    weigh();
    form.hidden = false;
    section.querySelector(".keys").hidden = false;
    listen();
    if (follow()) return;
    if (pairs.some((pair) => pair[4] & SHOW.harmed)) form.elements.show.value = "harmed";
    filter();
    show();
  }).catch((error) => {
    status.textContent = `The samples cannot be shown in this browser (${error.message}); samples.parquet beside this file has them.`;
  });
})();
