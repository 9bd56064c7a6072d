"use strict";
// Everything the models wrote reaches the page through textContent only.
(() => {
  const { head, pairs } = JSON.parse(document.getElementById("data").textContent);
  const NAME = `assay-annotate:${head.page}`;
  const RATINGS = ["rating_1", "rating_2"];
  const find = (selector) => document.querySelector(selector);
  const main = find("main"), form = find("form"), card = find(".card"), status = find(".status");
  const who = find("[name=annotator]"), veil = find(".veil");
  const places = new Map(pairs.map((pair, i) => [pair.key, i]));
  let annotator = "", answers = {}, at = 0, kept = true, saved = true;

  const whole = (answer) => Boolean(answer?.prefer && answer.rating_1 && answer.rating_2);
  const begun = (answer) => Boolean(answer && (answer.prefer || answer.rating_1 || answer.rating_2 || answer.comment));
  const judged = () => pairs.filter((pair) => whole(answers[pair.key])).length;

  function tell(text, bad = false) {
    status.textContent = text;
    status.classList.toggle("bad", bad);
  }

  // Storage may be full, or closed to files from disk: the page then works as long as it is open.
  function keep() {
    saved = false;
    try {
      localStorage.setItem(NAME, JSON.stringify({ annotator, answers }));
    } catch {
      if (kept) tell("This browser does not keep what you enter: save it to a file before you close the page.", true);
      kept = false;
    }
  }

  function recall() {
    try {
      const found = JSON.parse(localStorage.getItem(NAME));
      if (found) ({ annotator, answers } = checked(found.annotator, Object.values(found.answers)));
    } catch {
      answers = {};
    }
  }

  // What comes from a file or the storage, reduced to what this page could have saved.
  function checked(name, rows) {
    const found = {};
    for (const row of rows) {
      if (!places.has(row.item)) throw new Error(`it holds the item ${row.item}, which is not on this page`);
      found[row.item] = {
        item: row.item,
        prefer: ["1", "2", "tie"].includes(row.prefer) ? row.prefer : null,
        rating_1: [1, 2, 3, 4, 5].includes(row.rating_1) ? row.rating_1 : null,
        rating_2: [1, 2, 3, 4, 5].includes(row.rating_2) ? row.rating_2 : null,
        comment: typeof row.comment === "string" ? row.comment : "",
      };
    }
    return { annotator: typeof name === "string" ? name : "", answers: found };
  }

  function count() {
    const done = judged();
    find("progress").value = done;
    find(".done").textContent = `${done} of ${pairs.length} judged`;
    find(".open").disabled = done === pairs.length;
  }

  function show() {
    const pair = pairs[at], answer = answers[pair.key];
    find("#place").textContent = `Pair ${at + 1} of ${pairs.length}`;
    const shared = find(".shared");
    shared.hidden = pair.prompt === null;
    shared.querySelector("pre").textContent = pair.prompt ?? "";
    document.querySelectorAll(".side").forEach((side, i) => {
      const { before, answer: text } = pair.sides[i];
      side.querySelector(".before").hidden = before === null;
      side.querySelector(".before pre").textContent = before ?? "";
      side.querySelector(".answer").textContent = text;
    });
    for (const text of card.querySelectorAll("pre")) text.scrollTop = 0;
    // The question of a longer prompt is at its end.
    for (const text of card.querySelectorAll(".prompt")) text.scrollTop = text.scrollHeight;
    form.reset();
    if (answer) {
      for (const name of ["prefer", ...RATINGS]) if (answer[name]) form.elements[name].value = String(answer[name]);
      form.elements.comment.value = answer.comment;
    }
    find('[data-go="-1"]').disabled = at === 0;
    find('[data-go="1"]').disabled = at === pairs.length - 1;
    count();
  }

  function take() {
    const key = pairs[at].key, answer = { item: key, prefer: form.elements.prefer.value || null, comment: form.elements.comment.value };
    for (const name of RATINGS) answer[name] = Number(form.elements[name].value) || null;
    const before = judged();
    if (begun(answer)) answers[key] = answer;
    else delete answers[key];
    if (kept) tell("");
    keep();
    count();
    if (judged() === pairs.length && before < pairs.length) tell("That was the last one. Save your answers to a file and hand it back.");
  }

  function go(place) {
    if (place < 0 || place >= pairs.length) return;
    at = place;
    show();
    tell(`Pair ${at + 1} of ${pairs.length}`);
    main.scrollIntoView();
  }

  function goToOpen() {
    for (let step = 1; step <= pairs.length; step += 1) {
      const place = (at + step) % pairs.length;
      if (!whole(answers[pairs[place].key])) return go(place);
    }
  }

  function save() {
    const rows = pairs.map((pair) => answers[pair.key]).filter(begun);
    if (!rows.length) return tell("There is nothing to save yet.", true);
    const content = JSON.stringify({ ...head, annotator, saved: new Date().toISOString(), answers: rows }, null, 1);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
    link.download = ["answers", head.page, annotator.replace(/[^\p{L}\p{N}]+/gu, "-")].filter(Boolean).join("-") + ".json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    saved = true;
    tell(`Saved ${link.download}: ${judged()} of ${pairs.length} judged.`);
  }

  async function load(file) {
    try {
      const found = JSON.parse(await file.text());
      if (found.page !== head.page) throw new Error(`it is of the page ${found.page}, and this is ${head.page}`);
      const taken = checked(found.annotator, found.answers);
      if (Object.keys(answers).length && !confirm("Replace what is entered here by what is in the file?")) return;
      ({ annotator, answers } = taken);
      keep();
      start();
      tell(`Loaded ${file.name}: ${judged()} of ${pairs.length} judged.`);
    } catch (error) {
      tell(`${file.name} cannot be loaded: ${error.message}`, true);
    }
  }

  function unveil(veiled) {
    card.classList.toggle("veiled", veiled);
    veil.textContent = veiled ? "Show the texts" : "Hide the texts";
    veil.setAttribute("aria-expanded", String(!veiled));
    for (const text of card.querySelectorAll("pre")) {
      text.toggleAttribute("inert", veiled);
      text.setAttribute("aria-hidden", String(veiled));
    }
  }

  function choose(name, value) {
    form.elements[name].value = value;
    take();
  }

  const KEYS = {
    j: () => choose("prefer", "1"), k: () => choose("prefer", "tie"), l: () => choose("prefer", "2"),
    n: () => go(at + 1), p: () => go(at - 1), o: goToOpen, c: () => form.elements.comment.focus(),
  };

  function press(event) {
    const writing = event.target.matches("textarea, input[type=text]");
    if (event.key === "Escape" && writing) return event.target.blur();
    if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
    if (digit) {
      const place = (Number(digit) + 9) % 10;
      choose(RATINGS[Math.floor(place / 5)], String(place % 5 + 1));
    } else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
    else return;
    event.preventDefault();
  }

  function start() {
    who.value = annotator;
    const open = pairs.findIndex((pair) => !whole(answers[pair.key]));
    at = Math.max(0, open);
    show();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", take);
  find(".clear").addEventListener("click", () => { form.reset(); take(); });
  who.addEventListener("input", () => { annotator = who.value.trim(); keep(); });
  for (const button of document.querySelectorAll("[data-go]")) button.addEventListener("click", () => go(at + Number(button.dataset.go)));
  find(".open").addEventListener("click", goToOpen);
  find(".save").addEventListener("click", save);
  find(".load input").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) load(file);
  });
  document.addEventListener("keydown", press);
  window.addEventListener("beforeunload", (event) => { if (!kept && !saved) event.preventDefault(); });
  if (veil) {
    veil.addEventListener("click", () => unveil(!card.classList.contains("veiled")));
    unveil(true);
  }
  recall();
  find(".desk").hidden = false;
  main.hidden = false;
  start();
  tell(Object.keys(answers).length ? `Going on where you left off: ${judged()} of ${pairs.length} judged.` : "");
})();
