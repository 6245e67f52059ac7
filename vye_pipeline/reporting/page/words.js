/* What the page knows, and how it is put into words and elements. Text is only ever set as text. */
"use strict";
const FACTS = unpacked(JSON.parse(document.getElementById("facts").textContent));
const KINDS = FACTS.kinds.map((name) => name.replaceAll("_", " "));
const SYMBOLS = { settled: "✓", unsettled: "…", failed: "✕", closed: "→", missing: "–" };
const MEANINGS = {
  settled: "delivered and settled", unsettled: "delivered, BDN's answer is awaited", failed: "not delivered",
  closed: "closed: its records went with a later day", missing: "has not run",
};
const ORDER = ["failed", "missing", "unsettled", "closed", "settled"];
const NEW_YORK = { timeZone: "America/New_York" };

/* Lists come with the names of their fields once. */
function unpacked(facts) {
  const rowsOf = ({ fields, rows }) => rows.map((row) => Object.fromEntries(fields.map((name, place) => [name, row[place]])));
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, value?.rows ? rowsOf(value) : value]));
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

function fill(id, ...children) {
  const place = document.getElementById(id);
  place.replaceChildren(...children.filter((child) => child != null));
  return place;
}

function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en-US")} ${number === 1 ? one : many}`;
}

function at(iso) {
  return new Date(iso).toLocaleString("en-CA", { ...NEW_YORK, dateStyle: "short", timeStyle: "short", hour12: false });
}

function dayOf(iso) {
  return new Date(iso).toLocaleDateString("en-CA", NEW_YORK);
}

function text(place) {
  return place == null ? "" : FACTS.texts[place];
}

function stateOf(row) {
  if (row.delivery === "delivered") return row.settled ? "settled" : "unsettled";
  return row.delivery;
}

function worst(rows) {
  const states = rows.map(stateOf);
  return ORDER.find((state) => states.includes(state));
}

function badge(state, words) {
  return element("span", { class: `badge ${state}` }, `${SYMBOLS[state]} ${words ?? MEANINGS[state]}`);
}

function statusMark(status) {
  return element("span", {}, element("span", { class: "key", style: `background: var(--${status})`, "aria-hidden": "true" }), status);
}

function countsInWords(row) {
  const parts = FACTS.statuses.filter((status) => row[status]).map((status) => `${row[status]} ${status}`);
  return parts.join(", ") || "no records";
}

function groupBy(rows, key) {
  const groups = new Map();
  for (const row of rows) {
    const name = key(row);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  return groups;
}

function table(heads, rows, { counts = [] } = {}) {
  const cell = (name, value, index, attributes = {}) =>
    element(name, { ...attributes, class: counts.includes(index) ? "count" : null }, value ?? "");
  return element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((head, index) => cell("th", head, index, { scope: "col" })))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((value, index) => cell("td", value, index))))));
}

/* What may be wider than a small screen scrolls by itself, with the keyboard too. */
function region(label, ...children) {
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, ...children);
}
