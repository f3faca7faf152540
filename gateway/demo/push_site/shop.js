// All that a shop has to write itself.
const gateway = document.body.dataset.gateway;
const risveglio = await import(`$${gateway}/push/subscribe.js`);
const button = (id) => document.getElementById(id);

button("subscribe").onclick = () => doing("subscribed", () => risveglio.subscribe({ token }));
button("unsubscribe").onclick = () => doing("unsubscribed", () => risveglio.unsubscribe());
button("send").onclick = () => doing("a job is on its way", () => asked("send"));

// Fetched before it is needed: a click is forgotten while the network is waited for.
const { token } = await asked("token");
await risveglio.refresh().catch((problem) => note(problem.message));
if (location.search === "?clicked") note("clicked: this page was opened through the tracked link");
await show();

async function asked(path) {
  const answer = await fetch(path, { method: "POST" });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

async function doing(what, act) {
  try {
    await act();
    note(what);
  } catch (problem) {
    note(problem.message);
  }
  await show();
}

async function show() {
  const state = await risveglio.state();
  document.getElementById("state").textContent = `This browser: $${state}`;
  button("subscribe").disabled = state !== "unsubscribed";
  button("unsubscribe").disabled = button("send").disabled = state !== "subscribed";
}

function note(text) {
  const line = document.createElement("li");
  line.textContent = `$${new Date().toLocaleTimeString()} $${text}`;
  document.getElementById("log").append(line);
}
