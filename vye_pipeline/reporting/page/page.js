/* The sections, one at a time: what the address says after the # is what is shown, so that back works. */
"use strict";
const DAYS = groupBy(FACTS.days, (row) => row.partition_date);
const ROUTES = { overview: showOverview, open: showOpenList, reasons: showReasons, closed: showClosed, day: showDay, profile: showProfile };
const TITLES = { overview: "Days", open: "Open items", reasons: "Rejections", closed: "Closed", day: "Day", profile: "User profile" };
const drawn = new Set();

function once(name, make) {
  if (!drawn.has(name)) { drawn.add(name); make(); }
}

function route() {
  const [path, query = ""] = decodeURIComponent(location.hash.slice(1) || "overview").split("?");
  const [name, ...rest] = path.split("/");
  const section = ROUTES[name] ? name : "overview";
  for (const other of Object.keys(ROUTES)) document.getElementById(`view-${other}`).hidden = other !== section;
  for (const link of document.querySelectorAll("nav a")) {
    link.toggleAttribute("aria-current", link.hash === `#${section}`);
    if (link.hash === `#${section}`) link.setAttribute("aria-current", "page");
  }
  ROUTES[section](rest.join("/"), new URLSearchParams(query));
  document.title = `${TITLES[section]} ${rest.join(" ")} – Reconciliation with BDN`.replace("  ", " ");
}

function figure(number, words, href) {
  return element("li", {}, element("b", {}, number.toLocaleString("en-US")), href ? element("a", { href }, words) : words);
}

function showOverview() {
  once("overview", () => {
    const delivered = FACTS.days.filter((row) => row.delivery === "delivered");
    const failed = FACTS.days.filter((row) => row.delivery === "failed");
    fill("as-of", `As known on ${at(FACTS.made_at)}.`, FACTS.left_out.days ? ` ${count(FACTS.left_out.days, "older day")} are left out: vye status shows them.` : "");
    fill("figures", figure(DAYS.size, "business days shown"), figure(delivered.length, "files delivered"), figure(failed.length, "files not delivered"),
      figure(d3.sum(FACTS.days, (row) => row.export_ready), "records"), figure(d3.sum(FACTS.days, (row) => row.pending), "lines that BDN may still answer"),
      figure(ITEMS.filter((item) => item.status === "missing").length, "lines past BDN's deadline", "#open?status=missing"), figure(new Set(ITEMS.map((item) => item.profile)).size, "user profiles need a person", "#open"));
    showChanges();
    showAwaited();
    fill("failed-days", ...[...groupBy(failed, (row) => row.partition_date)].reverse().map(failedDay));
    const kinds = document.getElementById("calendar-kind");
    kinds.append(...FACTS.kinds.map((name, index) => element("option", { value: name }, KINDS[index])));
    kinds.addEventListener("change", () => showCalendar(kinds.value));
    showCalendar("");
    drawStatuses();
    drawDeliveries();
  });
}

/* Waiting is not overdue: what BDN may still answer stands apart from what it has not answered in time. */
function showAwaited() {
  const overdue = groupBy(ITEMS.filter((item) => item.status === "missing"), (item) => `${item.day} ${item.kind}`);
  const rows = FACTS.days.filter((row) => row.pending || overdue.has(`${row.partition_date} ${FACTS.kinds.indexOf(row.kind)}`)).map((row) => {
    const missing = overdue.get(`${row.partition_date} ${FACTS.kinds.indexOf(row.kind)}`) ?? [];
    return [element("a", { href: `#day/${row.partition_date}` }, row.partition_date), row.kind.replaceAll("_", " "), row.pending, row.due_at ? at(row.due_at) : "", missing.length,
      missing.length ? Math.max(...missing.map((item) => item.waited)) : ""];
  });
  if (!rows.length) return;
  fill("awaited", element("h2", {}, "What BDN has not answered"), region("What BDN has not answered",
    table(["Day", "Kind", "May be answered", "Until", "Past the deadline", "Business days since"], rows.reverse(), { counts: [2, 4, 5] })));
}

function showChanges() {
  const changes = FACTS.changes;
  if (!changes) return;
  const words = [count(changes.delivered, "file") + " delivered", count(changes.answered, "answer") + " of BDN read", count(changes.opened, "item") + " opened", count(changes.closed, "item") + " closed"];
  const box = fill("changes", element("p", {}, element("strong", {}, `Since ${at(FACTS.previous_at)}: `), `${words.join(", ")}.`));
  box.hidden = false;
}

function failedDay([day, rows]) {
  return element("div", { class: "alert error" },
    element("p", {}, element("strong", {}, element("a", { href: `#day/${day}` }, day), " was not delivered to BDN")),
    ...rows.map((row) => element("p", {}, `${row.kind.replaceAll("_", " ")}: ${row.cause ?? "interrupted"}, ${count(row.undelivered, "record")} wait. ${lastFailure(day, row.kind)}`)));
}

