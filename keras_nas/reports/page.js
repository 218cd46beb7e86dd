"use strict";

// Everything from the data goes into the page as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const isFront = new Set(data.front);
const trialOf = (number) => data.trials[number];
const completed = data.completed.map(trialOf);
const several = data.objectives.length > 1;
const directions = {};
data.metrics.forEach((name, i) => { directions[name] = data.directions[i]; });

function metric(trial, name) {
  return trial.metrics[data.metrics.indexOf(name)];
}

function value(trial, name) {
  return trial.values[data.hyperparameters.indexOf(name)];
}

function isNumber(one) {
  return typeof one === "number";
}

function text(one) {
  if (one === null || one === undefined) return "";
  if (!isNumber(one)) return String(one);
  if (Number.isInteger(one)) {
    return Math.abs(one) < 1e15 ? one.toLocaleString("en") : one.toPrecision(4);
  }
  const size = Math.abs(one);
  if (size < 1e-3 || size >= 1e7) return one.toExponential(3);
  return String(Number(one.toPrecision(5)));
}

function seconds(s) {
  if (s < 90) return `${s.toFixed(1)} s`;
  if (s < 5400) return `${(s / 60).toFixed(1)} min`;
  return `${(s / 3600).toFixed(1)} h`;
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, one] of Object.entries(attributes)) made.setAttribute(key, one);
  made.append(...children);
  return made;
}

function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, one] of Object.entries(attributes)) made.setAttribute(key, one);
  made.append(...children);
  return made;
}

function label(x, y, content, attributes = {}) {
  return drawn("text", {
    x, y, "font-size": 12, fill: "var(--muted)", ...attributes,
  }, content);
}

// The trial that the pointer is at.

function showTooltip(event, trial) {
  const list = element("dl");
  const add = (name, one) => {
    if (one !== null && one !== undefined) {
      list.append(element("dt", {}, name), element("dd", {}, text(one)));
    }
  };
  data.objectives.forEach((name) => add(name, metric(trial, name)));
  data.metrics.filter((name) => !data.objectives.includes(name)).slice(0, 8)
    .forEach((name) => add(name, metric(trial, name)));
  data.hyperparameters.slice(0, 24).forEach((name) => add(name, value(trial, name)));
  const tooltip = byId("tooltip");
  tooltip.replaceChildren(element("strong", {}, `Trial ${trial.id}`), list);
  tooltip.hidden = false;
  const { width, height } = tooltip.getBoundingClientRect();
  const x = Math.min(event.clientX + 14, innerWidth - width - 8);
  const below = event.clientY + 14;
  const y = below + height > innerHeight ? event.clientY - height - 14 : below;
  tooltip.style.left = `${Math.max(4, x)}px`;
  tooltip.style.top = `${Math.max(4, y)}px`;
}

function hideTooltip() {
  byId("tooltip").hidden = true;
}

function follow(mark, trial) {
  mark.addEventListener("pointermove", (event) => showTooltip(event, trial));
  mark.addEventListener("pointerleave", hideTooltip);
  mark.addEventListener("click", () => select(trial));
  mark.style.cursor = "pointer";
}

// Scales and axes.

function scaleOf(values, from, to, mayBeLog = true) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  const isLog = mayBeLog && low > 0 && high / low > 50;
  const on = isLog ? Math.log10 : (one) => one;
  if (low === high) {
    low -= Math.abs(low) * 0.1 || 1;
    high += Math.abs(high) * 0.1 || 1;
  }
  const scale = (one) =>
    from + (to - from) * (on(one) - on(low)) / (on(high) - on(low));
  scale.ticks = ticksOf(low, high, isLog);
  return scale;
}

