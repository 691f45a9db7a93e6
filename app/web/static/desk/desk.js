// The desk, where a practice runs its day. An ordinary client of the public GraphQL API: it can do what the token's role may do.

import "./words.js";
import { $, announce, h, showProblem, showSection } from "../dom.js";
import { connect } from "../graphql.js";
import * as times from "../times.js";
import { t, translatePage } from "../words.js";
import { Agenda } from "./agenda.js";
import { openAway } from "./away.js";
import { book } from "./book.js";
import { Grid, nameOf } from "./grid.js";
import { showList } from "./list.js";
import { moveBlock } from "./move.js";
import { Practice } from "./practice.js";
import { listenToSearch } from "./search.js";
import { openSetup } from "./setup.js";
import { forgetToken, keepToken, takeTokenFromAddress, token } from "./session.js";
import { Stranded } from "./stranded.js";
import { openBlock } from "./visit.js";

const NARROW = matchMedia("(max-width: 680px)");
const VIEWS = ["day", "week", "list"];

translatePage();
const api = connect(document.body.dataset.endpoint, () => ({ token: token() }));
const agenda = new Agenda(api, changed, reload);
let practice = null;
let grid = null;
const shown = readAddress();

/** What every dialog gets: the API, the data, and how to report what was done. */
const desk = { api, agenda, get practice() { return practice; }, get zone() { return practice.zone; }, done, reload, shown };
desk.stranded = new Stranded(desk);
listenToSearch(desk);

// ---------------------------------------------------------------- signing in

async function arrive() {
  takeTokenFromAddress();
  showProblem(null);
  if (!token()) return signIn();
  try {
    practice = await Practice.load(api);
    if (!practice) return signIn(t("token_not_staff"));
    enter();
  } catch (problem) {
    if (problem.kind === "refused") return signIn(t("token_invalid"));
    showProblem(problem.message, arrive);
  }
}

function signIn(message = "") {
  if (message) forgetToken();
  $("bar").hidden = true;
  showSection("sign-in");
  $("sign-in-problem").textContent = message;
  $("sign-in-problem").hidden = !message;
  $("token").focus();
}

$("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const value = $("token").value.trim();
  if (!value) return $("token").focus();
  keepToken(value);
  $("token").value = "";
  arrive();
});

$("sign-out").addEventListener("click", () => {
  agenda.close();
  api.socket.terminate();
  forgetToken();
  signIn();
});

function enter() {
  $("bar").hidden = false;
  $("practice").textContent = practice.name;
  const isInUse = (id) => practice.columns.some((one) => one.id === id);
  grid ??= new Grid($("grid"), {
    open: (block) => openBlock(desk, block),
    book: ({ column, reading }) => isInUse(column) && book(desk, { column, reading }),
    move: (block, to) => moveBlock(desk, block, to),
    away: (where) => isInUse(where.column) && openAway(desk, where),
  });
  renderColumns();
  renderZones();
  showSection("agenda");
  show();
  desk.stranded.load();
}

/** After an edit of the practice: shows the same dates with the current columns. */
async function reload() {
  const { zone } = practice;
  const now = await Practice.load(api).catch(() => null);
  if (!now || now.text === practice.text) return;
  practice = now;
  if (practice.zones.includes(zone)) practice.zone = zone;
  renderColumns();
  renderZones();
  await show();
  document.dispatchEvent(new Event("practice")); // for the dialogs that show it
}

// ---------------------------------------------------------------- which dates, which columns

function readAddress() {
  const query = new URLSearchParams(location.search);
  const date = query.get("date");
  const view = query.get("view");
  return { date: /^\d{4}-\d\d-\d\d$/.test(date) ? date : null, view: VIEWS.includes(view) ? view : null };
}

/** On a narrow screen a day is a list: columns would be too narrow to read. */
const view = () => (NARROW.matches ? "list" : shown.view ?? "day");

function span() {
  if (view() !== "week") return { from: shown.date, to: shown.date };
  const from = times.weekOf(shown.date);
  return { from, to: times.addDays(from, 6) };
}

