// Runs, the hosts of one of them, and what is printed on one of these, as it comes.
const ENDED = ["succeeded", "failed", "rolled_back", "cancelled"];
const TASKS_MAX = 1000;
// Of a log, its end.
const LOG_MAX = 200_000;

// The run whose hosts are shown, and the host whose log is.
let shownRun = null;
let shownHost = null;

function mood(state) {
  return state === "succeeded" ? "good" : ["failed", "paused", "unknown"].includes(state) ? "bad" : "";
}

function opener(row, text, isOpen, open) {
  const button = element("button", text, { onclick: open });
  button.setAttribute("aria-expanded", String(isOpen));
  row.insertCell().append(button);
}

// The newest runs, of the chosen node or of all; those at work are asked how many of their servers are done.
const drawRuns = part("runs", async () => {
  const node = chosen;
  const { items } = await ask(`/v1/runs?limit=10${node === null ? "" : `&node=${encodeURIComponent(node)}`}`);
  const open = items.filter(({ run }) => !ENDED.includes(run.state));
  const details = new Map(await Promise.all(open.map(async ({ run }) => [run.id, await ask(`/v1/runs/${run.id}`)])));
  if (node !== chosen) return; // another was chosen meanwhile, and is drawn next
  const body = $("runs").tBodies[0];
  body.replaceChildren();
  for (const { run, path } of items) {
    const row = body.insertRow();
    const tasks = details.get(run.id)?.tasks;
    const isOpen = run.id === shownRun;
    opener(row, new Date(run.begun_ms).toLocaleString(), isOpen, () => showRun(isOpen ? null : run.id));
    cell(row, run.job.name || "script");
    cell(row, run.state.replaceAll("_", " "), mood(run.state));
    cell(row, tasks ? `${tasks.succeeded} of ${run.servers}, batch ${run.batch + 1} of ${run.batches}` : String(run.servers));
    cell(row, path || "(gone)");
    cell(row, run.by);
    cell(row, run.why, "bad");
  }
  $("runs").hidden = items.length === 0;
  await drawTasks();
});

const drawTasks = part("tasks", async () => {
  const run = shownRun;
  $("tasks").hidden = run === null;
  if (run === null) return;
  const { items, next } = await ask(`/v1/runs/${run}/tasks?limit=${TASKS_MAX}`);
  if (run !== shownRun) return; // another was chosen meanwhile, and is drawn next
  const body = $("tasks").tBodies[0];
  body.replaceChildren();
  for (const { task, name } of items) {
    const row = body.insertRow();
    const isOpen = task.server === shownHost;
    opener(row, name || task.server, isOpen, () => showLog(isOpen ? null : task.server));
    cell(row, String(task.batch + 1));
    cell(row, task.state + (task.direction === "back" ? ", on the way back" : ""), mood(task.state));
    cell(row, task.step || "");
    cell(row, String(task.attempt));
    cell(row, task.message, "bad");
  }
  if (next) {
    const more = body.insertRow().insertCell();
    more.colSpan = 6;
    more.textContent = `More servers than these ${TASKS_MAX} were told: loki deploy watch ${run} tells of all that fail.`;
  }
});

function showRun(run) {
  shownRun = run;
  showLog(null);
  drawRuns();
}

function showLog(host) {
  shownHost = host;
  $("log").hidden = host === null;
  $("log").textContent = "";
  $("log-error").textContent = "";
  drawTasks();
  if (host !== null) followLog(shownRun, host);
}

// Until all of it is there, or something else is shown.
async function followLog(run, host) {
  const isShown = () => run === shownRun && host === shownHost;
  for (let from = "0", step = ""; isShown(); ) {
    try {
      const log = await ask(`/v1/runs/${run}/hosts/id:${host}/log?follow=20s&from=${from}`);
      if (!isShown()) return;
      const pre = $("log");
      const isAtEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 4;
      let text = pre.textContent;
      for (const chunk of log.items) {
        const label = `attempt ${chunk.attempt}, ${chunk.step}`;
        if (label !== step) text += `${text && !text.endsWith("\n") ? "\n" : ""}-- ${label}\n`;
        step = label;
        text += chunk.text;
      }
      if (log.complete && !text) text = "nothing was printed";
      pre.textContent = text.slice(-LOG_MAX);
      if (isAtEnd) pre.scrollTop = pre.scrollHeight;
      $("log-error").textContent = "";
      from = log.next;
      if (log.complete) return;
    } catch (error) {
      if (isShown()) $("log-error").textContent = String(error.message || error);
      await new Promise((done) => setTimeout(done, 2000));
    }
  }
}

