"use strict";
// Puts the parts together.

(() => {
  let frame = 0;

  function showText() {
    document.title = REPORT.title;
    byId("title").textContent = REPORT.title;
    const paragraphs = REPORT.notes.split(/\n\s*\n/).filter((text) => text.trim());
    byId("notes").append(...paragraphs.map((text) => make("p", "", text.trim())));
  }

  function chooseCondition(name) {
    byId("clips-condition").textContent = name;
    table.choose(name);
    clips.choose(name);
  }

  function startConditions() {
    const named = [...REPORT.table, ...REPORT.clips].map((each) => each.condition);
    const conditions = [...new Set(named)];
    options(byId("condition"), conditions);
    byId("condition").addEventListener("change", (event) => chooseCondition(event.target.value));
    if (conditions.length) chooseCondition(conditions[0]);
  }

  function showPlayer() {
    const { clip, take, hidden } = player.state;
    if (!clip) return;
    byId("now-take").textContent = hidden ? "X" : clip.takes[take].method;
    byId("now-clip").textContent = clip.name;
    byId("length").textContent = clock(clip.seconds);
    byId("position").max = clip.seconds;
    byId("play").setAttribute("aria-label", player.isPlaying() ? "Pause" : "Play");
    document.body.classList.toggle("playing", player.isPlaying());
    clips.show();
    follow();
  }

  function showPosition() {
    const seconds = player.position();
    byId("elapsed").textContent = clock(seconds);
    byId("position").value = seconds;
    byId("position").setAttribute("aria-valuetext", `${seconds.toFixed(1)} seconds`);
    clips.moveCursor();
  }

  function follow() {
    cancelAnimationFrame(frame);
    showPosition();
    if (player.isPlaying()) frame = requestAnimationFrame(follow);
  }

  function startPlayer() {
    player.onChange(showPlayer);
    byId("play").addEventListener("click", player.toggle);
    byId("previous").addEventListener("click", () => clips.step(-1));
    byId("next").addEventListener("click", () => clips.step(1));
    byId("position").addEventListener("input", (event) => player.seek(Number(event.target.value)));
    byId("matched").addEventListener("change", (event) => {
      player.setMatched(event.target.checked);
      announce(event.target.checked ? "Loudness matched" : "Natural loudness");
    });
  }

  theme.connect(byId("theme"));
  showText();
  table.start();
  startPlayer();
  blind.start();
  startConditions();
  byId("search").addEventListener("input", (event) => clips.search(event.target.value));
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  keys.start();
})();
