// Subscribes this browser to push notifications. A page says
//   import * as risveglio from "https://gateway.example.com/push/subscribe.js";
//   button.onclick = () => risveglio.subscribe({ token });
// where `token` is for the person who looks at it: POST /v1/recipients/{id}/push-token. The site serves a service
// worker of its own, /risveglio-worker.js unless `worker` says otherwise, which imports /push/worker.js.

// Why a browser is not subscribed. `reason`: "unsupported", "no-gesture" (not in a click), "denied", "dismissed",
// or "refused" by the gateway, with its `problem` (RFC 9457).
export class NotSubscribed extends Error {
  constructor(reason, problem) {
    super(problem ? `${reason}: ${problem.detail ?? problem.title}` : reason);
    this.name = "NotSubscribed";
    this.reason = reason;
    this.problem = problem;
  }
}

// "unsupported", "denied", "subscribed" or "unsubscribed".
export async function state() {
  if (!isSupported()) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  const kept = await risveglioKept.get();
  return kept && !kept.ending && (await subscriptionOf(kept)) ? "subscribed" : "unsubscribed";
}

// To be called in a click. The person's yes to the browser's question is their consent: say before what will come.
export async function subscribe({ token, worker = "/risveglio-worker.js", scope } = {}) {
  if (!isSupported()) throw new NotSubscribed("unsupported");
  // Whoever was never asked for anything must not have agreed.
  if (navigator.userActivation && !navigator.userActivation.isActive) throw new NotSubscribed("no-gesture");
  const permission = await Notification.requestPermission();
  if (permission !== "granted") throw new NotSubscribed(permission === "denied" ? "denied" : "dismissed");
  const key = await currentKey();
  const registration = await navigator.serviceWorker.register(worker, scope ? { scope } : {});
  await active(registration);
  let subscription = await subscriptionWith(registration, key);
  let answer = await handIn(subscription, key, token);
  if (answer.status === 409) {
    // The gateway must not write to this endpoint any more; another one of the same browser it may.
    await subscription.unsubscribe();
    subscription = await subscriptionWith(registration, key);
    answer = await handIn(subscription, key, token);
  }
  if (!answer.ok) throw new NotSubscribed("refused", await answer.json());
  const { url } = await answer.json();
  await risveglioKept.put({ url, worker, endpoint: subscription.endpoint, application_server_key: key });
  return subscription;
}

// Ends it in this browser. With the last one of a person their consent to push notifications ends too.
export async function unsubscribe() {
  const kept = isSupported() && (await risveglioKept.get());
  if (!kept) return;
  // Where the network is away now, `refresh` tells the gateway later.
  await risveglioKept.put({ ...kept, ending: true });
  await end(kept).catch(() => {});
  const subscription = await subscriptionOf(kept);
  if (subscription) await subscription.unsubscribe();
}

// For every visit of a page: keeps the gateway's knowledge of a subscribed browser true. Asks nothing, agrees to nothing.
export async function refresh() {
  const kept = isSupported() && (await risveglioKept.get());
  if (!kept) return;
  if (kept.ending || Notification.permission === "denied") return end(kept);
  if (Notification.permission !== "granted") return;
  const registration = (await registrationOf(kept)) ?? (await navigator.serviceWorker.register(kept.worker));
  await active(registration);
  const key = await currentKey();
  const subscription = await subscriptionWith(registration, key);
  if (subscription.endpoint === kept.endpoint && key === kept.application_server_key) return;
  await risveglioKept.renew(kept, subscription, key);
}

function isSupported() {
  return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

async function currentKey() {
  const answer = await fetch(new URL("key", import.meta.url), { credentials: "omit" });
  if (!answer.ok) throw new NotSubscribed("refused", await answer.json());
  return (await answer.json()).application_server_key;
}

async function registrationOf(kept) {
  const registrations = await navigator.serviceWorker.getRegistrations();
  const script = new URL(kept.worker, location.href).href;
  return registrations.find((each) => (each.active ?? each.waiting ?? each.installing)?.scriptURL === script);
}

async function subscriptionOf(kept) {
  return (await registrationOf(kept))?.pushManager.getSubscription();
}

// A subscription is bound to its key: one that was made with another must go first.
async function subscriptionWith(registration, key) {
  const found = await registration.pushManager.getSubscription();
  if (found && base64url(found.options.applicationServerKey) === key) return found;
  if (found) await found.unsubscribe();
  return registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

function base64url(buffer) {
  if (!buffer) return "";
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

async function active(registration) {
  const worker = registration.active ?? registration.waiting ?? registration.installing;
  if (worker.state === "activated") return;
  await new Promise((resolve, reject) => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") resolve();
      if (worker.state === "redundant") reject(new NotSubscribed("unsupported"));
    });
  });
}

function handIn(subscription, key, token) {
  const page = location.origin + location.pathname;
  return fetch(new URL("subscriptions", import.meta.url), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    credentials: "omit",
    body: JSON.stringify({ ...risveglioKept.told(subscription, key), token, page }),
  });
}

async function end(kept) {
  const answer = await fetch(kept.url, { method: "DELETE", credentials: "omit", keepalive: true });
  if (answer.ok) await risveglioKept.forget();
}
