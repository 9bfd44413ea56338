// The mailbox. What is shown is `mails`: one page of the list at first, then kept up to date by the
// model's stream of changes. Nothing is asked for twice, and nothing has to be reloaded.

const $ = (id) => document.getElementById(id);
const PAGE = 50;
const HEAD = "fields=from,subject,received,read"; // the rest is fetched with the mail itself

const mails = new Map(); // by id
let onlyUnread = false;
let opened = null; // the id of the mail in the reader
let horizon = -Infinity; // mails from before this time are not shown yet
let stream = null;
let loads = 0; // a load that was overtaken by another one is dropped

const filter = () => (onlyUnread ? "&read=false" : "");

// The list and the stream

async function load() {
  const number = ++loads;
  stream?.close();
  try {
    const answer = await ask("GET", `/api/emails?${HEAD}&sort=-received&take=${PAGE}${filter()}`);
    const page = await answer.json();
    if (number !== loads) return;
    mails.clear();
    add(page);
    follow(answer.headers.get("Lithair-Seq"));
    $("user").textContent ||= (await (await ask("GET", "/auth/me")).json()).username;
  } catch {
    if (number === loads) loadLater();
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
    draw();
  });
}

function change(item, isNew = false) {
  if (mails.has(item.id) || time(item) >= horizon) mails.set(item.id, { ...item, isNew });
}

function drop(id) {
  mails.delete(id);
  if (id === opened) close();
}

function add(page) {
  for (const item of page.data) mails.set(item.id, item);
  horizon = page.has_more ? time(page.data.at(-1)) : -Infinity;
  $("older").hidden = !page.has_more;
  draw();
}

async function older() {
  const last = shown().at(-1)?.id;
  if (!last) return load(); // all of them have left meanwhile
  const query = `${HEAD}&sort=-received&take=${PAGE}&after=${last}${filter()}`;
  add(await (await ask("GET", `/api/emails?${query}`)).json());
}

// One mail

async function open(id) {
  const mail = await (await ask("GET", `/api/emails/${id}`)).json();
  opened = id;
  $("subject").textContent = mail.subject || "(no subject)";
  $("from").textContent = mail.from;
  $("received").textContent = new Date(mail.received).toLocaleString();
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

// What is seen

const time = (mail) => Date.parse(mail.received);
const shown = () => [...mails.values()].sort((a, b) => time(b) - time(a));

function draw() {
  const focused = document.activeElement?.dataset.id;
  $("rows").replaceChildren(...shown().map(row));
  if (focused) $("rows").querySelector(`[data-id="${focused}"]`)?.focus();
  $("nothing").hidden = mails.size > 0;
  const unread = [...mails.values()].filter((mail) => !mail.read).length;
  document.title = unread ? `(${unread}) Mail` : "Mail";
}

function row(mail) {
  const button = element("button", "row");
  button.dataset.id = mail.id;
  button.classList.toggle("unread", !mail.read);
  button.classList.toggle("new", mail.isNew);
  mail.isNew = false; // it lights up once
  if (mail.id === opened) button.setAttribute("aria-current", "true");
  button.append(
    element("span", "sender", mail.from.replace(/\s*<[^>]*>$/, "") || "(nobody)"),
    element("time", "", when(mail.received)),
    element("span", "subject", mail.subject || "(no subject)"),
  );
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

function when(text) {
  const date = new Date(text);
  return date.toDateString() === new Date().toDateString()
    ? date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : date.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" });
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
  const answer = await fetch(path, options);
  if (answer.status === 401) location.replace("/login.html");
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return answer;
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
  $("unread").setAttribute("aria-pressed", isUnread);
  $("all").setAttribute("aria-pressed", !isUnread);
  load();
}

$("all").onclick = () => choose(false);
$("unread").onclick = () => choose(true);
$("older").onclick = older;
$("as-unread").onclick = markUnread;
$("delete").onclick = () => ask("DELETE", `/api/emails/${opened}`);
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
