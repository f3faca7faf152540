// The shop's own service worker: it must come from the shop's site, and may do more than this.
importScripts("$gateway/push/worker.js");