function lastFailure(day, kind) {
  const failures = (FACTS.events[day] ?? []).filter(([, index, words]) => FACTS.kinds[index] === kind && words.includes("failed ("));
  return failures.length ? failures.at(-1)[2] : "";
}

function showCalendar(kind) {
  const days = [...DAYS].map(([day, rows]) => [day, rows.filter((row) => !kind || row.kind === kind)]);
  const months = [...groupBy(days, ([day]) => day.slice(0, 7))].reverse();
  fill("calendar", ...months.map(([month, ofMonth]) => calendarMonth(month, ofMonth)));
}

function calendarMonth(month, days) {
  const name = noon(`${month}-01`).toLocaleDateString("en-US", { month: "long", year: "numeric", timeZone: "UTC" });
  const states = d3.rollup(days, (ofState) => ofState.length, ([, rows]) => worst(rows));
  const sums = ORDER.filter((state) => states.has(state)).map((state) => `${states.get(state)} ${state === "unsettled" ? "waiting" : state}`);
  const cells = days.map(([day, rows]) => {
    const state = worst(rows);
    const words = rows.map((row) => `${row.kind.replaceAll("_", " ")} ${MEANINGS[stateOf(row)]}`).join("; ");
    const column = noon(day).getUTCDay();
    return element("li", { style: `grid-column: ${column}` }, element("a", { href: `#day/${day}`, class: state, title: `${day}: ${words}`, "aria-label": `${day}: ${words}` },
      String(Number(day.slice(8))), element("b", { "aria-hidden": "true" }, SYMBOLS[state])));
  });
  return element("div", { class: "month" }, element("h3", {}, name, element("span", {}, sums.join(", "))), element("ol", {}, ...cells));
}

function showOpenList(_, query) {
  const form = document.getElementById("filters");
  once("open", () => {
    const options = (name, values, words = (value) => value) => form.elements[name].append(...values.map((value) => element("option", { value }, words(value))));
    options("kind", FACTS.kinds.map((_name, index) => String(index)), (index) => KINDS[index]);
    options("status", [...new Set(ITEMS.map((item) => item.status))].sort());
    options("code", [...new Set(ITEMS.map((item) => item.code))].filter(Boolean).sort());
    form.addEventListener("input", () => applyFilters(form));
    form.addEventListener("reset", () => setTimeout(() => applyFilters(form)));
    form.addEventListener("submit", (event) => event.preventDefault());
    const rows = () => shownItems.map((item) => LIST.map(([, value]) => value(item)));
    const heads = LIST.map(([head]) => head);
    const click = (id, action) => document.getElementById(id).addEventListener("click", action);
    click("select-shown", () => select(shownItems));
    click("select-none", selectNone);
    click("selected-csv", downloadForResolving);
    click("open-csv", () => downloadCsv("open-items.csv", heads, rows()));
    click("open-xlsx", () => downloadXlsx("open-items.xlsx", heads, rows()));
    const left = FACTS.left_out.items;
    fill("open-left-out", left ? `${count(left, "newer item")} are left out: the view manual_reconciliation_open has all of them.` : "");
    drawAges(ITEMS);
  });
  for (const field of form.elements) {
    if (field.type === "checkbox") field.checked = query.has(field.name);
    else if (field.name) field.value = query.get(field.name) ?? "";
  }
  showOpen(filtersOf(form));
}

function applyFilters(form) {
  const query = new URLSearchParams(filtersOf(form)).toString();
  history.replaceState(null, "", query ? `#open?${query}` : "#open");
  showOpen(filtersOf(form));
}

function showReasons() {
  once("reasons", () => {
    const days = [...DAYS.keys()].sort();
    const recent = new Set(days.slice(-5));
    const before = Math.max(days.length - recent.size, 1);
    const rows = d3.rollups(FACTS.rejections, (group) => ({
      kind: KINDS[group[0].kind], code: group[0].code, meaning: text(group[0].meaning) || "not in reason_codes",
      now: d3.sum(group.filter((row) => recent.has(row.day)), (row) => row.records) / Math.max(recent.size, 1),
      usual: d3.sum(group.filter((row) => !recent.has(row.day)), (row) => row.records) / before,
    }), (row) => `${row.kind} ${row.code}`).map(([, row]) => row).sort((one, other) => d3.descending(one.now - one.usual, other.now - other.usual));
    const words = (row) => row.now > 2 * row.usual && row.now >= 1 ? "▲ more than usual" : row.now < row.usual / 2 ? "▼ less than usual" : "as usual";
    const heads = ["Kind", "Reason code", "Meaning", "A day, last five days", "A day, before", "Compared"];
    const cells = rows.map((row) => [row.kind, row.code, row.meaning, row.now.toFixed(1), row.usual.toFixed(1), words(row)]);
    fill("reasons-table", rows.length ? table(heads, cells, { counts: [3, 4] }) : element("p", {}, "BDN has rejected nothing."));
    offerFiles("reasons-files", "rejections", heads, () => rows.map((row, place) => [...cells[place].slice(0, 3), row.now, row.usual, words(row)]));
    drawReasons();
  });
}

