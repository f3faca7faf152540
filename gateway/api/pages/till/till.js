// The till: a code is looked at, then used, once. Everything goes through the API, with the key of whoever stands here.

const at = (id) => document.getElementById(id);

const PATIENCE_MS = 20_000;
const AGAIN_AFTER_MS = [1_000, 2_000, 4_000];
const LOOKS_MS = 100; // Between two looks of the camera.
const FORMATS = ["qr_code", "code_128"];
const SPECIMEN = "XXXX-XXXX-XXXX"; // Nobody's: to look at it shows what a key may do, and counts as no guess.
// Nobody answered, or without a yes or no: whether it was done is not known.
class Away extends Error {}

// The gateway said no; `problem` is why (RFC 9457).
class Refused extends Error {
  constructor(status, problem, wait_s) {
    super(problem.detail ?? problem.title ?? `the gateway answered ${status}`);
    this.status = status;
    this.problem = problem;
    this.wait_s = wait_s;
  }
}

// What was typed makes no sense.
class Mistake extends Error {}

let looked = null; // The coupon that is on the screen, and its code as it was typed.
let stream = null;

// What is kept: the key, an attempt without an answer, and the last redemption in this tab; the place on this device.

const kept = (name) => JSON.parse(sessionStorage.getItem(name));
const keep = (name, value) => sessionStorage.setItem(name, JSON.stringify(value));
const drop = (name) => sessionStorage.removeItem(name);

async function call(path, body, attemptKey) {
  const headers = { Authorization: `Bearer ${kept("key")}`, "Content-Type": "application/json" };
  if (attemptKey) headers["Idempotency-Key"] = attemptKey;
  const wanted = { method: "POST", headers, body: JSON.stringify(body), credentials: "omit", cache: "no-store" };
  let answer, said;
  try {
    answer = await fetch(path, { ...wanted, signal: AbortSignal.timeout(PATIENCE_MS) });
    said = await answer.json();
  } catch {
    throw new Away();
  }
  if (answer.ok) return said;
  if (answer.status >= 500 || String(said.type).endsWith("#in-progress")) throw new Away();
  throw new Refused(answer.status, said, Number(answer.headers.get("Retry-After")));
}

// The door: which key, where.

function showDoor(told) {
  show("door");
  at("place").value = localStorage.getItem("place") ?? "";
  at("till").value = localStorage.getItem("till") ?? "";
  tell(told ?? "");
  at("key").focus();
}

async function enter(event) {
  event.preventDefault();
  localStorage.setItem("place", at("place").value.trim());
  localStorage.setItem("till", at("till").value.trim());
  keep("key", at("key").value.trim());
  tell("Asking the gateway about the key…");
  try {
    await call("/v1/coupons:validate", { code: SPECIMEN });
  } catch (problem) {
    if (!turnedOut(problem)) {
      drop("key");
      tell(problem instanceof Away ? "The gateway does not answer. Is there a network?" : problem.message);
    }
    return;
  }
  at("key").value = "";
  openTill();
}

// Whether it was the key that was refused: then its owner has to say another.
function turnedOut(problem) {
  if (problem.status !== 401 && problem.status !== 403) return false;
  drop("key");
  showDoor(
    problem.status === 401
      ? "This key is not in force: it is mistyped, expired or revoked."
      : "This key may not redeem coupons: it needs the scope coupons:redeem.",
  );
  return true;
}

function openTill() {
  show("counter");
  tell("");
  const here = [localStorage.getItem("place"), localStorage.getItem("till")].filter(Boolean).join(", ");
  at("here").textContent = here ? `This is ${here}.` : "No place is named for this till.";
  showLast();
  if (kept("attempt")) settle();
  else nextCode();
}

function forget() {
  if (kept("attempt")) return tell("One attempt has no answer yet: settle it first.");
  stopCamera();
  for (const name of ["key", "last"]) drop(name);
  showDoor("The key is forgotten.");
}

// Looking a code up.