async function show(changes = {}) {
  Object.assign(shown, changes);
  shown.date ??= times.today(practice.zone);
  const query = new URLSearchParams({ date: shown.date, ...(shown.view && { view: shown.view }) });
  history.replaceState(null, "", `${location.pathname}?${query}`);
  const { from, to } = span();
  $("date").textContent = from === to ? times.dateText(from) : `${times.shortDateText(from)} – ${times.shortDateText(to)}`;
  $("pick-date").value = shown.date;
  document.title = `${$("date").textContent} · ${practice.name}`;
  for (const button of $("views").children) button.setAttribute("aria-pressed", String(button.dataset.view === view()));
  $("grid").hidden = view() === "list";
  $("list").hidden = view() !== "list";
  render();
  showProblem(null);
  try {
    await agenda.show({ from, to, zone: practice.zone, ...ids() });
  } catch (problem) {
    showProblem(problem.message, () => show().then(() => agenda.load()));
  }
}

const ids = () => {
  const of = (wanted) => practice.columns.filter(({ isProvider }) => isProvider === wanted).map(({ id }) => id);
  return { providers: of(true), resources: of(false) };
};

const step = (direction) => show({ date: times.addDays(shown.date, direction * (view() === "week" ? 7 : 1)) });
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
$("today").addEventListener("click", () => show({ date: times.today(practice.zone) }));
$("pick-date").addEventListener("change", ({ target }) => target.value && show({ date: target.value }));
for (const button of $("views").children) button.addEventListener("click", () => show({ view: button.dataset.view }));
NARROW.addEventListener("change", () => practice && show());
$("book").addEventListener("click", () => book(desk, {}));
$("away").addEventListener("click", () => openAway(desk, {}));
$("setup").addEventListener("click", () => openSetup(desk));
$("print").addEventListener("click", () => print());

function renderColumns() {
  const box = ({ id, name }) => h("li", {}, h("label", {},
    h("input", { type: "checkbox", value: id, checked: practice.shows(id), onchange: ({ target }) => {
      practice.choose(id, target.checked);
      show();
    } }), " ", name));
  $("columns").replaceChildren(
    h("li", { class: "heading" }, t("people")), ...practice.providers.map(box),
    ...(practice.resources.length ? [h("li", { class: "heading" }, t("rooms")), ...practice.resources.map(box)] : []));
}

/** The time zone: a choice only if the practice works in several. */
function renderZones() {
  const several = practice.zones.length > 1;
  $("zone-name").textContent = several ? "" : times.zoneText(practice.zone);
  $("zone").hidden = !several;
  $("zone").replaceChildren(...practice.zones.map((zone) => h("option", { value: zone, selected: zone === practice.zone }, times.zoneText(zone))));
}
$("zone").addEventListener("change", ({ target }) => {
  practice.zone = target.value;
  show();
});

// ---------------------------------------------------------------- what is seen

let drawing = null;

/** Many changes at once are drawn once. */
function render() {
  drawing ??= requestAnimationFrame(() => {
    drawing = null;
    if (!practice || !shown.date) return;
    const now = { view: view(), ...span(), zone: practice.zone, columns: practice.columnsFor(agenda.visits), agenda };
    if (view() !== "list") grid.show(now);
    showList($("list"), now, { open: (block) => openBlock(desk, block), away: ({ subject, timeOff }) => openAway(desk, { column: subject.id, timeOff }) });
    $("freshness").textContent = t(agenda.live ? "live_agenda" : "not_live");
    $("freshness").classList.toggle("live", agenda.live);
  });
}

/** Announces changes by others; our own have been announced already. */
function changed(change) {
  render();
  if (practice) desk.stranded.refresh();
  if (change && !own.delete(`${change.appointment.id} ${change.appointment.version}`)) announce(changeText(change));
}

const own = new Set();

function changeText({ kind, appointment }) {
  const values = { name: nameOf(appointment), time: times.timeText(times.wallIn(practice.zone, appointment.startsAt)) };
  return t(`changed_${kind}`, values);
}

/** Says what was done here, shows it at once, and offers to undo it. */
function done(text, { visits = [], undo = null } = {}) {
  for (const visit of visits) if (agenda.put(visit)) own.add(`${visit.id} ${visit.version}`);
  render();
  const toast = $("toast");
  toast.replaceChildren(h("span", {}, text), undo ? h("button", { type: "button", class: "link", onclick: async () => { toast.hidden = true; await undo(); } }, t("undo")) : "",
    h("button", { type: "button", class: "link", "aria-label": t("dismiss"), onclick: () => { toast.hidden = true; } }, "×"));
  toast.hidden = false;
  announce(text);
}

addEventListener("hashchange", arrive);
arrive();
