/* The pictures, each with a table of the same numbers. Colours come from the style sheet's variables. */
"use strict";
/* An image has one name; the table below it has the numbers. */
function draw(id, label, options) {
  const drawing = document.querySelector(`#${id} .drawing`);
  const picture = Plot.plot({ width: 640, height: 260, marginLeft: 50, style: { background: "none" }, ...options });
  const svg = picture.tagName === "svg" ? picture : picture.querySelector(":scope > svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  for (const part of svg.querySelectorAll("[aria-label], [aria-roledescription]")) for (const name of ["aria-label", "aria-roledescription", "aria-description"]) part.removeAttribute(name);
  drawing.replaceChildren(picture);
}

function tabulate(id, heads, rows, options) {
  document.querySelector(`#${id} .scroll`).replaceChildren(table(heads, rows, options));
}

function colours(names) {
  return { domain: names, range: names.map((name) => `var(--${name})`), legend: true };
}

function noon(day) {
  return new Date(`${day}T12:00:00Z`);
}

function drawStatuses() {
  const shown = FACTS.statuses.filter((status) => status !== "unexpected" && FACTS.days.some((row) => row[status]));
  const byDay = [...groupBy(FACTS.days, (row) => row.partition_date)];
  const totals = byDay.map(([day, rows]) => [day, ...shown.map((status) => d3.sum(rows, (row) => row[status]))]);
  const marks = totals.flatMap(([day, ...counts]) => counts.map((records, index) => ({ day: noon(day), status: shown[index], records })));
  draw("chart-statuses", "Stacked bars: records a day by status", {
    x: { label: null, type: "utc" }, y: { label: "records", grid: true }, color: colours(shown),
    marks: [Plot.rectY(marks.filter((mark) => mark.records), { x: "day", y: "records", fill: "status", interval: "day", order: shown, inset: 0.25 }), Plot.ruleY([0])],
  });
  tabulate("chart-statuses", ["Day", ...shown], totals.toReversed(), { counts: shown.map((_, index) => index + 1) });
}

function drawDeliveries() {
  const rows = FACTS.days.filter((row) => row.minutes_after_cut_off != null);
  const marks = rows.map((row) => ({ day: noon(row.partition_date), kind: KINDS[FACTS.kinds.indexOf(row.kind)], minutes: Math.max(row.minutes_after_cut_off, 1) }));
  draw("chart-deliveries", "Dots: minutes from the cut-off to the delivery of each file", {
    x: { label: null, type: "utc" }, y: { label: "minutes", type: "log", domain: [1, Math.max(1000, d3.max(marks, (mark) => mark.minutes) ?? 1)], grid: true, tickFormat: (minutes) => (Number.isInteger(Math.log10(minutes)) ? d3.format(",")(minutes) : "") },
    symbol: { legend: true },
    marks: [Plot.dot(marks, { x: "day", y: "minutes", symbol: "kind", stroke: "var(--link)", r: 3 })],
  });
  tabulate("chart-deliveries", ["Day", "Kind", "Minutes after the cut-off"], rows.toReversed().map((row) => [row.partition_date, row.kind.replaceAll("_", " "), row.minutes_after_cut_off.toLocaleString("en-US")]), { counts: [2] });
}

function drawAges(items) {
  const bins = [[0, 0, "today"], [1, 2, "1–2"], [3, 5, "3–5"], [6, 10, "6–10"], [11, 20, "11–20"], [21, 60, "21–60"], [61, Infinity, "over 60"]];
  const marks = bins.flatMap(([from, to, age]) => KINDS.map((kind, index) => ({
    age, kind, records: items.filter((item) => item.kind === index && item.waited >= from && item.waited <= to).length,
  })));
  draw("chart-ages", "Bars: open items by business days waited and kind", {
    x: { label: "business days", domain: bins.map(([, , age]) => age) }, y: { label: "open items", grid: true }, fx: { label: null },
    marks: [Plot.barY(marks, { fx: "kind", x: "age", y: "records", fill: "var(--link)" }), Plot.ruleY([0])], width: 900,
  });
  tabulate("chart-ages", ["Waited", ...KINDS], bins.map(([, , age]) => [age, ...KINDS.map((kind) => marks.find((mark) => mark.age === age && mark.kind === kind).records)]), { counts: [1, 2, 3] });
}

function drawReasons() {
  const week = (row) => d3.utcMonday.floor(noon(row.day));
  const frequent = d3.rollups(FACTS.rejections, (rows) => d3.sum(rows, (row) => row.records), (row) => row.code)
    .sort((one, other) => d3.descending(one[1], other[1])).slice(0, 6).map(([code]) => code);
  const sums = d3.flatRollup(FACTS.rejections.filter((row) => frequent.includes(row.code)), (rows) => d3.sum(rows, (row) => row.records), (row) => row.code, (row) => +week(row));
  const marks = sums.map(([code, monday, records]) => ({ code, week: new Date(monday), records }));
  draw("chart-reasons", "Lines: records rejected a week, one panel a reason", {
    width: 900, height: 90 * Math.max(frequent.length, 1) + 40, x: { label: "week of", type: "utc", interval: d3.utcMonday, ticks: 8, tickFormat: "%b %-d" }, y: { label: "records a week", ticks: 3, grid: true },
    fy: { label: null, domain: frequent },
    marks: [Plot.areaY(marks, { x: "week", y: "records", fy: "code", fill: "var(--rejected)", fillOpacity: 0.25 }), Plot.lineY(marks, { x: "week", y: "records", fy: "code", stroke: "var(--rejected)", marker: "dot" }), Plot.ruleY([0])],
  });
  tabulate("chart-reasons", ["Reason", "Week of", "Records"], d3.sort(marks, (mark) => mark.code, (mark) => -mark.week).map((mark) => [mark.code, mark.week.toISOString().slice(0, 10), mark.records]), { counts: [2] });
}
