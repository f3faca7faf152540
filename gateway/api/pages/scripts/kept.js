// Risveglio. What the page and the service worker of a site both know of the subscription of this browser:
// { url, endpoint, application_server_key, worker, ending }, in a database of the site's own.
const risveglioKept = {
  async get() {
    return this._do("readonly", (store) => store.get("subscription"));
  },
  async put(kept) {
    return this._do("readwrite", (store) => store.put(kept, "subscription"));
  },
  async forget() {
    return this._do("readwrite", (store) => store.delete("subscription"));
  },
  // What the gateway is told of a subscription.
  told(subscription, applicationServerKey) {
    const { endpoint, keys } = subscription.toJSON();
    return {
      endpoint,
      keys: { p256dh: keys.p256dh, auth: keys.auth },
      application_server_key: applicationServerKey,
      locale: navigator.language,
    };
  },
  // Let the gateway know that the browser has another subscription. False where it does not know it any more.
  async renew(kept, subscription, applicationServerKey) {
    const answer = await fetch(kept.url, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      credentials: "omit",
      body: JSON.stringify(this.told(subscription, applicationServerKey)),
    });
    if (answer.ok) {
      const { endpoint } = subscription;
      await this.put({ ...kept, endpoint, application_server_key: applicationServerKey });
    } else if (answer.status === 404) {
      await subscription.unsubscribe();
      await this.forget();
    } else {
      throw new Error(`the gateway answers ${answer.status}`);
    }
    return answer.ok;
  },
  async _do(mode, ask) {
    const database = await this._open();
    try {
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction("kept", mode);
        const request = ask(transaction.objectStore("kept"));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onerror = transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      database.close();
    }
  },
  _open() {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open("risveglio", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("kept");
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  },
};