function ticksOf(low, high, isLog) {
  const ticks = [];
  if (isLog) {
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
      for (const digit of high / low > 1000 ? [1] : [1, 3]) {
        const tick = Number((digit * 10 ** power).toPrecision(3));
        if (tick >= low && tick <= high) ticks.push(tick);
      }
    }
    return ticks;
  }
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((one) => one * power >= rough);
  for (let index = Math.ceil(low / step); index * step <= high + step * 1e-9; index++) {
    ticks.push(Number((index * step).toPrecision(6)));
  }
  return ticks;
}

function short(number) {
  const size = Math.abs(number);
  if (size >= 1e9) return `${Number((number / 1e9).toPrecision(3))}G`;
  if (size >= 1e6) return `${Number((number / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((number / 1e3).toPrecision(3))}k`;
  return text(number);
}

function chart(title, xName, yName, xs, ys, mayBeLog = true) {
  // Narrow screens get a figure of their own, so that its text stays legible.
  const width = innerWidth < 600 ? 420 : 900;
  const height = innerWidth < 600 ? 340 : 400;
  const x = scaleOf(xs, 70, width - 20, mayBeLog);
  const y = scaleOf(ys, height - 55, 16, mayBeLog);
  const svg = drawn("svg", {
    viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title,
  });
  for (const tick of y.ticks) {
    svg.append(
      drawn("line", { x1: 60, x2: width - 10, y1: y(tick), y2: y(tick), stroke: "var(--line)" }),
      label(54, y(tick) + 4, short(tick), { "text-anchor": "end" }),
    );
  }
  for (const tick of x.ticks) {
    svg.append(
      drawn("line", { x1: x(tick), x2: x(tick), y1: 10, y2: height - 45, stroke: "var(--line)" }),
      label(x(tick), height - 28, short(tick), { "text-anchor": "middle" }),
    );
  }
  svg.append(
    label((60 + width) / 2, height - 8, xName, { "text-anchor": "middle", fill: "var(--text)" }),
    label(0, 0, yName, {
      "text-anchor": "middle", fill: "var(--text)",
      transform: `translate(12 ${(height - 45) / 2}) rotate(-90)`,
    }),
  );
  return { svg, x, y };
}

function point(svg, x, y, trial, isGood) {
  const mark = drawn("circle", {
    cx: x, cy: y, r: isGood ? 6 : 4,
    fill: isGood ? "var(--accent)" : "var(--point)",
    "fill-opacity": isGood ? 1 : 0.55,
    stroke: "var(--surface)",
    "data-trial": trial.number,
  });
  follow(mark, trial);
  svg.append(mark);
}

// The sections.

function showSummary() {
  const parts = [
    data.objectives.map((name) => `${name} (${directions[name]})`).join(", "),
    data.strategy,
  ];
  byId("subtitle").textContent = `Search for ${parts.filter(Boolean).join(" by ")}`;
  const list = byId("summary");
  const add = (name, one) => list.append(
    element("div", {}, element("dt", {}, name), element("dd", {}, one)));
  add("trials", text(data.trials.length));
  for (const [status, count] of Object.entries(data.statuses)) {
    add(status.toLowerCase(), text(count));
  }
  add("infeasible candidates", text(data.infeasible));
  if (several && completed.length) add("on the front", text(data.front.length));
  if (isNumber(data.spent_s)) add("time spent", seconds(data.spent_s));
  if (data.best === null) {
    byId("best").append(element("p", {}, data.trials.length
      ? "No trial has been completed."
      : "There are no trials yet."));
    return;
  }
  const best = trialOf(data.best);
  for (const name of data.objectives) {
    add(several ? `${name} of the chosen` : `best ${name}`, text(metric(best, name)));
  }
  byId("best").append(
    element("h3", {}, several
      ? `Trial ${best.id}, chosen of the front`
      : `Trial ${best.id}, the best`),
    element("ul", { class: "values" }, ...data.hyperparameters
      .filter((name) => value(best, name) !== null)
      .map((name) => element("li", {}, `${name} = ${text(value(best, name))}`))),
  );
}

