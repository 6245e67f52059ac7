/* The open list: filters, selection, and files that a spreadsheet opens without running anything. */
"use strict";
const selected = new Set();
let openTable;
let shownItems = [];

const ITEMS = FACTS.items.map((item, id) => ({ ...item, id, kindName: KINDS[item.kind], reasonText: text(item.reason), stepText: text(item.step), fields: item.fields ?? "", code: item.code ?? "" }));
for (const item of ITEMS) item.searched = [item.profile, item.record, item.day, item.kindName, item.status, item.code, item.reasonText, item.fields].join(" ").toLowerCase();

const LIST = [
  ["User profile", (item) => item.profile], ["Day", (item) => item.day], ["Kind", (item) => item.kindName],
  ["Record", (item) => item.record], ["Line", (item) => item.line], ["Status", (item) => item.status],
  ["Reason code", (item) => item.code], ["Reason", (item) => item.reasonText], ["Fields", (item) => item.fields],
  ["Next step", (item) => item.stepText], ["Business days waited", (item) => item.waited],
  ["Moot", (item) => (item.moot ? "yes" : "no")], ["Feed", (item) => item.evidence ?? ""],
];

function harmless(value) {
  const words = String(value ?? "");
  return typeof value === "string" && /^[=+\-@\t\r\n]/.test(words) ? `'${words}` : words;
}

function csv(heads, rows) {
  const cell = (value) => `"${harmless(value).replaceAll('"', '""')}"`;
  return [heads, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function download(name, blob) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  URL.revokeObjectURL(link.href);
}

function downloadCsv(name, heads, rows) {
  download(name, new Blob(["\ufeff", csv(heads, rows)], { type: "text/csv" }));
}

function downloadForResolving() {
  const chosen = ITEMS.filter((item) => selected.has(item.id) && item.profile != null);
  const keys = [...new Set(chosen.map((item) => JSON.stringify([item.profile, item.day, FACTS.kinds[item.kind], ""])))].map((key) => JSON.parse(key));
  download("resolve.csv", new Blob([csv(["user_profile_id", "partition_date", "kind", "note"], keys)], { type: "text/csv" }));
}

async function downloadXlsx(name, heads, rows) {
  const cell = (value) => typeof value === "number" ? { value, type: Number }
    : /^\d{4}-\d\d-\d\d$/.test(value) ? { value: noon(value), type: Date, format: "yyyy-mm-dd" } : { value: String(value ?? ""), type: String };
  const data = [heads.map((value) => ({ value, fontWeight: "bold" })), ...rows.map((row) => row.map(cell))];
  download(name, await writeXlsxFile(data).toBlob());
}

/* Offers a list as files; what is shown when a button is pressed goes into them. */
function offerFiles(id, name, heads, rows) {
  const button = (words, onclick) => element("button", { type: "button", class: "outline", onclick }, words);
  fill(id, button(`CSV of the ${name}`, () => downloadCsv(`${name}.csv`, heads, rows())), button(`XLSX of the ${name}`, () => downloadXlsx(`${name}.xlsx`, heads, rows())));
}

function filtersOf(form) {
  return Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
}

function matches(item, filters) {
  return (!filters.kind || item.kind === Number(filters.kind))
    && (!filters.status || item.status === filters.status)
    && (!filters.code || item.code === filters.code)
    && (!filters.age || item.waited >= Number(filters.age))
    && (!filters.evidence || (item.evidence ?? "none") === filters.evidence)
    && (!filters.moot || item.moot === (filters.moot === "yes"))
    && (!filters.text || item.searched.includes(filters.text.toLowerCase()));
}

function showOpen(filters) {
  shownItems = ITEMS.filter((item) => matches(item, filters));
  const profiles = new Set(shownItems.map((item) => item.profile)).size;
  document.getElementById("open-count").textContent = shownItems.length === ITEMS.length
    ? `${count(ITEMS.length, "open item")} of ${count(profiles, "user profile")}`
    : `${count(shownItems.length, "item")} of ${count(profiles, "user profile")}, out of ${ITEMS.length.toLocaleString("en-US")}`;
  openTable ??= makeTable();
  openTable.ready = (openTable.ready ?? new Promise((done) => openTable.on("tableBuilt", () => { nameRows(); done(); }))).then(() => {
    openTable.setGroupBy(filters.grouped ? "profile" : false);
    return openTable.replaceData(shownItems);
  });
}

function showSelected() {
  const button = document.getElementById("selected-csv");
  button.disabled = !selected.size;
  button.textContent = selected.size ? `Download ${selected.size.toLocaleString("en-US")} selected for resolving` : "Download selected for resolving";
}

function select(items) {
  for (const item of items) selected.add(item.id);
  showSelected();
  openTable.redraw(true);
}

function selectNone() {
  selected.clear();
  showSelected();
  openTable.redraw(true);
}

function checkbox(cell) {
  const item = cell.getData();
  return element("input", { type: "checkbox", checked: selected.has(item.id), "aria-label": `Select ${item.kindName} of user profile ${item.profile ?? "unknown"} of ${item.day}`,
    onchange: (event) => { event.target.checked ? selected.add(item.id) : selected.delete(item.id); showSelected(); } });
}

/* Tabulator puts a scrolling box between the grid and its rows; to a screen reader it is the group of rows. */
function nameRows() {
  const holder = document.querySelector("#open-table .tabulator-tableholder");
  holder.setAttribute("role", "rowgroup");
  holder.querySelector(".tabulator-table").setAttribute("role", "presentation");
}

function makeTable() {
  const link = (href, words) => element("a", { href }, words);
  return new Tabulator("#open-table", {
    height: "36rem", layout: "fitColumns", responsiveLayout: "hide", data: [], placeholder: "Nothing is open.", index: "id", groupStartOpen: true,
    groupHeader: (profile, size, _rows, group) => {
      group.getElement().setAttribute("role", "row");
      return element("span", { role: "gridcell" }, `User profile ${profile ?? "unknown"}: ${count(size, "item")}`);
    },
    columns: [
      { title: "Select", field: "id", formatter: checkbox, headerSort: false, width: 80, responsive: 0 },
      { title: "User profile", field: "profile", sorter: "number", width: 120, responsive: 0, formatter: (cell) => cell.getValue() == null ? "—" : link(`#profile/${cell.getValue()}`, String(cell.getValue())) },
      { title: "Day", field: "day", width: 115, responsive: 1, formatter: (cell) => link(`#day/${cell.getValue()}`, cell.getValue()) },
      { title: "Kind", field: "kindName", width: 150, responsive: 4 },
      { title: "Status", field: "status", width: 135, responsive: 0, formatter: (cell) => statusMark(cell.getValue()) },
      { title: "Reason", field: "reasonText", minWidth: 220, responsive: 2, widthGrow: 2, formatter: (cell) => element("span", {}, cell.getValue()) },
      { title: "Next step", field: "stepText", minWidth: 200, responsive: 5, widthGrow: 2, formatter: (cell) => element("span", {}, cell.getValue()) },
      { title: "Waited", field: "waited", sorter: "number", width: 100, hozAlign: "right", responsive: 3 },
    ],
  });
}
