"use strict";
// Everything the model wrote reaches the page through textContent only.
(() => {
  const PAGE = 20;
  const FLAGS = [[2, "▼ regressed", "fail"], [4, "▲ improved", "pass"], [8, "✗ failing", "inconclusive"]];
  const CHANGED = 1;
  const island = document.getElementById("data");
  const section = document.getElementById("samples");
  const form = section.querySelector("form");
  if (!form) return;
  const cards = section.querySelector(".cards");
  const status = section.querySelector(".status");
  const pager = section.querySelector(".pager");
  let tasks = [], pairs = [], found = [], page = 0, haystacks = [];

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
    tasks.forEach((task, i) => form.elements.task.append(new Option(task.name, String(i))));
    for (const [key, values] of [...tags].sort()) {
      const group = document.createElement("optgroup");
      group.label = key;
      [...values].sort().slice(0, 500).forEach((value) => group.append(new Option(`${key}: ${value}`, JSON.stringify([key, value]))));
      form.elements.tag.append(group);
    }
    form.querySelector("[data-if=tags]").hidden = tags.size === 0;
    for (const option of form.elements.show.options) {
      const flag = Number(option.value);
      const n = flag ? pairs.filter((pair) => pair[4] & flag).length : pairs.length;
      option.textContent += ` (${count(n)})`;
    }
  }

  const words = (i) => haystacks[i] ??= [pairs[i][1], pairs[i][5], pairs[i][6], pairs[i][7]?.[0], pairs[i][8]?.[0]].join("\n").toLowerCase();

  function filter() {
    const task = form.elements.task.value;
    const flag = Number(form.elements.show.value);
    const tag = form.elements.tag.value ? JSON.parse(form.elements.tag.value) : null;
    const text = form.elements.text.value.trim().toLowerCase();
    found = [];
    for (let i = 0; i < pairs.length; i += 1) {
      const pair = pairs[i];
      if (task !== "" && pair[0] !== Number(task)) continue;
      if (flag && !(pair[4] & flag)) continue;
      if (tag && pair[3][tag[0]] !== tag[1]) continue;
      if (text && !words(i).includes(text)) continue;
      found.push(i);
    }
    page = 0;
    show();
  }

  function show() {
    const start = page * PAGE;
    const end = Math.min(start + PAGE, found.length);
    cards.replaceChildren(...found.slice(start, end).map((i) => card(pairs[i])));
    // The question of a few-shot prompt is at its end.
    for (const prompt of cards.querySelectorAll(".prompt")) prompt.scrollTop = prompt.scrollHeight;
    const all = found.length === pairs.length ? "" : ` of ${count(pairs.length)}`;
    status.textContent = found.length ? `${count(found.length)}${all} items; ${count(start + 1)} to ${count(end)} shown.` : "No item fits these filters.";
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
    task.metrics.forEach(([name, higher], i) => {
      const before = base?.[2][i] ?? null, after = candidate?.[2][i] ?? null;
      if (before === null && after === null) return;
      const row = body.insertRow();
      const title = make("th", "", name);
      title.scope = "row";
      const both = typeof before === "number" && typeof after === "number";
      const gain = both ? (after - before) * (higher ? 1 : -1) : 0;
      const moved = gain > 0 ? "up" : "down";
      const change = !both ? "–" : gain === 0 ? "same" : `${after > before ? "+" : "−"}${score(Math.abs(after - before))} ${gain > 0 ? "better" : "worse"}`;
      row.append(title, make("td", "num", score(before)), make("td", "num", score(after)), make("td", gain ? `num ${moved}` : "num", change));
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
    const head = make("header");
    const marks = make("div", "tags");
    marks.append(make("bdi", "", tasks[at].name));
    if (cluster !== null && cluster !== item) marks.append(make("bdi", "", `cluster ${cluster}`));
    for (const [key, value] of Object.entries(tags)) marks.append(make("bdi", "", `${key}: ${value}`));
    const badges = make("div", "badges");
    for (const [flag, name, tone] of FLAGS) if (flags & flag) badges.append(make("span", `chip ${tone}`, name));
    if (!(flags & CHANGED) && base && candidate) badges.append(make("span", "chip", "= unchanged"));
    head.append(make("h4", "", item), marks, badges);
    const sides = make("div", "sides");
    const judged = tasks[at].name.startsWith("judge:");
    sides.append(...(judged ? [side("judge", candidate)] : [side("base", base), side("candidate", candidate)]));
    const results = judged ? label(...tasks[at].metrics.map(([name], i) => `${name}: ${score(candidate[2][i])}`)) : scores(tasks[at], base, candidate);
    node.append(head, label("prompt"), text("prompt", prompt, "prompt"), label("target"), text("target", target, "target"), sides, results);
    if (tasks[at].sensitive) veil(node);
    return node;
  }

  function listen() {
    let timer = 0;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter));
    form.addEventListener("input", (event) => {
      clearTimeout(timer);
      timer = setTimeout(filter, event.target.name === "text" ? 150 : 0);
    });
    for (const button of pager.querySelectorAll("button")) {
      button.addEventListener("click", () => {
        page += Number(button.dataset.go);
        show();
        section.scrollIntoView();
      });
    }
    for (const button of document.querySelectorAll("button[data-task]")) {
      const at = tasks.findIndex((task) => task.name === button.dataset.task);
      button.hidden = at < 0;
      button.addEventListener("click", () => {
        form.reset();
        form.elements.task.value = String(at);
        form.elements.show.value = button.dataset.show;
        filter();
        section.scrollIntoView();
      });
    }
  }

  read().then((data) => {
    ({ tasks, pairs } = data);
    fill();
    form.hidden = false;
    listen();
    filter();
  }).catch((error) => {
    status.textContent = `The samples cannot be shown in this browser (${error.message}); samples.parquet beside this file has them.`;
  });
})();