function showFront() {
  if (!several || !completed.length) return;
  byId("front-section").hidden = false;
  const chosen = [data.objectives[1], data.objectives[0]];
  const draw = () => {
    const [xName, yName] = chosen;
    const xs = completed.map((trial) => metric(trial, xName));
    const ys = completed.map((trial) => metric(trial, yName));
    const { svg, x, y } = chart(
      `Pareto front of ${yName} against ${xName}`,
      `${xName} (${directions[xName]})`, `${yName} (${directions[yName]})`, xs, ys);
    const front = completed.filter((trial) => isFront.has(trial.number))
      .sort((a, b) => metric(a, xName) - metric(b, xName));
    if (data.objectives.length === 2) {
      svg.append(drawn("polyline", {
        points: front.map((t) => `${x(metric(t, xName))},${y(metric(t, yName))}`).join(" "),
        fill: "none", stroke: "var(--accent)", "stroke-width": 1.5,
      }));
    }
    for (const trial of [...completed.filter((t) => !isFront.has(t.number)), ...front]) {
      point(svg, x(metric(trial, xName)), y(metric(trial, yName)), trial,
        isFront.has(trial.number));
    }
    byId("front").replaceChildren(svg);
  };
  if (data.objectives.length > 2) {
    ["Across", "Upwards"].forEach((title, axis) => {
      const menu = element("select", {}, ...data.objectives.map(
        (name) => element("option", { value: name }, name)));
      menu.value = chosen[axis];
      menu.addEventListener("change", () => { chosen[axis] = menu.value; draw(); });
      byId("front-controls").append(element("label", {}, `${title} `, menu));
    });
  }
  draw();
}

function showProgress() {
  if (!completed.length) {
    byId("progress-section").hidden = true;
    return;
  }
  const name = several ? "hypervolume" : data.objectives[0];
  byId("progress-note").textContent = several
    ? "The hypervolume of the front after each completed trial: the volume of what it is better than. It grows with every improvement of the front and with nothing else."
    : `The line is the best ${name} so far, the points are the completed trials in the order in which they ended.`;
  const steps = data.progress.map((_, index) => index + 1);
  const values = several ? [] : completed.map((trial) => metric(trial, name));
  const { svg, x, y } = chart(
    `${name} after each trial`, "completed trials", name,
    steps, [...data.progress, ...values], false);
  let path = "";
  data.progress.forEach((one, index) => {
    path += index ? ` H${x(index + 1)} V${y(one)}` : `M${x(1)} ${y(one)}`;
  });
  svg.append(drawn("path", { d: path, fill: "none", stroke: "var(--accent)", "stroke-width": 2 }));
  completed.forEach((trial, index) => {
    const height = several ? data.progress[index] : metric(trial, name);
    const isGood = index === 0 || data.progress[index] !== data.progress[index - 1];
    if (!several || isGood) point(svg, x(index + 1), y(height), trial, isGood);
  });
  byId("progress").append(svg);
}

function bars(rows) {
  const list = element("div", { class: "bars" });
  for (const [name, share] of rows) {
    const bar = element("div");
    bar.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
    list.append(
      element("span", {}, name),
      element("div", { class: "track", "aria-hidden": "true" }, bar),
      element("span", {}, `${(share * 100).toFixed(1)}%`));
  }
  return list;
}

function showImportance() {
  const box = byId("importance");
  for (const one of data.importance) {
    box.append(element("h3", {}, one.objective));
    if (one.problem) {
      box.append(element("p", {}, one.problem));
      continue;
    }
    const quality = Math.max(0, one.quality);
    const warning = quality < 0.3 ? " That is little: do not build on these shares." : "";
    box.append(element("p", { class: "muted" },
      `The forest explains ${(quality * 100).toFixed(0)}% of the variance of trials that it has not seen.${warning}`));
    const shown = one.shares.filter(([, share], i) => i < 5 || share >= 0.001).slice(0, 15);
    box.append(element("div", { class: "columns" },
      element("div", {}, element("h3", {}, "Alone"), bars(shown)),
      element("div", {}, element("h3", {}, "Pairs, beyond what each does alone"),
        one.interactions.length
          ? bars(one.interactions.map(([a, b, share]) => [`${a} × ${b}`, share]))
          : element("p", { class: "muted" }, "There is one hyperparameter only."))));
  }
}

