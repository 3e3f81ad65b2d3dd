/* The worst molecules: flat pictures, and the overlay in 3D. */
// Pictures of the worst molecules -------------------------------------------------------------------------------------
// As HTML text, so that no namespace has to be named; numbers are all that goes into it.
function picture(reference, generated) {
  const paths = [], xs = [], ys = [];
  for (const [mol, name, width] of [[reference, "reference", 32], [generated, "generated", 13]]) {
    let d = "";
    const heavy = (a) => mol.e[a] !== "H";
    mol.e.forEach((_, a) => { if (heavy(a)) { xs.push(mol.x[3 * a]); ys.push(-mol.x[3 * a + 1]); } });
    for (let k = 0; k < mol.b.length; k += 2) {
      const [a, b] = [mol.b[k], mol.b[k + 1]];
      if (heavy(a) && heavy(b)) d += `M${mol.x[3 * a]} ${-mol.x[3 * a + 1]}L${mol.x[3 * b]} ${-mol.x[3 * b + 1]}`;
    }
    if (!d) mol.e.forEach((_, a) => { if (heavy(a)) d += `M${mol.x[3 * a]} ${-mol.x[3 * a + 1]}h0`; });
    paths.push(`<path class="${name}" stroke-width="${width}" d="${d}"/>`);
  }
  const [left, top] = [Math.min(...xs) - 60, Math.min(...ys) - 60];
  const [width, height] = [Math.max(...xs) + 60 - left, Math.max(...ys) + 60 - top];
  const holder = make("template");
  holder.innerHTML = `<svg class="overlay" viewBox="${left} ${top} ${width} ${height}" aria-hidden="true">${paths.join("")}</svg>`;
  return holder.content.firstChild;
}

function factsOf(method, [i, rmsd]) {
  const s = scoresOf(method, i), about = data.molecules[i];
  return [
    `worst reference ${angstrom(rmsd)} Å`, `recall AMR ${angstrom(s[0])} Å, coverage ${percent(s[2])}`,
    `${about[3]} rotatable bond${about[3] === 1 ? "" : "s"}`,
  ];
}

function drawWorst(method) {
  const cards = data.worst[method].map((entry, rank) => {
    const [i, , reference, generated] = entry, item = make("li");
    const card = make(reference ? "button" : "div", "", "card");
    if (reference) {
      card.type = "button";
      card.append(picture(reference, generated));
      card.addEventListener("click", () => viewer.open(method, rank));
    }
    card.append(make("span", data.molecules[i][0], "name"),
      ...factsOf(method, entry).map((line) => make("small", line)));
    if (!reference) card.append(make("small", "no structures were kept"));
    item.append(card);
    return item;
  });
  if (!cards.length) cards.push(make("li", "No molecule was scored."));
  byId("worst-list").replaceChildren(...cards);
}

data.methods.forEach((name, method) => byId("worst-method").append(new Option(name, method)));
byId("worst-bar").hidden = data.methods.length < 2;
byId("worst-method").addEventListener("change", () => drawWorst(Number(byId("worst-method").value)));
drawWorst(0);

// 3D view -------------------------------------------------------------------------------------------------------------
const ELEMENTS = { N: ["#2f5fd0", "#7da2ff"], O: ["#c8102e", "#ff6b6b"], S: ["#a88600", "#f2d13d"], F: ["#1d8a3a", "#63d784"],
  Cl: ["#1d8a3a", "#63d784"], Br: ["#7c2d12", "#d08a6a"], I: ["#6b21a8", "#c99bf0"], P: ["#b45309", "#ffb35c"],
  H: ["#b8bec6", "#d9dde2"] };

