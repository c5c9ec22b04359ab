
// Small charts of the last hour, asked by the same route as Grafana asks. Colours repeat after eight series, which are as many as can be told apart.
const SERIES_MAX = 8;
const CHARTS = [
  { name: "cpu", metric: "host.cpu.usage", tag: "host", top: 100, format: (value) => `${value.toFixed(1)} %` },
  { name: "availability", metric: "domain.availability", tag: "domain", top: 1, format: (value) => `${(value * 100).toFixed(0)} %` },
];
const SVG = "http://www.w3.org/2000/svg";

async function series({ metric, tag }) {
  const m = encodeURIComponent(`avg:1m-avg-none:${metric}{${tag}=*}`);
  const response = await get(`/api/query?start=1h-ago&arrays=true&m=${m}`, "application/json");
  if (response.ok) return response.json();
  const { error } = await response.json().catch(() => ({}));
  // a metric that nobody has sent yet is no mistake
  if (response.status === 400 && /no such name/i.test(error?.message || "")) return [];
  throw new Error(error?.message || `/api/query answers ${response.status}`);
}

function line(points, index, top) {
  const [now, hour] = [Date.now() / 1000, 3600];
  const place = ([at, value]) => `${(300 * (1 - (now - at) / hour)).toFixed(1)},${(58 - (56 * Math.min(value, top)) / top).toFixed(1)}`;
  const drawn = document.createElementNS(SVG, "polyline");
  drawn.setAttribute("points", points.map(place).join(" "));
  drawn.setAttribute("class", `line${index % SERIES_MAX}`);
  return drawn;
}

const drawCharts = CHARTS.map((chart) => part(chart.name, async () => {
  const found = (await series(chart)).filter((one) => one.dps.length).sort((a, b) => (a.tags[chart.tag] < b.tags[chart.tag] ? -1 : 1));
  const shown = found.slice(0, SERIES_MAX);
  $(`${chart.name}-chart`).replaceChildren(...shown.map((one, index) => line(one.dps, index, chart.top)));
  const last = (one) => `${one.tags[chart.tag]} ${chart.format(one.dps.at(-1)[1])}`;
  $(`${chart.name}-legend`).replaceChildren(...shown.map((one, index) => element("span", last(one), { className: `line${index}` })));
  if (found.length > shown.length) $(`${chart.name}-legend`).append(` and ${found.length - shown.length} more`);
  if (!found.length) $(`${chart.name}-legend`).textContent = "no samples yet";
}));

function charts() {
  drawCharts.forEach((drawOne) => drawOne());
}

charts();
setInterval(charts, 10000);