function showParallel() {
  const rank = {};
  const known = data.importance.find((one) => one.shares);
  (known ? known.shares : []).forEach(([name], index) => { rank[name] = index; });
  const names = data.varying
    .filter((name) => completed.some((trial) => value(trial, name) !== null))
    .sort((a, b) => (rank[a] ?? 1e3) - (rank[b] ?? 1e3)).slice(0, 12);
  if (completed.length < 2 || !names.length) {
    byId("parallel-section").hidden = true;
    return;
  }
  const first = data.objectives[0];
  byId("parallel-objective").textContent = first;
  const axes = [
    ...names.map((name) => ({ name, of: (trial) => value(trial, name) })),
    ...data.objectives.map((name) => ({ name, of: (trial) => metric(trial, name) })),
  ];
  const gap = Math.max(110, 900 / axes.length);
  const width = gap * axes.length;
  const [top, bottom, off] = [46, 300, 330];
  const svg = drawn("svg", {
    viewBox: `0 0 ${width} 360`, role: "img",
    "aria-label": "Parallel coordinates of hyperparameters and objectives",
  });
  svg.style.minWidth = `${width * 0.8}px`;
  axes.forEach((axis, index) => {
    axis.x = gap * (index + 0.5);
    const found = completed.map(axis.of).filter((one) => one !== null);
    axis.numeric = found.every(isNumber);
    axis.values = [...new Set(found)];
    const places = axis.values.slice()
      .sort((a, b) => (axis.numeric ? a - b : String(a) < String(b) ? -1 : 1));
    const scale = axis.numeric
      ? scaleOf(found, bottom, top)
      : (one) => places.length < 2 ? (top + bottom) / 2
        : bottom - (bottom - top) * places.indexOf(one) / (places.length - 1);
    axis.y = (trial) => {
      const one = axis.of(trial);
      return one === null ? off : scale(one);
    };
    axis.marks = places.length <= 8 ? places
      : axis.numeric ? [places[0], ...scale.ticks, places[places.length - 1]]
        : [places[0], places[places.length - 1]];
    // Labels must not lie on one another; those of the ends stay.
    axis.marks = axis.marks.filter((one, i, all) => i === 0 || i === all.length - 1
      || Math.min(Math.abs(scale(one) - bottom), Math.abs(scale(one) - top)) > 13)
      .reduce((kept, one, i, all) => {
        const isNear = kept.length && i < all.length - 1
          && Math.abs(scale(kept[kept.length - 1]) - scale(one)) < 13;
        return isNear ? kept : [...kept, one];
      }, []);
    axis.scale = scale;
    axis.isPartly = completed.some((trial) => axis.of(trial) === null);
  });
  // By rank, so that a few bad trials do not make all others look alike.
  const ranked = completed.slice().sort((a, b) =>
    (metric(b, first) - metric(a, first)) * (directions[first] === "min" ? 1 : -1));
  ranked.forEach((trial, index) => {
    const share = ranked.length < 2 ? 1 : index / (ranked.length - 1);
    const line = drawn("polyline", {
      points: axes.map((axis) => `${axis.x},${axis.y(trial).toFixed(1)}`).join(" "),
      fill: "none",
      stroke: `color-mix(in srgb, var(--accent) ${Math.round(share ** 2 * 100)}%, var(--muted))`,
      "stroke-opacity": (0.12 + 0.75 * share ** 3).toFixed(2),
      "stroke-width": 1.5,
    });
    follow(line, trial);
    line.addEventListener("pointerenter", () => line.setAttribute("stroke-width", 4));
    line.addEventListener("pointerleave", () => line.setAttribute("stroke-width", 1.5));
    svg.append(line);
  });
  axes.forEach((axis) => {
    const shown = axis.name.length > 17 ? `${axis.name.slice(0, 16)}…` : axis.name;
    const title = label(axis.x, 18, shown, {
      "text-anchor": "middle", fill: "var(--text)", "font-weight": 600,
    });
    title.append(drawn("title", {}, axis.name));
    svg.append(title, drawn("line", {
      x1: axis.x, x2: axis.x, y1: top, y2: bottom, stroke: "var(--muted)",
    }));
    for (const mark of axis.marks) {
      const name = isNumber(mark) ? short(mark) : text(mark);
      svg.append(label(axis.x + 5, axis.scale(mark) + 4,
        name.length > 13 ? `${name.slice(0, 12)}…` : name, {
          fill: "var(--text)", stroke: "var(--surface)", "stroke-width": 3,
          "paint-order": "stroke",
        }));
    }
    if (axis.isPartly) svg.append(label(axis.x + 5, off + 4, "inactive"));
  });
  byId("parallel").append(svg);
}

