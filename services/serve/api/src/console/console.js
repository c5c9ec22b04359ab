// The page's one script: asks the API, draws what it answers, follows outcomes. Each part tells its own errors and keeps what it showed.

// Where sign_in.html keeps the token, when the API asks for one.
const TOKEN = "loki.token";
const SERVERS_MAX = 1000;

const $ = (id) => document.getElementById(id);
// The chosen node is in the address, so that a page can be sent to somebody.
let chosen = addressed();
// Paths whose children are shown.
const opened = new Set();

function addressed() {
  try {
    return decodeURIComponent(location.hash.slice(1)) || null;
  } catch {
    return null; // a `%` that somebody typed
  }
}

async function get(path, accept) {
  const token = sessionStorage.getItem(TOKEN);
  const response = await fetch(path, { headers: token ? { accept, authorization: `Bearer ${token}` } : { accept } });
  if (response.status === 401) {
    sessionStorage.removeItem(TOKEN);
    location.reload(); // without a token the page is the form that asks for it
  }
  return response;
}

async function ask(path) {
  const response = await get(path, "application/json");
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail || `${path} answers ${response.status}`), { status: response.status });
}

// A part of the page: asked for again while it is drawn, it is drawn once more afterwards.
function part(name, work) {
  let drawing = false;
  let again = false;
  return async () => {
    again = true;
    if (drawing) return;
    drawing = true;
    while (again) {
      again = false;
      try {
        await work();
        $(`${name}-error`).textContent = "";
        $("note").textContent = `as of ${new Date().toLocaleTimeString()}`;
      } catch (error) {
        $(`${name}-error`).textContent = String(error.message || error);
      }
    }
    drawing = false;
  };
}

function element(name, text, properties) {
  return Object.assign(document.createElement(name), { textContent: text ?? "" }, properties);
}

function cell(row, text, name) {
  row.append(element("td", text, { className: name || "" }));
}

// Level by level, as they are opened: a whole tree may be more than the API answers at once. Two levels tell which nodes have something to open.
async function children(path) {
  const at = `/v1/tree${path === "/" ? "" : path.split("/").map(encodeURIComponent).join("/")}`;
  try {
    const node = await ask(`${at}?depth=2`);
    return node.children.map((child) => ({ ...child, opens: child.children.length > 0 }));
  } catch (error) {
    if (error.status !== 400) throw error;
    const node = await ask(`${at}?depth=1`);
    return node.children.map((child) => ({ ...child, opens: true }));
  }
}

async function branch(node) {
  const item = document.createElement("li");
  const isOpen = node.opens && opened.has(node.path);
  const toggle = element("button", node.opens ? (isOpen ? "▾" : "▸") : "", { className: "toggle", disabled: !node.opens });
  toggle.setAttribute("aria-label", `${isOpen ? "close" : "open"} ${node.name}`);
  toggle.setAttribute("aria-expanded", String(isOpen));
  toggle.onclick = () => {
    if (!opened.delete(node.path)) opened.add(node.path);
    drawTree();
  };
  const name = element("button", node.name, { onclick: () => choose(node.path) });
  if (node.path === chosen) name.setAttribute("aria-current", "true");
  item.append(toggle, name, element("small", node.servers ? ` ${node.servers}` : ""));
  if (isOpen) {
    const list = document.createElement("ul");
    try {
      list.append(...(await Promise.all((await children(node.path)).map(branch))));
    } catch (error) {
      list.append(element("li", String(error.message || error), { className: "bad" }));
    }
    item.append(list);
  }
  return item;
}

const drawTree = part("tree", async () => {
  const top = await children("/");
  $("tree").replaceChildren(...(await Promise.all(top.map(branch))));
  $("tree-hint").textContent = top.length ? "" : "The tree is empty: `loki tree import deploy/examples/inventory.ini` fills it.";
});

const drawServers = part("servers", async () => {
  const node = chosen;
  if (node === null) return;
  const { servers } = await ask(`/v1/servers?recursive=true&node=${encodeURIComponent(node)}`);
  if (node !== chosen) return; // another was chosen meanwhile, and is drawn next
  const body = $("servers").tBodies[0];
  body.replaceChildren();
  for (const server of servers.slice(0, SERVERS_MAX)) {
    const row = body.insertRow();
    cell(row, server.name);
    cell(row, server.state, server.state === "online" ? "good" : "");
    cell(row, server.addresses.join(", "));
    cell(row, server.idc);
    cell(row, server.mounts.map((mount) => mount.node + (mount.offline ? " (offline)" : "")).join(", "));
    cell(row, server.mounts.map((mount) => mount.weight).join(", "));
  }
  $("servers").hidden = false;
  $("title").textContent = `${servers.length} servers under ${node}`;
  $("hint").textContent = servers.length > SERVERS_MAX ? `The first ${SERVERS_MAX} are shown.` : "";
});

const drawProjections = part("projections", async () => {
  const { projections } = await ask("/v1/status");
  const body = $("projections").tBodies[0];
  body.replaceChildren();
  for (const projection of projections) {
    const row = body.insertRow();
    cell(row, projection.name);
    cell(row, projection.state, projection.state === "live" ? "good" : "bad");
    cell(row, projection.position);
    cell(row, projection.end);
    cell(row, projection.lag);
    const since = projection.last_error_since && ` (since ${new Date(projection.last_error_since).toLocaleString()})`;
    cell(row, projection.last_error && projection.last_error + (since || ""), "bad");
  }
});

function draw() {
  drawTree();
  drawServers();
  drawRuns();
  drawProjections();
}

// Shows a node: everything above it is opened.
function show(path) {
  chosen = path;
  for (let end = path ? path.lastIndexOf("/") : 0; end > 0; end = path.lastIndexOf("/", end - 1)) opened.add(path.slice(0, end));
  draw();
}

function choose(path) {
  location.hash = encodeURI(path);
  show(path);
}

let soon = null;

// Not an EventSource: it could not send the token.
async function follow() {
  for (;;) {
    try {
      const response = await get("/v1/events", "text/event-stream");
      if (!response.ok) throw new Error(`/v1/events answers ${response.status}`);
      draw(); // whatever came while nobody followed
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        if (lines.some((line) => /^event: ?accepted$/.test(line))) {
          soon ??= setTimeout(() => { soon = null; draw(); }, 300);
        }
      }
    } catch {
      // every part asks the same API, and says what is wrong with it
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
}

addEventListener("hashchange", () => { if (addressed() !== chosen) show(addressed()); });
show(chosen);
setInterval(drawProjections, 5000);
setInterval(drawRuns, 5000);
follow();
