// The mailbox. What is shown is `mails`: the newest of the list at first, then kept up to date by the
// model's stream of changes. Nothing has to be reloaded.

const $ = (id) => document.getElementById(id);
const PAGE = 50;
const HEAD = "fields=from,subject,received,read"; // the rest is fetched with the mail itself

const mails = new Map(); // by id
let onlyUnread = false;
let take = PAGE; // how many are shown at most
let horizon = -Infinity; // what came before this time is not in `mails`
let found = null; // what a search has found, instead of all
let opened = null; // the id of the mail in the reader
let stream = null;
let drawing = 0; // the timer of the next draw()
let loads = 0; // a load that was overtaken by another one is dropped

const filter = () => (onlyUnread ? "&read=false" : "");

// The list and the stream

async function load() {
  const number = ++loads;
  stream?.close();
  try {
    const answer = await ask("GET", `/api/emails?${HEAD}&sort=-received&take=${take}${filter()}`);
    const page = await answer.json();
    if (number !== loads) return;
    mails.clear();
    for (const item of page.data) mails.set(item.id, item);
    horizon = page.has_more ? time(page.data.at(-1)) : -Infinity;
    draw();
    follow(answer.headers.get("Lithair-Seq"));
    $("user").textContent ||= (await (await ask("GET", "/auth/me")).json()).username;
  } catch (error) {
    if (number === loads) loadLater();
    throw error;
  }
}

function loadLater() {
  say("reconnecting");
  const number = loads;
  setTimeout(() => number === loads && load(), 2000);
}

// The list is exact at `seq`: the stream goes on behind it. When the connection breaks, the browser
// comes back by itself and says what it saw last, so nothing is lost over a restart of the server.
function follow(seq) {
  stream = new EventSource(`/api/emails/stream?since=${seq}${filter()}`);
  stream.onopen = () => say("live");
  stream.onerror = () => {
    if (stream.readyState === EventSource.CLOSED) loadLater(); // answered with an error: no stream
    else say("reconnecting");
  };
  on("create", ({ item }) => change(item, true));
  on("update", ({ item }) => change(item));
  on("delete", ({ item }) => drop(item.id));
  on("leave", ({ item }) => mails.delete(item.id)); // it does not match the filter any more
  on("reset", load); // the log does not go back that far
}

function on(name, act) {
  stream.addEventListener(name, (event) => {
    act(JSON.parse(event.data));
    drawing ||= setTimeout(draw, 20); // once for many events
  });
}

function change(item, isNew = false) {
  if (!mails.has(item.id) && time(item) < horizon) return; // further down than what is shown
  mails.set(item.id, { ...item, lit: isNew ? Date.now() + 500 : 0 });
}

function drop(id) {
  mails.delete(id);
  found = found?.filter((mail) => mail.id !== id) ?? null;
  if (id === opened) close();
}

// The search: /api/search answers with this user's mails only

async function search() {
  const words = $("search").value.trim();
  const answer = words && (await ask("GET", `/api/search?q=${encodeURIComponent(words)}`));
  const hits = words ? await answer.json() : null;
  if (words !== $("search").value.trim()) return; // typed on meanwhile
  found = hits;
  draw();
}

// One mail

async function open(id) {
  const mail = await (await ask("GET", `/api/emails/${id}`)).json();
  opened = id;
  $("subject").textContent = mail.subject || "(no subject)";
  $("from").textContent = mail.from;
  $("received").textContent = at(mail.received, { dateStyle: "long", timeStyle: "short" });
  $("body").textContent = mail.body;
  $("opened").hidden = false;
  $("none-open").hidden = true;
  draw();
  if (!mail.read) await ask("PATCH", `/api/emails/${id}`, { read: true });
}

function close() {
  opened = null;
  $("opened").hidden = true;
  $("none-open").hidden = false;
}

async function markUnread() {
  await ask("PATCH", `/api/emails/${opened}`, { read: false });
  close();
  draw();
}

