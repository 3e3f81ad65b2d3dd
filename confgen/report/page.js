/* What the page's scripts share, light and dark, and the curves that follow the pointer.
   The three scripts are joined into one function, in the order page.js, molecules.js, viewer.js. All that is shown comes
   from the JSON block #data (see data.py), and is set as text, never as HTML. */
const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const make = (tag, text = "", className = "") => {
  const element = document.createElement(tag);
  if (text !== "") element.textContent = text;
  if (className) element.className = className;
  return element;
};
const percent = (value) => value === null ? "–" : (100 * value).toFixed(1) + "\u00a0%";
const angstrom = (value) => value === null ? "–" : value.toFixed(3);
const count = (value) => value.toLocaleString("en");

// Light and dark ------------------------------------------------------------------------------------------------------
const darkSystem = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : darkSystem.matches;
function themeChanged() {
  byId("theme").textContent = isDark() ? "☀ Light" : "☾ Dark";
  byId("theme").setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`);
  document.dispatchEvent(new Event("themechange"));
}
byId("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  themeChanged();
});
darkSystem.addEventListener("change", themeChanged);
themeChanged();

addEventListener("beforeprint", () => { // what is folded could not be unfolded on paper
  document.querySelectorAll("#rotors details, #failures details").forEach((details) => { details.open = true; });
});

// Coverage curves -----------------------------------------------------------------------------------------------------
const slider = byId("threshold");
const curveCharts = [...document.querySelectorAll("#curves svg.chart")];

function showThreshold() {
  const step = Number(slider.value), value = data.thresholds[step];
  const text = value.toFixed(3).replace(/0$/, "") + " Å";
  byId("threshold-text").textContent = text;
  slider.setAttribute("aria-valuetext", text);
  for (const svg of curveCharts) {
    const { left, right, low, high } = svg.dataset;
    const x = Number(left) + (value - low) / (high - low) * (right - left);
    const guide = svg.querySelector(".guide");
    guide.setAttribute("x1", x);
    guide.setAttribute("x2", x);
  }
  document.querySelectorAll("#threshold-table tbody tr").forEach((row, method) => {
    row.cells[1].textContent = percent(data.recall[method][step]);
    row.cells[2].textContent = percent(data.precision[method][step]);
  });
}

function followPointer(svg, event) {
  const box = svg.getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
  const { left, right, low, high } = svg.dataset;
  const value = Number(low) + (x - left) / (right - left) * (high - low);
  let best = 0;
  data.thresholds.forEach((t, k) => { if (Math.abs(t - value) < Math.abs(data.thresholds[best] - value)) best = k; });
  slider.value = best;
  showThreshold();
}

slider.addEventListener("input", showThreshold);
for (const svg of curveCharts) {
  for (const kind of ["pointermove", "pointerdown"]) svg.addEventListener(kind, (event) => followPointer(svg, event));
}
showThreshold();
