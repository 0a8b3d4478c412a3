/* The moving figures of diffad.figures.interactive. Each works alone, from disk, and without a pointer. */
(() => {
  if (window.diffadFigures) { window.diffadFigures.startAll(); return; }

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const find = (figure, name) => figure.querySelector(`[data-part="${name}"]`);

  // --- x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise, computed where it is looked at ---

  function startProcess(figure, data) {
    const clean = bytes(data.clean), noise = new Int8Array(bytes(data.noise).buffer);
    const tables = Object.fromEntries(
      Object.entries(data.alpha_bars).map(([name, text]) => [name, new Float32Array(bytes(text).buffer)]));
    const slider = find(figure, "slider"), choice = find(figure, "choice"), said = find(figure, "said");
    const canvas = find(figure, "canvas"), context = canvas.getContext("2d");
    const { count, height, width, channels } = data, gap = 1;
    canvas.width = count * (width + gap) - gap;
    canvas.height = height;
    const shown = context.createImageData(canvas.width, canvas.height);

    function draw() {
      const t = Number(slider.value), alphaBar = tables[choice.value][t];
      const signal = Math.sqrt(alphaBar), noisy = Math.sqrt(1 - alphaBar);
      for (let image = 0; image < count; image++)
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++) {
            const target = 4 * (y * canvas.width + image * (width + gap) + x);
            for (let c = 0; c < 3; c++) {
              const source = ((image * height + y) * width + x) * channels + (channels === 3 ? c : 0);
              const value = signal * (clean[source] / 127.5 - 1) + noisy * noise[source] / data.noise_scale;
              shown.data[target + c] = Math.round(127.5 * (value + 1));  // clamped by the array
            }
            shown.data[target + 3] = 255;
          }
      context.putImageData(shown, 0, 0);
      const snr = 10 * Math.log10(alphaBar / (1 - alphaBar));
      said.textContent = `t = ${t} of ${data.steps}: ${(100 * signal).toFixed(1)} % of the image's amplitude, noise of ` +
        `standard deviation ${noisy.toFixed(3)}, signal-to-noise ratio ${t === 0 ? "infinite" : snr.toFixed(1) + " dB"}`;
      slider.setAttribute("aria-valuetext", said.textContent);
    }
    slider.addEventListener("input", draw);
    choice.addEventListener("change", draw);
    draw();
  }

  // --- one of several pictures, which lie under one another in one file ---

  function startFrames(figure, data) {
    const slider = find(figure, "slider"), view = find(figure, "view"), said = find(figure, "said");
    const strip = view.querySelector("img");
    const draw = () => {
      strip.style.top = `${-100 * slider.value}%`;
      said.textContent = data.captions[slider.value];
      slider.setAttribute("aria-valuetext", said.textContent);
    };
    slider.addEventListener("input", draw);
    draw();
  }

  // --- marks that say what they are, and a table beside them ---

  function startScatter(figure) {
    const choice = find(figure, "choice"), said = find(figure, "said");
    const marks = [...figure.querySelectorAll("[data-set]")];
    const points = marks.filter((mark) => mark.matches("svg *"));
    const visible = () => points.filter((point) => point.style.display !== "none");

    function say(point) {
      points.forEach((each) => { each.classList.toggle("chosen", each === point); each.tabIndex = -1; });
      point.tabIndex = 0;
      said.textContent = point.getAttribute("aria-label");
    }
    function select() {
      marks.forEach((mark) => {
        const wanted = choice.value === "" || mark.dataset.set === choice.value;
        mark.style.display = wanted ? "" : "none";
      });
      const first = visible()[0];
      if (first) { say(first); said.textContent = "Point at a mark, or go through them with the arrow keys."; }
    }
    points.forEach((point) => {
      point.addEventListener("pointerenter", () => say(point));
      point.addEventListener("focus", () => say(point));
      point.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const all = visible();
        all[(all.indexOf(point) + step + all.length) % all.length].focus();
      });
    });
    figure.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => sort(button)));
    choice.addEventListener("change", select);
    select();
  }

  function sort(button) {
    const head = button.closest("th"), body = button.closest("table").tBodies[0];
    const column = [...head.parentNode.children].indexOf(head), up = head.getAttribute("aria-sort") === "descending";
    const key = (row) => row.children[column].dataset.value ?? row.children[column].textContent;
    const order = (a, b) => (isNaN(key(a)) || isNaN(key(b)) ? key(a).localeCompare(key(b)) : key(a) - key(b));
    const rows = [...body.rows].sort((a, b) => (up ? order(a, b) : order(b, a)));
    head.parentNode.querySelectorAll("th").forEach((each) => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...rows);
  }

  const kinds = { process: startProcess, frames: startFrames, scatter: startScatter };

  function startAll() {
    document.querySelectorAll("figure.moving:not(.started)").forEach((figure) => {
      const data = figure.querySelector('script[type="application/json"]');
      figure.classList.add("started");
      kinds[figure.dataset.kind](figure, data ? JSON.parse(data.textContent) : {});
    });
  }
  window.diffadFigures = { startAll };
  startAll();
})();
