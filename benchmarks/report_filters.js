"use strict";
// Runs the script of a report on a page that draws nothing, and prints how long reading the samples and filtering take.
const fs = require("node:fs");

const html = fs.readFileSync(process.argv[2], "utf8");
const island = /<script type="application\/json" id="data" data-encoding="(\w+)">(.*?)<\/script>/s.exec(html);
const script = /<script>(.*?)<\/script>/s.exec(html.slice(island.index + island[0].length))[1];

// Any property is another such thing, any call gives one: only what the script computes is measured.
const blank = () => new Proxy(function () {}, {
  get(kept, key) {
    if (key === Symbol.iterator) return function* () {};
    if (key === Symbol.toPrimitive) return () => "";
    if (key === "then") return undefined;
    if (key === "name" || key === "length") return 0; // a function's own, not to be changed
    return key in kept ? kept[key] : (kept[key] = blank());
  },
  set(kept, key, value) {
    if (key !== "name" && key !== "length") kept[key] = value;
    return true;
  },
  apply: () => blank(),
  construct: () => blank(),
});

const listeners = {};
const form = blank();
for (const name of ["task", "show", "tag", "text"]) form.elements[name].value = "";
form.addEventListener = (event, heard) => { listeners[event] = heard; };
const section = blank();
section.querySelector = (selector) => selector === "form" ? form : blank();
const nodes = { data: { textContent: island[2], dataset: { encoding: island[1] } }, samples: section };
globalThis.document = { getElementById: (id) => nodes[id], createElement: blank, createDocumentFragment: blank, querySelectorAll: () => [] };
globalThis.Option = blank();
const later = globalThis.setTimeout;
globalThis.setTimeout = (task) => { task(); return 0; };

const started = performance.now();
eval(script);
(async () => {
  while (!listeners.input) await new Promise((resolve) => later(resolve, 1));
  console.log(`read_ms=${(performance.now() - started).toFixed(0)}`);
  let slowest = 0;
  for (const [name, value] of [["show", "1"], ["show", "2"], ["show", "0"], ["task", "0"], ["text", "answer"], ["text", "zzz"], ["text", "a"]]) {
    form.elements[name].value = value;
    const before = performance.now();
    listeners.input({ target: { name } });
    slowest = Math.max(slowest, performance.now() - before);
  }
  console.log(`filter_ms=${slowest.toFixed(0)}`);
})();