// The table.

const columns = [
  { name: "trial", of: (trial) => trial.number },
  { name: "status", of: (trial) => trial.status },
  ...data.metrics.map((name) => ({ name, of: (trial) => metric(trial, name) })),
  ...data.varying.map((name) => ({ name, of: (trial) => value(trial, name) })),
  { name: "message", of: (trial) => trial.message },
].filter((column, index) => index < 2 || data.trials.some((trial) => {
  const one = column.of(trial);
  return one !== null && one !== "";
}));
let sorted = { index: 0, isDown: false };

function compare(a, b) {
  if (isNumber(a) && isNumber(b)) return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function isEmpty(one) {
  return one === null || one === undefined || one === "";
}

function inOrder(trials) {
  const { of } = columns[sorted.index];
  return trials.slice().sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    // What is not there comes last, whichever way.
    if (isEmpty(x) || isEmpty(y)) return isEmpty(x) - isEmpty(y);
    return compare(x, y) * (sorted.isDown ? -1 : 1) || a.number - b.number;
  });
}

function matches(trial, word) {
  const parts = /^(.+?)(<=|>=|<|>|=)(.+)$/.exec(word);
  const column = parts && columns.find(({ name }) => name === parts[1]);
  if (!column) {
    const all = columns.map(({ of }) => text(of(trial))).join("\n");
    return all.toLowerCase().includes(word.toLowerCase());
  }
  const one = column.of(trial);
  if (isEmpty(one)) return false;
  const other = isNumber(one) ? Number(parts[3]) : parts[3];
  if (parts[2] === "=") return String(one) === String(other);
  const order = compare(one, other);
  if (Number.isNaN(order)) return false;
  return { "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0 }[parts[2]];
}

function showRows() {
  const words = byId("filter").value.split(/\s+/).filter(Boolean);
  const status = byId("status").value;
  const shown = inOrder(data.trials.filter((trial) =>
    (!status || trial.status === status)
    && (!byId("front-only").checked || isFront.has(trial.number))
    && words.every((word) => matches(trial, word))));
  const body = element("tbody");
  for (const trial of shown) {
    const row = element("tr", { "data-trial": trial.number });
    for (const { name, of } of columns) {
      const one = of(trial);
      const kind = isNumber(one) ? "number" : name === "message" ? "message" : "";
      const cell = element("td", { class: kind },
        name === "message" ? lastLine(one) : text(one));
      if (name === "message" && one) cell.title = one;
      row.append(cell);
    }
    body.append(row);
  }
  byId("trials").tBodies[0].replaceWith(body);
  byId("shown").textContent = `${shown.length} of ${data.trials.length} trials`;
}

function lastLine(message) {
  return message.trim().split("\n").pop().trim();
}

function sortBy(index) {
  sorted = { index, isDown: sorted.index === index && !sorted.isDown };
  [...byId("trials").tHead.rows[0].cells].forEach((cell, place) => {
    if (place !== index) cell.removeAttribute("aria-sort");
    else cell.setAttribute("aria-sort", sorted.isDown ? "descending" : "ascending");
  });
  showRows();
}

function select(trial) {
  for (const control of ["filter", "status"]) byId(control).value = "";
  byId("front-only").checked = false;
  showRows();
  const row = byId("trials").querySelector(`tr[data-trial="${trial.number}"]`);
  row.classList.add("selected");
  row.scrollIntoView({ block: "center" });
}

function showTrials() {
  const head = element("tr");
  columns.forEach(({ name }, index) => {
    const button = element("button", { type: "button" }, name);
    button.addEventListener("click", () => sortBy(index));
    head.append(element("th", { scope: "col" }, button));
  });
  byId("trials").append(
    element("caption", { hidden: "" }, "All trials"),
    element("thead", {}, head), element("tbody"));
  byId("status").append(element("option", { value: "" }, "all"),
    ...Object.keys(data.statuses).map((one) => element("option", { value: one }, one.toLowerCase())));
  byId("front-only-label").hidden = !several;
  for (const id of ["filter", "status", "front-only"]) {
    byId(id).addEventListener("input", showRows);
  }
  sorted.isDown = true;
  sortBy(0);
}

function showFailures() {
  const box = byId("failures");
  if (!data.failures.length) {
    box.append(element("p", {}, "No trial has failed."));
  }
  for (const [reason, count] of data.failures) {
    const trial = data.trials.find((one) =>
      ["FAILED", "INVALID"].includes(one.status) && (lastLine(one.message) || "no message") === reason);
    const summary = element("summary", {}, `${count} × ${reason}`);
    const whole = trial ? trial.message : "";
    box.append(whole.trim() === reason || !whole
      ? element("p", {}, `${count} × ${reason}`)
      : element("details", {}, summary, element("pre", {}, whole)));
  }
  if (data.infeasible) {
    box.append(element("p", {}, `${text(data.infeasible)} candidates violated the constraints and were not trained.`));
  }
}

function showCosts() {
  const body = element("tbody");
  for (const name of data.metrics) {
    const values = data.trials.map((trial) => metric(trial, name))
      .filter(isNumber).sort((a, b) => a - b);
    if (!values.length) continue;
    const half = values.length / 2;
    const median = values.length % 2
      ? values[Math.floor(half)] : (values[half - 1] + values[half]) / 2;
    body.append(element("tr", {}, element("th", { scope: "row" }, name),
      ...[values[0], median, values[values.length - 1], values.length].map(
        (one) => element("td", { class: "number" }, text(one)))));
  }
  const box = byId("costs");
  if (body.rows.length) {
    box.append(element("table", {}, element("thead", {}, element("tr", {},
      ...["metric", "smallest", "median", "largest", "trials"].map(
        (name) => element("th", { scope: "col" }, name)))), body));
  }
  const ended = data.trials.filter((one) => ["COMPLETED", "FAILED"].includes(one.status)).length;
  const parts = [];
  if (isNumber(data.spent_s)) {
    parts.push(`The search has taken ${seconds(data.spent_s)}.`);
    if (data.preparation_s) parts.push(`${seconds(data.preparation_s)} of it came before any trial.`);
    if (ended) {
      const each = Math.max(0, data.spent_s - (data.preparation_s || 0)) / ended;
      parts.push(`That is ${seconds(each)} a trial.`);
    }
  } else {
    parts.push("The project does not say how long the search has taken.");
  }
  box.append(element("p", {}, parts.join(" ")));
}

byId("no-drawings").hidden = Boolean(document.querySelector(".drawing"));
showSummary();
showFront();
showProgress();
showImportance();
showParallel();
showTrials();
showFailures();
showCosts();