// A code as it was typed; of the address in a QR code, the code in it.
function codeIn(text) {
  const found = /^https?:\/\/[^/]+(?:\/.*)?\/r\/([^/?#]+)/i.exec(text.trim());
  try {
    return found ? decodeURIComponent(found[1]) : text.trim();
  } catch {
    return text.trim(); // An address of something else, written as none may be.
  }
}

function nextCode() {
  looked = null;
  stopCamera();
  for (const id of ["found", "result"]) at(id).hidden = true;
  at("looking").hidden = false;
  at("code").value = "";
  at("code").focus();
}

async function look(event) {
  event?.preventDefault();
  const code = codeIn(at("code").value);
  if (!code) return tell("Type or scan a code first.");
  at("code").value = code;
  tell("Looking…");
  await busy("looking", async () => {
    try {
      const found = await call("/v1/coupons:validate", { code });
      tell("");
      if (found.valid) showFound(code, found);
      else showResult("bad", "✗ Not valid", wordsFor(found));
    } catch (problem) {
      fail(problem);
    }
  });
}

function showFound(code, found) {
  looked = { code, ...found };
  const { offer } = found;
  at("looking").hidden = true;
  at("title").textContent = offer.title;
  at("facts").replaceChildren(...facts(found).flatMap(([name, text]) => [element("dt", name), element("dd", text)]));
  at("currency").value = offer.currency ?? localStorage.getItem("currency") ?? "";
  at("order").required = Boolean(offer.min_order_minor);
  for (const id of ["order", "amount", "products", "order-id"]) at(id).value = "";
  at("drawing").hidden = !offer.partial;
  at("choosing").hidden = !offer.products?.length;
  at("order-fault").textContent = "";
  at("found").hidden = false;
  at("title").focus();
}

function facts(found) {
  const { offer } = found;
  const told = [["Code", found.code]];
  if (offer.kind === "percentage") told.push(["Gives", `${offer.value} %`]);
  if (offer.kind === "amount" && offer.currency) told.push(["Gives", money(offer.value, offer.currency)]);
  if (offer.partial && found.balance != null) told.push(["Left", money(found.balance, offer.currency)]);
  told.push(["Valid until", found.valid_until ? moment(found.valid_until) : "no end"]);
  if (offer.min_order_minor) told.push(["Orders from", money(offer.min_order_minor, offer.currency)]);
  return told;
}

// The camera, where the browser reads codes by itself.

async function offerScanning() {
  if (!("BarcodeDetector" in window) || !navigator.mediaDevices?.getUserMedia) return;
  const known = await BarcodeDetector.getSupportedFormats();
  at("scan").hidden = !FORMATS.some((each) => known.includes(each));
}

async function scan() {
  const known = await BarcodeDetector.getSupportedFormats();
  const detector = new BarcodeDetector({ formats: FORMATS.filter((each) => known.includes(each)) });
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    return tell("The camera cannot be used: allow it in the browser, or type the code.");
  }
  at("camera").hidden = false;
  at("picture").srcObject = stream;
  await at("picture").play();
  tell("Hold the code before the camera.");
  for (let mine = stream; stream === mine; await pause(LOOKS_MS)) {
    const seen = await detector.detect(at("picture")).catch(() => []);
    // A code of something else that happens to be in the picture: an address that is none of a coupon.
    const code = seen.map((each) => codeIn(each.rawValue)).find((each) => each && !each.includes("/"));
    if (!code || stream !== mine) continue;
    stopCamera();
    at("code").value = code;
    await look();
  }
}

function stopCamera() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  at("picture").srcObject = null;
  at("camera").hidden = true;
}

// Using it. Until the gateway has said yes or no, an attempt keeps its Idempotency-Key: asked again, it counts once.

function order() {
  const currency = at("currency").value.trim().toUpperCase();
  const values = { order_minor: at("order").value.trim(), amount_minor: at("amount").value.trim() };
  const told = { order_id: at("order-id").value.trim() };
  for (const [name, text] of Object.entries(values).filter(([, text]) => text)) {
    if (!/^[A-Z]{3}$/.test(currency)) throw new Mistake("The currency has three letters, such as EUR.");
    told[name] = minorUnits(text, currency);
    told.currency = currency;
    localStorage.setItem("currency", currency);
  }
  const products = at("products").value.split(/[\s,;]+/).filter(Boolean);
  if (products.length) told.products = products;
  told.place = localStorage.getItem("place");
  told.till = localStorage.getItem("till");
  return Object.fromEntries(Object.entries(told).filter(([, value]) => value != null && value !== ""));
}

async function redeem(event) {
  event.preventDefault();
  let body;
  try {
    body = { code: looked.code, ...order() };
  } catch (mistake) {
    if (!(mistake instanceof Mistake)) throw mistake;
    at("order-fault").textContent = mistake.message;
    return at("order").focus();
  }
  const attempt = { what: "redeem", path: "/v1/coupons:redeem", body, title: looked.offer.title };
  await begin({ ...attempt, code: looked.code });
}

async function undo(event) {
  event.preventDefault();
  const last = kept("last");
  const path = `/v1/redemptions/${encodeURIComponent(last.id)}:rollback`;
  await begin({ what: "undo", path, body: { reason: at("reason").value.trim() }, title: last.title, code: last.code });
}

async function begin(attempt) {
  keep("attempt", { ...attempt, key: newKey() });
  await settle();
}

async function settle() {
  const attempt = kept("attempt");
  for (const id of ["looking", "found", "last"]) at(id).hidden = true;
  showResult("open", "… One moment", "The gateway is asked.", []);
  for (const wait_ms of [...AGAIN_AFTER_MS, null]) {
    try {
      const said = await call(attempt.path, attempt.body, attempt.key);
      drop("attempt");
      return done(attempt, said);
    } catch (problem) {
      if (problem instanceof Refused) return refused(problem);
    }
    if (wait_ms === null) break;
    showResult("open", "… No answer yet", "The gateway is asked again. However often it is asked, it counts once.", []);
    await pause(wait_ms);
  }
  const told = `${attempt.title}: nobody knows yet whether it went through. Try again: however often, it counts once.
If you leave it, look the code up before you give anything.`;
  showResult("open", "? No answer", told, ["again", "aside"]);
}

