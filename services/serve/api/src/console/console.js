// The page's one script: asks the API, draws what it answers, follows outcomes.
"use strict";

const $ = (id) => document.getElementById(id);
// The chosen node is in the address, so that a page can be sent to somebody.
let chosen = decodeURIComponent(location.hash.slice(1)) || null;

async function ask(path) {
  const response = await fetch(path, { headers: { accept: "application/json" } });
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail || response.statusText);
  return body;
}

function note(text, bad) {
  $("note").textContent = text;
  $("note").className = bad ? "bad" : "";
}

function cell(row, text, name) {
  const td = row.insertCell();
  td.textContent = text ?? "";
  if (name) td.className = name;
  return td;
}

function branch(node) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.textContent = node.name;
  button.onclick = () => choose(node.path);
  if (node.path === chosen) button.setAttribute("aria-current", "true");
  item.append(button);
  const count = document.createElement("small");
  count.textContent = node.servers ? ` ${node.servers}` : "";
  item.append(count);
  if (node.children.length) {
    const list = document.createElement("ul");
    list.append(...node.children.map(branch));
    item.append(list);
  }
  return item;
}

async function drawTree() {
  const tree = await ask("/v1/tree?depth=32");
  $("tree").replaceChildren(...tree.children.map(branch));
  if (!tree.children.length) $("hint").textContent = "The tree is empty: `loki tree import deploy/examples/inventory.ini` fills it.";
}

async function drawServers() {
  if (chosen === null) return;
  const answer = await ask(`/v1/servers?recursive=true&node=${encodeURIComponent(chosen)}`);
  const body = $("servers").tBodies[0];
  body.replaceChildren();
  for (const server of answer.servers.slice(0, 1000)) {
    const row = body.insertRow();
    cell(row, server.name);
    cell(row, server.state, server.state === "online" ? "good" : "");
    cell(row, server.addresses.join(", "));
    cell(row, server.idc);
    cell(row, server.mounts.map((mount) => mount.node + (mount.offline ? " (offline)" : "")).join(", "));
    cell(row, server.mounts.map((mount) => mount.weight).join(", "));
  }
  $("servers").hidden = false;
  $("title").textContent = `${answer.servers.length} servers under ${chosen}`;
  $("hint").textContent = answer.servers.length > 1000 ? "The first 1,000 are shown." : "";
}

async function choose(path) {
  chosen = path;
  location.hash = encodeURI(path);
  await draw();
}

async function drawProjections() {
  const status = await ask("/v1/status");
  const body = $("projections").tBodies[0];
  body.replaceChildren();
  for (const projection of status.projections) {
    const row = body.insertRow();
    cell(row, projection.name);
    cell(row, projection.state, projection.state === "live" ? "good" : "bad");
    cell(row, projection.position);
    cell(row, projection.end);
    cell(row, projection.lag);
    const since = projection.last_error_since && ` (since ${new Date(projection.last_error_since).toLocaleString()})`;
    cell(row, projection.last_error && projection.last_error + (since || ""), "bad");
  }
}

let drawing = false;
let again = false;

async function draw() {
  if (drawing) { again = true; return; }
  drawing = true;
  try {
    await Promise.all([drawTree(), drawServers(), drawProjections()]);
    note(`as of ${new Date().toLocaleTimeString()}`);
  } catch (error) {
    note(String(error.message || error), true);
  }
  drawing = false;
  if (again) { again = false; setTimeout(draw, 500); }
}

draw();
setInterval(() => drawProjections().catch((error) => note(String(error.message || error), true)), 5000);
const events = new EventSource("/v1/events");
events.addEventListener("accepted", () => { if (!again) { again = true; setTimeout(() => { again = false; draw(); }, 300); } });