const viewer = {
  glviewer: null, method: 0, rank: 0,
  list() { return data.worst[this.method]; },
  open(method, rank) {
    this.method = method;
    byId("viewer").showModal();
    this.show(rank);
    byId("stage").focus();
  },
  show(rank) {
    this.rank = rank;
    const entry = this.list()[rank], [i, , reference, generated] = entry, [name, smiles, origin] = data.molecules[i];
    byId("viewer-name").textContent = name;
    byId("viewer-facts").textContent = [data.methods[this.method], ...factsOf(this.method, entry), origin].join(" · ");
    byId("viewer-place").textContent = `${rank + 1} of ${this.list().length}`;
    byId("viewer-previous").disabled = rank === 0;
    byId("viewer-next").disabled = rank >= this.list().length - 1;
    byId("stage").setAttribute("aria-label", `Overlay of a reference and a generated conformer of ${name} ${smiles}`);
    byId("viewer-note").textContent = reference ? "" : "No structures were kept for this molecule.";
    if (reference) this.draw(reference, generated);
    else if (this.glviewer) { this.glviewer.removeAllModels(); this.glviewer.render(); }
  },
  draw(reference, generated) {
    if (!this.glviewer && !this.start()) {
      byId("stage").replaceChildren(picture(reference, generated));
      byId("viewer-note").textContent = "This browser has no WebGL: a flat picture instead.";
      return;
    }
    this.glviewer.removeAllModels();
    this.models = [reference, generated].map((mol) => {
      const atoms = mol.e.map((elem, a) => ({ elem, serial: a, index: a, bonds: [], bondOrder: [],
        x: mol.x[3 * a] / 100, y: mol.x[3 * a + 1] / 100, z: mol.x[3 * a + 2] / 100 }));
      for (let k = 0; k < mol.b.length; k += 2) {
        for (const [a, b] of [[mol.b[k], mol.b[k + 1]], [mol.b[k + 1], mol.b[k]]]) {
          atoms[a].bonds.push(b);
          atoms[a].bondOrder.push(1);
        }
      }
      const model = this.glviewer.addModel();
      model.addAtoms(atoms);
      return model;
    });
    this.restyle();
    this.reset();
  },
  start() { // one viewer for the whole page, made when it is first needed; null if the browser cannot
    const probe = document.createElement("canvas"), context = probe.getContext("webgl2") || probe.getContext("webgl");
    if (!context) return null;
    context.getExtension("WEBGL_lose_context")?.loseContext();
    this.glviewer = $3Dmol.createViewer(byId("stage"), { antialias: true, disableFog: true });
    return this.glviewer;
  },
  restyle() {
    if (!this.glviewer || !this.models) return;
    const dark = isDark() ? 1 : 0, colours = getComputedStyle(byId("viewer"));
    const elements = byId("show-elements").checked, hydrogens = byId("show-hydrogens").checked;
    this.glviewer.setBackgroundColor(colours.backgroundColor);
    this.models.forEach((model, k) => {
      const name = ["reference", "generated"][k], radius = [0.17, 0.1][k];
      const own = getComputedStyle(document.querySelector(`.stick.${name}`)).backgroundColor;
      const colorfunc = (atom) => (elements && ELEMENTS[atom.elem]?.[dark]) || own;
      model.setStyle({}, {});
      if (!byId(`show-${name}`).checked) return;
      const chosen = hydrogens ? {} : { not: { elem: "H" } };
      model.setStyle(chosen, { stick: { radius, colorfunc }, sphere: { radius, colorfunc } });
    });
    this.glviewer.render();
  },
  reset() {
    this.glviewer.resize();
    this.glviewer.setView([0, 0, 0, 0, 0, 0, 0, 1]);
    this.glviewer.zoomTo();
    // It fits a sphere to the stage's height; the structures lie flat and long, so their width is what has to fit.
    this.glviewer.zoom(Math.min(1.6, Math.max(0.4, byId("stage").clientWidth / byId("stage").clientHeight)));
    this.glviewer.render();
  },
  key(event) {
    const turns = { ArrowLeft: [-10, "y"], ArrowRight: [10, "y"], ArrowUp: [-10, "x"], ArrowDown: [10, "x"] };
    const steps = { n: 1, p: -1 }, zooms = { "+": 1.15, "=": 1.15, "-": 1 / 1.15 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) {
      const rank = this.rank + steps[event.key];
      if (rank >= 0 && rank < this.list().length) this.show(rank);
    } else if (event.target === byId("stage") && this.glviewer && event.key in turns) {
      this.glviewer.rotate(...turns[event.key]);
      event.preventDefault();
    } else if (this.glviewer && event.key in zooms) this.glviewer.zoom(zooms[event.key]);
  },
};

byId("viewer-close").addEventListener("click", () => byId("viewer").close());
byId("viewer-previous").addEventListener("click", () => viewer.show(viewer.rank - 1));
byId("viewer-next").addEventListener("click", () => viewer.show(viewer.rank + 1));
byId("viewer-reset").addEventListener("click", () => viewer.glviewer && viewer.reset());
byId("viewer").addEventListener("keydown", (event) => viewer.key(event));
for (const id of ["show-reference", "show-generated", "show-elements", "show-hydrogens"]) {
  byId(id).addEventListener("change", () => viewer.restyle());
}
document.addEventListener("themechange", () => viewer.restyle());