async function remove() {
  const id = opened;
  await ask("DELETE", `/api/emails/${id}`);
  drop(id); // a stream of unread mails does not tell of one that was read
  draw();
}

// What is seen

const time = (mail) => Date.parse(mail.received);
const listed = () => [...mails.values()].sort((a, b) => time(b) - time(a)).slice(0, take);
const shown = () => found?.map((mail) => ({ ...mail, ...mails.get(mail.id) })) ?? listed();

function draw() {
  clearTimeout(drawing);
  drawing = 0;
  const focused = document.activeElement?.dataset.id;
  const rows = shown();
  $("rows").replaceChildren(...rows.map(row));
  if (focused) $("rows").querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  $("nothing").hidden = rows.length > 0;
  $("older").hidden = found !== null || (mails.size <= take && horizon === -Infinity);
  const unread = [...mails.values()].filter((mail) => !mail.read).length;
  document.title = unread ? `(${unread}) Mail` : "Mail";
}

function row(mail) {
  const button = element("button", "row");
  button.dataset.id = mail.id;
  button.classList.toggle("unread", !mail.read);
  button.classList.toggle("new", Date.now() < mail.lit); // it lights up for a moment
  if (mail.id === opened) button.setAttribute("aria-current", "true");
  button.append(
    element("span", "sender", mail.from.replace(/\s*<[^>]*>$/, "") || "(nobody)"),
    element("time", "", when(mail.received)),
    element("span", "subject", mail.subject || "(no subject)"),
  );
  if (mail.snippet) button.append(element("span", "found", mail.snippet));
  button.onclick = () => open(mail.id);
  const item = element("li");
  item.append(button);
  return item;
}

function element(name, className = "", text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

const at = (text, style) => new Date(text).toLocaleString([], style);

function when(text) {
  const isToday = new Date(text).toDateString() === new Date().toDateString();
  return at(text, isToday ? { timeStyle: "short" } : { dateStyle: "medium" });
}

function say(state) {
  $("link").className = state;
  $("link").textContent = state === "live" ? "Live" : "Reconnecting …";
}

// Asking

async function ask(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options).catch(() => null);
  if (!answer) throw new Error("The server can't be reached.");
  if (answer.status === 401) location.replace("/login.html");
  if (!answer.ok) throw new Error(await refusal(answer));
  return answer;
}

async function refusal(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `The answer was ${answer.status} ${answer.statusText}`; // a proxy's, not Lithair's
  }
}

async function send(event) {
  event.preventDefault();
  const form = event.target;
  try {
    await ask("POST", "/api/send", Object.fromEntries(new FormData(form)));
    form.reset();
    $("letter").close();
    $("letter-problem").hidden = true;
  } catch (error) {
    $("letter-problem").textContent = error.message;
    $("letter-problem").hidden = false;
  }
}

function choose(isUnread) {
  onlyUnread = isUnread;
  take = PAGE;
  found = null;
  $("search").value = "";
  $("unread").setAttribute("aria-pressed", isUnread);
  $("all").setAttribute("aria-pressed", !isUnread);
  load();
}

$("all").onclick = () => choose(false);
$("unread").onclick = () => choose(true);
$("older").onclick = () => {
  take += PAGE;
  load();
};
$("search").oninput = search;
$("as-unread").onclick = markUnread;
$("delete").onclick = remove;
$("compose").onclick = () => $("letter").showModal();
$("letter-cancel").onclick = () => $("letter").close();
$("letter-form").onsubmit = send;
$("log-out").onclick = async () => {
  await ask("POST", "/auth/logout");
  location.replace("/login.html");
};

window.addEventListener("unhandledrejection", ({ reason }) => {
  $("problem").textContent = reason.message; // what could not be done, such as while reconnecting
  $("problem").hidden = false;
  setTimeout(() => ($("problem").hidden = true), 5000);
});

load();