function done(attempt, said) {
  if (attempt.what === "undo") {
    drop("last");
    showResult("good", "✓ Taken back", `${attempt.title} can be used again, if it still holds.`);
  } else {
    keep("last", { id: said.id, title: said.offer?.title ?? attempt.title, code: said.code ?? attempt.code });
    const discount = said.discount_minor && attempt.body.currency ? `\n${money(said.discount_minor, attempt.body.currency)} off` : "";
    showResult("good", "✓ Redeemed", `${said.offer?.title ?? attempt.title}${discount}`);
  }
  showLast();
}

function refused(problem) {
  // A key that is refused now says nothing of what became of the attempt before: it waits for another key.
  if (turnedOut(problem)) return;
  drop("attempt");
  fail(problem);
  showLast();
}

function fail(problem) {
  if (turnedOut(problem)) return;
  if (problem instanceof Away) return tell("The gateway does not answer. Is there a network?");
  if (!(problem instanceof Refused)) throw problem;
  tell("");
  const wait = problem.wait_s ? `\nTry again in ${problem.wait_s} seconds.` : "";
  showResult("bad", "✗ Not done", wordsFor(problem.problem) + wait);
}

function leaveAside() {
  drop("attempt");
  showLast();
  nextCode();
}

// What is said, in words, never in colour alone.

function wordsFor({ detail, errors, title }) {
  const more = (errors ?? []).map((each) => `${(each.pointer ?? "").replace("/", "")}: ${each.detail}`);
  return [detail, ...more].filter(Boolean).join("\n") || title || "It cannot be used.";
}

function showResult(kind, verdict, told, buttons = ["next"]) {
  at("result").className = kind;
  at("verdict").textContent = verdict;
  at("told").textContent = told;
  for (const id of ["next", "again", "aside"]) at(id).hidden = !buttons.includes(id);
  for (const id of ["looking", "found"]) at(id).hidden = true;
  at("result").hidden = false;
  (buttons.length ? at(buttons[0]) : at("verdict")).focus();
  // For screen readers: to see it is there already.
  tell(`${verdict.slice(2)}. ${told}`, "unseen");
}

function showLast() {
  const last = kept("last");
  at("last").hidden = !last || Boolean(kept("attempt"));
  at("reason").value = "";
  if (last) at("last-told").textContent = `${last.title}, ${last.code}`;
}

function show(id) {
  for (const each of ["door", "counter"]) at(each).hidden = each !== id;
}

function tell(text, looks = "") {
  at("news").className = looks;
  at("news").textContent = text;
}

async function busy(id, act) {
  const buttons = [...at(id).querySelectorAll("button")];
  for (const each of buttons) each.disabled = true;
  try {
    await act();
  } finally {
    for (const each of buttons) each.disabled = false;
  }
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

// Digits of the minor units as ISO 4217 has them, like the gateway: browsers leave out units that nobody pays with.
const DIGITS = Object.entries({
  0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
  3: "BHD IQD JOD KWD LYD OMR TND",
  4: "CLF UYW",
});

const digitsOf = (currency) => Number(DIGITS.find(([, codes]) => codes.includes(currency))?.[0] ?? 2);

function money(minor, currency) {
  if (!currency) return String(minor);
  const digits = digitsOf(currency);
  const shown = { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(navigator.language, shown).format(minor / 10 ** digits);
}

// 12,50 and 12.50 are 1250 cents. 1.000 is refused: nobody knows which of the two it means.
function minorUnits(text, currency) {
  const digits = digitsOf(currency);
  const found = /^(\d{1,10})(?:[.,](\d+))?$/.exec(text.trim());
  if (!found || (found[2] ?? "").length > digits) {
    throw new Mistake(`Write the value such as ${digits ? "1234.50" : "1234"}: without blanks, and no sign for thousands.`);
  }
  return Number(found[1] + (found[2] ?? "").padEnd(digits, "0"));
}

const moment = (text) => new Date(text).toLocaleString(navigator.language, { dateStyle: "long", timeStyle: "short" });

const pause = (ms) => new Promise((then) => setTimeout(then, ms));

// Not randomUUID: a browser has that on secure origins only.
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

// A scanner that types needs no click after the last coupon: what it types is the next code.
document.addEventListener("keydown", (event) => {
  const isTyped = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
  const isFree = !at("result").hidden && !at("next").hidden && !at("counter").hidden;
  if (isTyped && isFree && !(event.target instanceof HTMLInputElement)) nextCode();
});

at("door").addEventListener("submit", enter);
at("looking").addEventListener("submit", look);
at("redeeming").addEventListener("submit", redeem);
at("undoing").addEventListener("submit", undo);
at("scan").addEventListener("click", scan);
at("stop").addEventListener("click", stopCamera);
at("leave").addEventListener("click", nextCode);
at("next").addEventListener("click", nextCode);
at("again").addEventListener("click", settle);
at("aside").addEventListener("click", leaveAside);
at("forget").addEventListener("click", forget);
offerScanning();
if (kept("key")) openTill();
else showDoor();
