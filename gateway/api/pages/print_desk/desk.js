// The print desk: texts on the left, the piece on the right, drawn by the gateway while somebody types.
// Everything goes through the API, with the key of whoever sits here.

const WAIT_MS = 250;
const NEW = "";
const at = (id) => document.getElementById(id);

let channels = [];
let channel = null;
let latest = null; // The version that is being edited; null of a new template.
let content = {}; // Locale to part to text, as the API takes it.
let drawing = null;
let timer = 0;

class Refused extends Error {
  constructor(problem) {
    const more = (problem.errors ?? []).map((each) => `${each.pointer.replace(/^\/content\//, "")}: ${each.detail}`);
    super(more.length ? more.join("; ") : (problem.detail ?? problem.title ?? "the gateway did not answer"));
    this.status = problem.status;
  }
}

async function call(method, path, body, { accept = "application/json", signal } = {}) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem("key")}`, Accept: accept };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  if (!answer.ok) throw new Refused(await answer.json().catch(() => ({ status: answer.status })));
  return accept === "application/json" ? answer.json() : answer.blob();
}

// What the key may not know is left out; the desk works without.
async function ifAllowed(path, otherwise) {
  try {
    return await call("GET", path);
  } catch (refused) {
    if (refused.status === 403) return otherwise;
    throw refused;
  }
}

async function open() {
  const found = await call("GET", "/v1/channels");
  channels = found.channels.filter((each) => each.capabilities?.batched);
  if (!channels.length) throw new Error("No channel on paper is ready: see channels.toml.");
  choose(at("channel"), channels.map((each) => [each.kind, each.kind]));
  const { offers } = await ifAllowed("/v1/offers", { offers: [] });
  choose(at("offer"), [[NEW, "without a coupon"], ...offers.map((each) => [each.key, `${each.title} (${each.key})`])]);
  if (offers.length) at("offer").value = offers[0].key;
  at("door").hidden = true;
  at("desk").hidden = false;
  await enter();
}

function choose(select, options) {
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
}

async function enter(kept) {
  channel = channels.find((each) => each.kind === at("channel").value);
  const { templates } = await call("GET", `/v1/templates?channel=${channel.kind}&limit=100`);
  choose(at("template"), [[NEW, "a new one"], ...templates.map((each) => [each.key, each.description || each.key])]);
  at("template").value = kept ?? templates[0]?.key ?? NEW;
  await read();
}

async function read() {
  const key = at("template").value;
  at("new-key").hidden = key !== NEW;
  latest = null;
  content = { en: {} };
  if (key !== NEW) {
    const { latest: number } = await call("GET", `/v1/templates/${key}`);
    latest = await call("GET", `/v1/templates/${key}/versions/${number}`);
    content = latest.sources;
  }
  locales(latest?.default_locale);
}

function locales(current) {
  choose(at("locale"), Object.keys(content).sort().map((each) => [each, each]));
  if (current && current in content) at("locale").value = current;
  fields();
}

function fields() {
  const texts = content[at("locale").value];
  const designs = (channel.published.designs ?? "").split(",").map((each) => each.trim()).filter(Boolean);
  at("parts").replaceChildren(at("parts").firstElementChild, ...Object.entries(channel.capabilities.parts).map(([name, part]) => {
    const label = document.createElement("label");
    const field = fieldOf(name, part, designs);
    field.name = name;
    field.value = texts[name] ?? "";
    field.addEventListener("input", () => {
      if (field.value || part.required) texts[name] = field.value;
      else delete texts[name];
      later();
    });
    label.append(part.required ? name : `${name} (may be empty)`, field);
    return label;
  }));
  later();
}

function fieldOf(name, part, designs) {
  if (name === "design" && designs.length) {
    const select = document.createElement("select");
    choose(select, [[NEW, "as the channel says"], ...designs.map((each) => [each, each])]);
    return select;
  }
  return document.createElement(part.kind === "line" ? "input" : "textarea");
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(draw, WAIT_MS);
}

function person() {
  const told = Object.fromEntries([...document.querySelectorAll("[data-of]")].map((each) => [each.dataset.of, each.value.trim()]));
  const { name, ...place } = told;
  const data = Object.fromEntries(Object.entries(place).filter(([, text]) => text));
  return { name, country: place.country || undefined, addresses: [{ kind: "postal", data }] };
}

async function draw() {
  drawing?.abort();
  drawing = new AbortController();
  const wanted = {
    channel: channel.kind,
    content,
    default_locale: at("locale").value,
    locale: at("locale").value,
    recipient: person(),
  };
  if (at("offer").value) wanted.offer = at("offer").value;
  try {
    const png = await call("POST", "/v1/templates:preview", wanted, { accept: "image/png", signal: drawing.signal });
    const old = at("picture").src;
    at("picture").src = URL.createObjectURL(png);
    at("picture").alt = `The printed piece: ${content[at("locale").value].headline ?? ""}`;
    at("picture").hidden = false;
    if (old) URL.revokeObjectURL(old);
    say("told", "As it will be printed. The code is a specimen.");
  } catch (error) {
    if (error.name !== "AbortError") say("told", error.message, true);
  }
}

function say(id, text, isBad = false) {
  at(id).textContent = text;
  at(id).className = isBad ? "bad" : "";
}

async function save() {
  const key = latest ? latest.template : at("template-key").value.trim();
  const said = { content, default_locale: latest?.default_locale ?? at("locale").value };
  const written = latest
    ? await call("POST", `/v1/templates/${key}/versions`, { ...said, brand: latest.brand, after: latest.number })
    : await call("POST", "/v1/templates", { ...said, key, channel: channel.kind });
  await enter(key);
  say("saved", `Saved: ${key}, version ${written.number}.`);
}

function guarded(act, where) {
  return async (event) => {
    event?.preventDefault();
    try {
      await act();
    } catch (error) {
      if (error.status === 401) {
        sessionStorage.removeItem("key");
        at("door").hidden = false;
        at("desk").hidden = true;
        say("key-why", "The gateway does not know this key, or it is no longer in force.", true);
      } else say(where, error.message, true);
    }
  };
}

at("door").addEventListener("submit", guarded(async () => {
  sessionStorage.setItem("key", at("key").value.trim());
  at("key").value = "";
  await open();
}, "key-why"));
at("channel").addEventListener("change", guarded(() => enter(), "told"));
at("template").addEventListener("change", guarded(read, "told"));
at("locale").addEventListener("change", fields);
at("offer").addEventListener("change", later);
at("specimen").addEventListener("input", later);
at("writing").addEventListener("submit", guarded(save, "saved"));
at("add-locale").addEventListener("click", () => {
  const locale = at("new-locale").value.trim();
  if (!locale) return;
  content[locale] ??= { ...content[at("locale").value] };
  at("new-locale").value = "";
  locales(locale);
});
choose(at("languages"), ["it", "de", "fr", "es", "pt", "nl", "pl", "el", "ru", "uk", "en"].map((each) => [each, each]));
if (sessionStorage.getItem("key")) guarded(open, "key-why")();
