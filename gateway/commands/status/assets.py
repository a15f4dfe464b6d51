"""Style and script of the page: both are in it, and its policy allows nothing else."""

STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --back: #ffffff; --soft: #57606a; --line: #d0d7de; --band: #f6f8fa;
  --trouble: #b3261e; --note: #7a5200; --ok: #1a6b3c; --link: #0a57c2; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --back: #0d1117; --soft: #9aa4af; --line: #30363d;
  --band: #161b22; --trouble: #ff8a80; --note: #e3b341; --ok: #6fd08c; --link: #79b8ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 90rem; padding: 1rem; font: 1rem/1.45 system-ui, sans-serif; color: var(--text);
  background: var(--back); }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
p { margin: .25rem 0; } .soft { color: var(--soft); }
.controls { display: flex; flex-wrap: wrap; gap: .75rem 1.25rem; align-items: end; margin: .75rem 0; }
.controls fieldset { border: 0; margin: 0; padding: 0; display: flex; gap: .75rem; flex-wrap: wrap; }
.controls legend { padding: 0; } label { display: inline-block; }
input[type=search], select { font: inherit; color: inherit; background: var(--band); border: 1px solid var(--soft);
  border-radius: .3rem; padding: .3rem .5rem; max-width: 100%; }
button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer;
  text-align: left; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
thead th { background: var(--band); } th[scope=row] { font-weight: 600; width: 25%; }
th[scope=row], td.about { overflow-wrap: anywhere; min-width: 11rem; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } td.date { white-space: nowrap; }
.trouble { color: var(--trouble); } .note { color: var(--note); } .ok { color: var(--ok); } .off { color: var(--soft); }
.state { white-space: nowrap; font-weight: 600; }
ul { margin: 0; padding-left: 1.1rem; } details { margin-top: .25rem; } summary { cursor: pointer; color: var(--link); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .75rem; margin: .4rem 0; } dd { margin: 0; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 11px; }
svg .bar { fill: var(--link); } svg .late { fill: var(--trouble); } svg .axis { stroke: var(--line); }
[hidden] { display: none !important; }
@media (max-width: 64rem) {
  svg text { font-size: 22px; } svg .mark0 { display: none; }
  table, tbody, tr, td, th[scope=row] { display: block; width: 100%; } thead { position: absolute; left: -999rem; }
  tr { border: 1px solid var(--line); border-radius: .4rem; margin-bottom: .75rem; padding: .25rem; }
  th, td, td.number { border: 0; padding: .2rem .4rem; text-align: left; }
  td[data-label]::before { content: attr(data-label) ": "; color: var(--soft); } td:empty { display: none; }
}
@media (max-width: 40rem) {
  svg text { font-size: 34px; } svg .mark1, svg .mark3, svg .mark5 { display: none; }
}
@media print { .controls { display: none; } body { max-width: none; } details > * { display: block; } }
"""

SCRIPT = """
"use strict";
const rows = Array.from(document.querySelectorAll("tbody tr"));
const body = document.querySelector("tbody"), shown = document.getElementById("shown");
const search = document.getElementById("search"), kind = document.getElementById("kind");
const within = document.getElementById("within"), states = Array.from(document.querySelectorAll("[name=state]"));
const texts = new Map(rows.map(row => [row, row.textContent.toLocaleLowerCase()]));
function choose() {
  const wanted = new Set(states.filter(each => each.checked).map(each => each.value));
  const words = search.value.toLocaleLowerCase().split(/\\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    const data = row.dataset;
    const fits = wanted.has(data.state) && (!kind.value || data.kind === kind.value)
      && (!within.value || (data.days !== "" && Number(data.days) < Number(within.value)))
      && words.every(word => texts.get(row).includes(word));
    row.hidden = !fits;
    count += fits ? 1 : 0;
  }
  shown.textContent = count + " of " + rows.length + " records are shown";
}
for (const each of [search, kind, within, ...states]) { each.addEventListener("input", choose); }
for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, key = button.dataset.key;
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of document.querySelectorAll("thead th")) { other.removeAttribute("aria-sort"); }
    head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    rows.sort((a, b) => {
      const one = a.dataset[key], other = b.dataset[key];
      if (one === "" || other === "") { return Number(one === "") - Number(other === ""); }
      const by = Number(one) - Number(other);
      return sign * (Number.isNaN(by) ? one.localeCompare(other) : by);
    });
    body.append(...rows);
  });
}
document.getElementById("controls").hidden = false;
choose();
"""