function showClosed() {
  const form = document.getElementById("closed-filters");
  const heads = ["Closed", "By", "User profile", "Day", "Kind", "Note", "Now"];
  let rows = [];
  const show = () => {
    const { since, reopened } = filtersOf(form);
    const from = since ? dayOf(new Date(Date.parse(FACTS.made_at) - Number(since) * 864e5)) : "";
    rows = FACTS.closed.filter((row) => dayOf(row.at) >= from && (!reopened || row.reopened));
    fill("closed-table", rows.length ? table(heads, rows.map((row) => [
      at(row.at), row.by, element("a", { href: `#profile/${row.profile}` }, String(row.profile)), element("a", { href: `#day/${row.day}` }, row.day), KINDS[row.kind], row.note,
      row.reopened ? badge("failed", "open again") : badge("settled", "closed")])) : element("p", {}, "Nothing was closed."));
  };
  offerFiles("closed-files", "closings", heads, () => rows.map((row) => [at(row.at), row.by, row.profile, row.day, KINDS[row.kind], row.note, row.reopened ? "open again" : "closed"]));
  once("closed", () => { form.addEventListener("input", show); form.addEventListener("submit", (event) => event.preventDefault()); });
  show();
}

/* What must hold of a file, each in words with its mark; a check that can't be made yet waits. */
function checksOf(row) {
  const sent = row.delivery === "delivered";
  const received = row.lines_received == null ? null : row.lines_received === row.lines;
  const overdue = row.due_at != null && row.due_at < FACTS.made_at;
  const checks = [
    [sent ? true : row.delivery === "failed" ? false : null, "sent", "not sent"],
    [sent ? received : null, "BDN received every line", received == null ? "BDN has not answered" : `BDN counted ${row.lines_received} of ${row.lines} lines`],
    [row.settled ? true : overdue ? false : null, "settled", overdue ? "overdue" : "not settled yet"],
  ];
  return element("ul", { class: "checks" }, ...checks.map(([holds, words, otherwise]) => element("li", {}, `${holds ? "✓" : holds === false ? "✕" : "…"} ${holds ? words : otherwise}`)));
}

function showDay(day) {
  const rows = DAYS.get(day) ?? [];
  fill("day-title", rows.length ? `${day}: ${MEANINGS[worst(rows)]}` : `${day} is not on this page`);
  const days = [...DAYS.keys()].sort();
  const index = days.indexOf(day);
  const neighbour = (other, words) => other ? [element("a", { href: `#day/${other}` }, `${words} ${other}`), " "] : [];
  fill("day-links", ...neighbour(days[index - 1], "← before:"), ...neighbour(index < 0 ? null : days[index + 1], "→ after:"), element("a", { href: `#open?text=${day}` }, "open items of this day"));
  fill("day-kinds", rows.length ? region("Files of this day", table(["Kind", "Delivery", "Records", "What became of them", "Checks", "File", "Fingerprint"], rows.map((row) => [
    row.kind.replaceAll("_", " "), badge(stateOf(row), row.delivery + (row.cause ? `: ${row.cause}` : "")), row.export_ready.toLocaleString("en-US"), countsInWords(row), checksOf(row),
    element("code", {}, row.object_key ?? ""), element("code", {}, (row.fingerprint ?? "").slice(0, 16))]), { counts: [2] })) : null);
  fill("day-events", ...(FACTS.events[day] ?? []).map(([when, kind, words]) => element("li", {}, element("time", { datetime: when }, at(when)), ` ${KINDS[kind]}: ${words}`)),
    ...rows.filter((row) => row.standing).map((row) => element("li", {}, element("strong", {}, "Now "), row.standing)));
}

function showProfile(profile) {
  once("profile", () => document.getElementById("profile-form").addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = `#profile/${event.target.elements.profile.value}`;
  }));
  document.getElementById("profile-form").elements.profile.value = profile;
  const history = FACTS.profiles[profile] ?? [];
  fill("profile-title", profile ? `User profile ${profile}` : "Which user profile?");
  const items = ITEMS.filter((item) => String(item.profile) === profile);
  fill("profile-open", items.length ? region("Open items of this user profile", table(["Day", "Kind", "Status", "Reason", "Next step", "Business days waited"], items.map((item) => [
    element("a", { href: `#day/${item.day}` }, item.day), item.kindName, statusMark(item.status), item.reasonText, item.stepText, item.waited]), { counts: [5] }))
    : element("p", {}, profile ? "Nothing of it is open; the page has the submissions of user profiles with open items only." : ""));
  const told = history.map(([day, kind, status, code]) => [text(day), kind, text(status), text(code)]);
  fill("profile-line", ...told.reverse().map(([day, kind, status, code]) => element("li", { style: `--mark: var(--${status})` },
    element("a", { href: `#day/${day}` }, day), ` ${KINDS[kind]}: ${status}${code ? ` (${code})` : ""}`)));
}

addEventListener("hashchange", route);
route();
