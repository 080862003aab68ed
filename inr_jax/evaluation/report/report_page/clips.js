"use strict";
// The clips of one condition. What a clip holds is built when it is first opened.

const clips = (() => {
  const elements = new Map(); // clip to its <details>, of the condition shown
  const lanes = new WeakMap(); // <details> to its takes' elements, once built

  const opened = () => player.state.clip && elements.get(player.state.clip);
  const visible = () => [...elements].filter(([, e]) => !e.hidden).map(([clip]) => clip);

  function build(clip) {
    const details = copyOf("clip-template");
    nameInto(details.querySelector(".name"), clip.name);
    details.querySelector(".length").textContent = `${clip.seconds.toFixed(1)}\u202fs`;
    details.addEventListener("toggle", () => {
      if (details.open) fill(clip, details);
    });
    return details;
  }

  function fill(clip, details) {
    if (lanes.has(details)) return;
    const body = copyOf("takes-template");
    body.querySelector(".remarks").textContent = clip.remarks.join(" ");
    body.querySelector(".score-heads").append(...REPORT.metrics.map((m) => make("span", "", heading(m))));
    const bests = REPORT.metrics.map((m) =>
      bestShown(clip.takes.map((take) => take.scores[m.key]), m));
    const built = clip.takes.map((take, i) => buildTake(clip, take, i, bests));
    body.querySelector(".takes").append(...built);
    details.append(body);
    lanes.set(details, built);
    show();
  }

  function buildTake(clip, take, position, bests) {
    const lane = copyOf("take-template");
    nameInto(lane.querySelector(".method"), take.method);
    lane.querySelector("kbd").textContent = position < 10 ? (position + 1) % 10 : "";
    lane.querySelector(".pick").addEventListener("click", () => pick(clip, position));
    const image = lane.querySelector("img");
    image.src = `${take.path}.webp`;
    image.alt = `Spectrogram of ${take.method}`;
    drawWave(lane.querySelector(".wave"), take.waveform);
    lane.querySelector(".picture").addEventListener("click", (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      hear(clip, position);
      player.seek(((event.clientX - box.left) / box.width) * clip.seconds);
    });
    if (Object.keys(take.scores).length) fillScores(lane, take, bests);
    return lane;
  }

  function fillScores(lane, take, bests) {
    lane.querySelector(".scores").append(...REPORT.metrics.map((metric, i) => {
      const pair = make("div");
      const value = make("dd");
      fillScore(value, take.scores[metric.key], metric, bests[i]);
      pair.append(make("dt", "", heading(metric)), value);
      return pair;
    }));
  }

  function drawWave(svg, waveform) {
    const bytes = Int8Array.from(atob(waveform), (letter) => letter.charCodeAt(0));
    const columns = Array.from({ length: bytes.length / 2 }, (_, i) =>
      `M${i + 0.5} ${-bytes[2 * i + 1] - 1}V${-bytes[2 * i] + 1}`);
    svg.setAttribute("viewBox", `0 -128 ${columns.length} 256`);
    svg.firstElementChild.setAttribute("d", columns.join(""));
  }

  // Plays a take; the one that is heard already, it pauses.
  function pick(clip, take) {
    const heard = player.state.clip === clip && player.state.take === take;
    if (heard && !player.state.hidden) return player.toggle();
    hear(clip, take);
  }

  function hear(clip, take) {
    if (player.state.clip === clip) player.switchTo(take);
    else player.open(clip, take);
    if (!player.isPlaying()) player.play();
    tellTake(take);
  }

  function tellTake(take) {
    const { takes, name } = player.state.clip;
    announce(`${takes[take].method}, take ${take + 1} of ${takes.length}, ${name}`);
  }

  // Opens the clip that lies so many further on and goes on as before.
  function step(count) {
    const shownClips = visible();
    const clip = shownClips[shownClips.indexOf(player.state.clip) + count];
    if (!clip) return;
    const playing = player.isPlaying();
    const method = player.state.clip?.takes[player.state.take].method;
    opened()?.removeAttribute("open");
    select(clip, method);
    elements.get(clip).scrollIntoView({ block: "start" });
    if (playing) player.play();
    tellTake(player.state.take);
  }

  function select(clip, method) {
    const take = clip.takes.findIndex((each) => each.method === method);
    player.open(clip, Math.max(take, 0));
    elements.get(clip).open = true;
  }

  // Of another condition, the same clip and take are kept where they are there.
  function choose(condition) {
    const before = player.state;
    const method = before.clip?.takes[before.take].method;
    elements.clear();
    for (const clip of REPORT.clips) {
      if (clip.condition === condition) elements.set(clip, build(clip));
    }
    byId("clip-list").replaceChildren(...elements.values());
    const names = [...elements.keys()];
    const same = names.find((clip) => clip.name === before.clip?.name) ?? names[0];
    if (same) select(same, method);
    else player.pause();
    search(byId("search").value);
  }

  function search(text) {
    const sought = text.trim().toLowerCase();
    for (const [clip, element] of elements) {
      element.hidden = !clip.name.toLowerCase().includes(sought);
    }
    const count = visible().length;
    byId("found").textContent = sought ? `${count} of ${elements.size}` : `${elements.size}`;
  }

  function show() {
    for (const [clip, element] of elements) {
      const mine = clip === player.state.clip;
      element.classList.toggle("current", mine);
      for (const [i, lane] of (lanes.get(element) ?? []).entries()) {
        const heard = mine && i === player.state.take && !player.state.hidden;
        lane.classList.toggle("heard", heard);
        lane.classList.toggle("playing", heard && player.isPlaying());
        lane.querySelector(".pick").setAttribute("aria-pressed", heard);
        lane.querySelector(".letter").textContent = blind.letterOf(lane.querySelector(".method").textContent);
      }
    }
  }

  function moveCursor() {
    const share = player.position() / (player.duration() || 1);
    opened()?.style.setProperty("--at", share);
  }

  return { choose, search, step, hear, show, moveCursor };
})();
