/* A schedule, round by round. Everything drawn comes from the trace in the page; nothing is fetched.
   A move is [src, dst, chunk, summed, bits, qubits, carried, span], as qring.paper.trace writes it. */
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("trace-data").textContent);
  const $ = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const SIZE = 640;
  const CENTRE = SIZE / 2;
  const RADIUS = 240;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const number = new Intl.NumberFormat("en");
  const state = { trace: data.traces[0], round: 0, quantum: true, eve: [0, 1], setup: false };
  let timer = null;

  // Arithmetic on the trace ------------------------------------------------------------------

  const carriers = (move) => (state.quantum ? move[5] : move[4]);
  const unit = (count) => (state.quantum ? "qubit" : "bit") + (count === 1 ? "" : "s");
  const amount = (count) => `${number.format(count)} ${unit(count)}`;
  const name = (worker) => state.trace.names[worker];
  const key = (src, dst) => `${src}>${dst}`;
  const onRing = () => state.trace.held.length === 0;
  const nodes = () => state.trace.names.length;
  const cells = () => state.trace.chunks.length;
  const label = (node) => (node < state.trace.workers ? `worker ${name(node)}` : name(node));
  const adds = (move) => move[6] !== move[3];

  function loads(upTo) {
    const found = new Map();
    state.trace.rounds.slice(0, upTo).flat().forEach((move) => {
      const link = key(move[0], move[1]);
      found.set(link, (found.get(link) || 0) + carriers(move));
    });
    return found;
  }

  const total = (map) => [...map.values()].reduce((sum, count) => sum + count, 0);

  /** Whose words each worker's chunks hold after so many rounds: sets of workers. */
  function holdings(upTo) {
    const n = state.trace.workers;
    const held = Array.from({ length: nodes() }, (_, w) =>
      Array.from({ length: cells() }, () => new Set(w < n ? [w] : [])),
    );
    if (!onRing()) {
      if (!upTo) return held;
      const masks = state.trace.held[Math.min(upTo, state.trace.held.length) - 1];
      const who = Array.from({ length: n }, (_, w) => w);
      return masks.map((row) => row.map((mask) => new Set(who.filter((w) => (mask >> w) & 1))));
    }
    state.trace.rounds.slice(0, upTo).forEach((moves) => {
      const sent = moves.map((move) => new Set(held[move[0]][move[2]]));
      moves.forEach(([, dst, chunk, summed], k) => {
        const merged = new Set([...sent[k], ...held[dst][chunk]]);
        held[dst][chunk] = merged.size === summed ? merged : sent[k];
      });
    });
    return held;
  }

  const links = () => {
    if (!onRing()) {
      const used = new Map();
      state.trace.rounds.flat().forEach(([a, b]) => used.set(key(a, b), [a, b]));
      return [...used.values()].sort((p, q) => p[0] - q[0] || p[1] - q[1]);
    }
    const n = state.trace.workers;
    const pairs = Array.from({ length: n }, (_, i) => [i, (i + 1) % n]);
    return [...pairs, ...pairs.map(([a, b]) => [b, a])].filter(
      ([a, b], k, all) => all.findIndex(([c, d]) => c === a && d === b) === k,
    );
  };

  // Geometry -----------------------------------------------------------------------------------

  const angle = (worker) => (2 * Math.PI * worker) / nodes() - Math.PI / 2;
  const spot = (worker, radius = RADIUS) => [
    CENTRE + radius * Math.cos(angle(worker)),
    CENTRE + radius * Math.sin(angle(worker)),
  ];
  const disc = () => Math.min(58, (Math.PI * RADIUS * 0.62) / nodes());

  /** A bent line between two workers: clockwise links run outside, the others inside.
      With ``shift`` it runs that much closer to the chord: beside the first. */
  function curve(src, dst, shift = 0) {
    const [x1, y1] = spot(src);
    const [x2, y2] = spot(dst);
    const n = nodes();
    const steps = (dst - src + n) % n;
    if (steps !== 1 && steps !== n - 1) return chord(x1, y1, x2, y2, shift);
    const clockwise = dst === (src + 1) % n;
    const outward = n === 2 ? (src === 0 ? 1 : -1) : clockwise ? 1 : -1;
    const [mx, my] = [(x1 + x2) / 2, (y1 + y2) / 2];
    let [ox, oy] = [mx - CENTRE, my - CENTRE];
    const away = Math.hypot(ox, oy);
    if (n === 2) [ox, oy] = [1, 0];
    else [ox, oy] = [ox / away, oy / away];
    const rise = n === 2 ? 150 : Math.min(34, 150 / Math.sqrt(n) - 12);
    const bend = 2 * outward * (rise - shift);
    const [cx, cy] = [mx + bend * ox, my + bend * oy];
    return { x1, y1, cx, cy, x2, y2, ox: ox * outward, oy: oy * outward };
  }

  /** Between workers that are no neighbours: nearly straight, each direction on its own side. */
  function chord(x1, y1, x2, y2, shift) {
    const length = Math.hypot(x2 - x1, y2 - y1) || 1;
    const [ox, oy] = [(y1 - y2) / length, (x2 - x1) / length];
    const bend = 2 * (14 - shift);
    const [mx, my] = [(x1 + x2) / 2, (y1 + y2) / 2];
    return { x1, y1, cx: mx + bend * ox, cy: my + bend * oy, x2, y2, ox, oy };
  }

  function along(c, t) {
    const s = 1 - t;
    return [
      s * s * c.x1 + 2 * s * t * c.cx + t * t * c.x2,
      s * s * c.y1 + 2 * s * t * c.cy + t * t * c.y2,
    ];
  }

  /** The part of a curve that lies outside both workers' discs. */
  function visible(c) {
    const gap = disc() + 7;
    const clear = (x, y, px, py) => Math.hypot(x - px, y - py) > gap;
    const steps = Array.from({ length: 61 }, (_, k) => k / 60);
    const outside = steps.filter((t) => {
      const [x, y] = along(c, t);
      return clear(x, y, c.x1, c.y1) && clear(x, y, c.x2, c.y2);
    });
    return outside.length ? [outside[0], outside[outside.length - 1]] : [0.4, 0.6];
  }

  function path(c, from, to) {
    const steps = 24;
    const points = Array.from({ length: steps + 1 }, (_, k) =>
      along(c, from + ((to - from) * k) / steps),
    );
    return "M" + points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
  }

  function wedge(x, y, inner, outer, from, to) {
    const point = (r, a) => `${(x + r * Math.cos(a)).toFixed(2)} ${(y + r * Math.sin(a)).toFixed(2)}`;
    const large = to - from > Math.PI ? 1 : 0;
    return (
      `M${point(outer, from)}A${outer} ${outer} 0 ${large} 1 ${point(outer, to)}` +
      `L${point(inner, to)}A${inner} ${inner} 0 ${large} 0 ${point(inner, from)}Z`
    );
  }

  function draw(name, attributes, parent, text) {
    const element = document.createElementNS(SVG, name);
    Object.entries(attributes).forEach(([k, v]) => element.setAttribute(k, v));
    if (text !== undefined) element.textContent = text;
    parent.appendChild(element);
    return element;
  }

  // Picture ------------------------------------------------------------------------------------

  function drawLinks(svg, moves) {
    const used = loads(state.round);
    const whole = loads(state.trace.rounds.length);
    links().forEach(([src, dst]) => {
      const c = curve(src, dst);
      const [from, to] = visible(c);
      const link = key(src, dst);
      const busy = moves.some((move) => move[0] === src && move[1] === dst);
      const eve = state.eve[0] === src && state.eve[1] === dst;
      const group = draw("g", { class: `link${busy ? " busy" : ""}${eve ? " tapped" : ""}` }, svg);
      draw("path", { d: path(c, from, to), class: "track" }, group);
      const beside = curve(src, dst, 10);
      const left = 1 - (used.get(link) || 0) / (whole.get(link) || 1);
      if (state.quantum && whole.get(link) && left > 0) {
        draw("path", { d: path(beside, to - (to - from) * left, to), class: "pairs" }, group);
      }
      const target = draw("path", { d: path(c, from, to), class: "grip" }, group);
      target.addEventListener("click", () => tap([src, dst]));
      draw("title", {}, target, `link ${name(src)} → ${name(dst)}: put the eavesdropper here`);
    });
  }

  function drawMessages(svg, moves) {
    moves.forEach((move) => {
      const c = curve(move[0], move[1]);
      const [from, to] = visible(c);
      draw("path", { d: path(c, from, to - 0.03), class: "flow", "marker-end": "url(#head)" }, svg);
      if (nodes() > 10) return; // the links are too short for more than an arrow
      const dot = draw("circle", { r: 7, class: "token" }, svg);
      const place = (t) => {
        const [x, y] = along(c, t);
        dot.setAttribute("cx", x.toFixed(1));
        dot.setAttribute("cy", y.toFixed(1));
      };
      place((from + to) / 2);
      if (!calm.matches && !document.hidden) glide(dot, place, from, to);
    });
  }

  function drawAmounts(svg, moves) {
    if (!onRing() && moves.length > 8) return; // figures would lie over one another
    moves.forEach((move) => {
      // One number a pair of neighbours, outside of the ring whichever way it goes.
      const n = state.trace.workers;
      const inward = onRing() && n > 2 && move[1] !== (move[0] + 1) % n;
      const c = inward ? curve(move[1], move[0]) : curve(move[0], move[1]);
      const [x, y] = along(c, 0.5);
      const push = n > 8 ? 23 : 26;
      const side = c.ox > 0.35 ? "start" : c.ox < -0.35 ? "end" : "middle";
      const label = draw(
        "text",
        { x: x + push * c.ox, y: y + push * c.oy, class: `amount ${side}` },
        svg,
        number.format(carriers(move)),
      );
      if (state.trace.workers <= 4) draw("tspan", { class: "unit" }, label, ` ${unit(carriers(move))}`);
    });
  }

  function glide(dot, place, from, to) {
    const start = performance.now();
    const step = (now) => {
      if (!dot.isConnected) return;
      const t = Math.min(1, (now - start) / 800);
      place(from + (to - from) * (0.5 - 0.5 * Math.cos(Math.PI * t)));
      if (t < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  function drawWorkers(svg, held, moves) {
    const n = state.trace.workers;
    const outer = disc();
    const inner = outer * 0.5;
    for (let worker = 0; worker < nodes(); worker += 1) {
      const [x, y] = spot(worker);
      const group = draw("g", { class: "worker" }, svg);
      draw("circle", { cx: x, cy: y, r: outer + 2, class: "plate" }, group);
      for (let chunk = 0; chunk < cells(); chunk += 1) {
        const share = held[worker][chunk].size / n;
        const from = (2 * Math.PI * chunk) / cells() - Math.PI / 2;
        const wide = Math.min((2 * Math.PI) / cells(), 2 * Math.PI - 0.001);
        const fresh = moves.some(
          (move) => move[1] === worker && chunk >= move[2] && chunk < move[2] + move[7],
        );
        const slice = draw(
          "path",
          {
            d: wedge(x, y, inner, outer, from + Math.min(0.03, wide / 8), from + wide - Math.min(0.03, wide / 8)),
            class: `chunk${share === 1 ? " full" : ""}${fresh ? " fresh" : ""}`,
            style: `--share:${share.toFixed(3)}`,
          },
          group,
        );
        const whose = [...held[worker][chunk]].map(name).sort((a, b) => a - b).join(", ");
        draw("title", {}, slice, `${label(worker)}, chunk ${chunk}: words of ${whose || "nobody"}`);
      }
      draw("text", { x, y, class: "name" }, group, name(worker));
    }
  }

  function drawEve(svg) {
    const c = curve(...state.eve);
    const [x, y] = along(c, 0.5);
    const group = draw("g", { class: "eve", transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` }, svg);
    draw("circle", { r: 16 }, group);
    draw("path", { d: "M-10 0Q0 -10 10 0Q0 10 -10 0Z" }, group);
    draw("circle", { r: 3.4, class: "pupil" }, group);
  }

  function drawCentre(svg) {
    if (!onRing()) return; // links run through the middle
    const last = state.trace.rounds.length;
    const middle = draw("text", { x: CENTRE, y: CENTRE - 12, class: "centre" }, svg);
    middle.textContent = state.round === 0 ? "setup" : `round ${state.round}`;
    draw("text", { x: CENTRE, y: CENTRE + 20, class: "beneath" }, svg, state.round === 0
      ? state.quantum ? "pairs are shared" : "nothing to share"
      : `of ${last} · ${phase()}`);
  }

  const phase = () => {
    if (onRing()) return state.round <= state.trace.rounds.length / 2 ? "scatter-reduce" : "all-gather";
    const moves = state.round ? state.trace.rounds[state.round - 1] : [];
    if (moves.every(adds)) return "sums are formed";
    return moves.some(adds) ? "sums are formed and handed on" : "sums are handed on";
  };

  function picture() {
    const svg = $("ring");
    svg.querySelectorAll(":scope > :not(defs)").forEach((child) => child.remove());
    const moves = state.round ? state.trace.rounds[state.round - 1] : [];
    svg.classList.toggle("crowded", state.trace.workers > 8);
    svg.classList.toggle("classical", !state.quantum);
    drawLinks(svg, moves);
    drawMessages(svg, moves);
    drawWorkers(svg, holdings(state.round), moves);
    drawAmounts(svg, moves);
    drawEve(svg);
    drawCentre(svg);
    svg.setAttribute("aria-label", sentence());
  }

  // Words and figures ----------------------------------------------------------------------------

  function sentence() {
    const n = state.trace.workers;
    if (state.round === 0) {
      return state.quantum
        ? `Before any gradient exists, ${onRing() ? "neighbours" : "the ends of links"} share ${number.format(total(loads(Infinity)))} pairs.`
        : `Each worker holds its own gradient, cut into ${cells()} chunk${cells() === 1 ? "" : "s"}.`;
    }
    const moves = state.trace.rounds[state.round - 1];
    const sent = moves.reduce((sum, move) => sum + carriers(move), 0);
    if (!onRing()) {
      const used = new Set(moves.map((move) => key(move[0], move[1]))).size;
      const end = state.round === state.trace.rounds.length ? " Every worker now holds the whole sum." : "";
      return `${phase()[0].toUpperCase()}${phase().slice(1)}: ${amount(sent)} over ${used} link${used === 1 ? "" : "s"} (${n} workers).${end}`;
    }
    const action =
      phase() === "scatter-reduce"
        ? "Every worker passes a partial sum clockwise and adds what arrives"
        : "Finished chunks are handed on and kept";
    const half = state.trace.rounds.length / 2;
    const note =
      state.round === half
        ? " Every worker now holds one finished chunk."
        : state.round === 2 * half
          ? " Every worker now holds the whole sum."
          : "";
    return `${action}: ${amount(sent)} over ${moves.length} link${moves.length === 1 ? "" : "s"} (${n} workers).${note}`;
  }

  function evesView() {
    const [src, dst] = state.eve;
    const mine = (moves) => moves.filter((move) => move[0] === src && move[1] === dst);
    const moves = state.round ? mine(state.trace.rounds[state.round - 1]) : [];
    const before = state.trace.rounds.slice(0, state.round).map(mine).flat();
    const bits = before.reduce((sum, move) => sum + move[4], 0);
    const open = !state.quantum || state.setup;
    $("eve-known").textContent = `${number.format(open ? bits : 0)} bits read so far on ${name(src)} → ${name(dst)}`;
    $("eve-known").classList.toggle("leak", open && bits > 0);
    if (state.round === 0) {
      if (!state.quantum) return "Nothing crosses her link yet.";
      return state.setup
        ? "She keeps the receiver's halves and hands out halves of pairs of her own. Untested, nobody notices."
        : "Pairs are shared before any gradient exists; she leaves them alone.";
    }
    if (!moves.length) return "Nothing crosses her link in this round.";
    const [, , chunk, , , , words, span] = moves[0];
    const length = moves.reduce((sum, move) => sum + move[4], 0);
    const qubits = moves.reduce((sum, move) => sum + move[5], 0);
    const last = moves[moves.length - 1];
    const end = last[2] + last[7] - 1;
    const what = `chunk${span > 1 || moves.length > 1 ? `s ${chunk}–${end}` : ` ${chunk}`}, the sum of ${words} worker${words === 1 ? "'s words" : "s' words"}`;
    if (!state.quantum) return `${number.format(length)} bits in the clear: ${what}.`;
    if (state.setup) {
      return `She measures each qubit with the half she kept: all ${number.format(length)} bits, ${what}, and sends fresh qubits on.`;
    }
    return `${number.format(qubits)} qubits, each half of a pair: on their own they are fair coins, and she reads nothing. If she touches them the sum breaks.`;
  }

  function figures() {
    const now = state.round ? state.trace.rounds[state.round - 1] : [];
    const used = loads(state.round);
    const whole = loads(Infinity);
    const sent = now.reduce((sum, move) => sum + carriers(move), 0);
    $("round-label").textContent =
      state.round === 0 ? "Setup" : `Round ${state.round} of ${state.trace.rounds.length} · ${phase()}`;
    $("sentence").textContent = sentence();
    $("sent-now").textContent = amount(sent);
    $("sent-total").textContent = number.format(total(used));
    $("sent-whole").textContent = `of ${amount(total(whole))} online`;
    $("pairs-used").textContent = number.format(state.quantum ? total(used) : 0);
    $("pairs-left").textContent = state.quantum
      ? `of ${number.format(total(whole))} shared in setup`
      : "classical bits need none";
    $("eve-view").textContent = evesView();
    $("eve-setup").disabled = !state.quantum;
    $("step-back").disabled = state.round === 0;
    $("step-on").disabled = state.round === state.trace.rounds.length;
    $("round").value = state.round;
    $("round").setAttribute("aria-valuetext", $("round-label").textContent);
    table(now, used, whole);
  }

  function table(now, used, whole) {
    const body = $("links");
    body.replaceChildren();
    links().forEach(([src, dst]) => {
      const link = key(src, dst);
      const row = body.insertRow();
      const here = now.filter((move) => move[0] === src && move[1] === dst);
      const spent = used.get(link) || 0;
      const all = whole.get(link) || 0;
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = `${name(src)} → ${name(dst)}`;
      row.append(head);
      [
        here.length ? number.format(here.reduce((sum, move) => sum + carriers(move), 0)) : "·",
        number.format(spent),
        number.format(all),
        state.quantum ? number.format(all - spent) : "·",
      ].forEach((text) => {
        row.insertCell().textContent = text;
      });
      row.classList.toggle("tapped", src === state.eve[0] && dst === state.eve[1]);
    });
  }

  // Controls ---------------------------------------------------------------------------------------

  function show() {
    picture();
    figures();
    if (touched) remember();
  }

  // The state in the address, so that a link leads to this round: #round=3&carrier=bits&eve=0>1 ------

  let touched = false;

  function remember() {
    const parts = [
      `round=${state.round}`,
      `carrier=${state.quantum ? "qubits" : "bits"}`,
      `eve=${key(...state.eve)}`,
      ...(state.setup ? ["setup=1"] : []),
      ...(data.traces.length > 1 ? [`workers=${state.trace.workers}`] : []),
    ];
    history.replaceState(null, "", `#${parts.join("&")}`);
  }

  function recall() {
    const found = new URLSearchParams(location.hash.slice(1).replace(/>/g, "%3E"));
    if (!found.has("round")) return;
    const trace = data.traces.find((one) => one.workers === Number(found.get("workers")));
    if (trace && $("workers")) {
      $("workers").value = trace.workers;
      choose(trace);
    }
    if (["bits", "qubits"].includes(found.get("carrier"))) {
      state.quantum = found.get("carrier") === "qubits";
      document.querySelectorAll("input[name=carrier]").forEach((input) => {
        input.checked = (input.value === "qubits") === state.quantum;
      });
    }
    const eve = (found.get("eve") || "").split(">").map(Number);
    if (links().some(([a, b]) => a === eve[0] && b === eve[1])) {
      state.eve = eve;
      $("eve-link").value = key(...eve);
    }
    state.setup = found.get("setup") === "1";
    $("eve-setup").checked = state.setup;
    const round = Number(found.get("round"));
    go(Number.isInteger(round) ? round : 0);
  }

  function go(round) {
    state.round = Math.max(0, Math.min(state.trace.rounds.length, round));
    show();
  }

  function tap(link) {
    state.eve = link;
    $("eve-link").value = key(...link);
    show();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    $("play").textContent = "Play";
    $("play").setAttribute("aria-pressed", "false");
  }

  function play() {
    if (timer) return stop();
    if (state.round === state.trace.rounds.length) go(0);
    $("play").textContent = "Pause";
    $("play").setAttribute("aria-pressed", "true");
    timer = setInterval(() => {
      go(state.round + 1);
      if (state.round === state.trace.rounds.length) stop();
    }, 1300);
    return undefined;
  }

  function choose(trace) {
    stop();
    state.trace = trace;
    state.eve = links()[0] || [0, 0];
    const places = links().map(([a, b]) => new Option(`${name(a)} → ${name(b)}`, key(a, b)));
    $("eve-link").replaceChildren(...places);
    $("round").max = trace.rounds.length;
    $("what").textContent = trace.what;
    if ($("workers-label")) $("workers-label").textContent = trace.workers;
    go(0);
  }

  function listen() {
    ["click", "input", "change", "keydown"].forEach((kind) =>
      $("ring-card").addEventListener(kind, () => { touched = true; }, true),
    );
    window.addEventListener("hashchange", recall);
    $("step-back").addEventListener("click", () => { stop(); go(state.round - 1); });
    $("step-on").addEventListener("click", () => { stop(); go(state.round + 1); });
    $("play").addEventListener("click", play);
    $("round").addEventListener("input", (event) => { stop(); go(Number(event.target.value)); });
    $("eve-link").addEventListener("change", (event) => tap(event.target.value.split(">").map(Number)));
    $("eve-setup").addEventListener("change", (event) => { state.setup = event.target.checked; show(); });
    document.querySelectorAll("input[name=carrier]").forEach((input) =>
      input.addEventListener("change", () => { state.quantum = input.value === "qubits"; show(); }),
    );
    if ($("workers")) {
      $("workers").addEventListener("input", (event) =>
        choose(data.traces.find((trace) => trace.workers === Number(event.target.value))),
      );
    }
    document.addEventListener("keydown", (event) => {
      const busy = event.target.closest("input, select, button, summary, a");
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (busy && (event.key === " " || event.target.matches("input, select"))) return;
      const round = { ArrowLeft: state.round - 1, ArrowRight: state.round + 1, Home: 0, End: Infinity }[event.key];
      const inRing = busy ? busy.closest("#ring-card") : $("ring-card").contains(event.target);
      if (round !== undefined && (inRing || event.target === document.body)) {
        event.preventDefault();
        stop();
        go(round);
      } else if (event.key === " " && inRing) {
        event.preventDefault();
        play();
      }
    });
  }

  state.quantum = data.quantum;
  document.querySelectorAll("input[name=carrier]").forEach((input) => {
    input.checked = (input.value === "qubits") === data.quantum;
  });
  listen();
  choose(data.traces.find((trace) => trace.workers === 4) || data.traces[0]);
  recall();
})();
