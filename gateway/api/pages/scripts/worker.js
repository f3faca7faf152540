// Shows what is pushed, opens what is clicked, and tells the gateway of it. A site's own service worker begins with
//   importScripts("https://gateway.example.com/push/worker.js");
// Other pushes than the gateway's may come to the same worker: those it leaves alone.
(() => {
  "use strict";

  self.addEventListener("push", (event) => {
    const message = read(event.data);
    if (message) event.waitUntil(show(message));
  });

  self.addEventListener("notificationclick", (event) => {
    const message = event.notification.data?.risveglio;
    if (!message) return;
    event.notification.close();
    event.waitUntil(Promise.all([tell(message, "clicked"), open(message.url)]));
  });

  self.addEventListener("notificationclose", (event) => {
    const message = event.notification.data?.risveglio;
    if (message) event.waitUntil(tell(message, "closed"));
  });

  self.addEventListener("pushsubscriptionchange", (event) => {
    event.waitUntil(renew(event.newSubscription));
  });

  function read(data) {
    try {
      const message = data.json();
      return typeof message.title === "string" && typeof message.tag === "string" ? message : null;
    } catch {
      return null;
    }
  }

  async function show({ title, body, icon, lang, tag, url, status_url }) {
    const options = { body, tag, renotify: true, dir: "auto", data: { risveglio: { url, status_url } } };
    if (icon) options.icon = icon;
    if (lang) options.lang = lang;
    await self.registration.showNotification(title, options);
    await tell({ status_url }, "shown");
  }

  // Without CORS: no answer is needed. What the network loses stays unknown.
  async function tell({ status_url }, type) {
    if (!status_url) return;
    const body = JSON.stringify({ type });
    const how = { method: "POST", mode: "no-cors", credentials: "omit", keepalive: true, body };
    await fetch(status_url, how).catch(() => {});
  }

  async function open(url) {
    if (url) return self.clients.openWindow(url);
    const [page] = await self.clients.matchAll({ type: "window" });
    return page ? page.focus() : self.clients.openWindow(self.registration.scope);
  }

  async function renew(given) {
    const kept = await risveglioKept.get();
    if (!kept) return;
    const applicationServerKey = kept.application_server_key;
    const manager = self.registration.pushManager;
    const subscription = given ?? (await manager.subscribe({ userVisibleOnly: true, applicationServerKey }));
    await risveglioKept.renew(kept, subscription, applicationServerKey);
  }
})();
