"use strict";
// A/B/X: X is A or B, which is not told until it is answered.

const blind = (() => {
  const pair = { a: null, b: null }; // names of methods
  let hiddenLetter = null;
  let heardX = false;
  let [right, answers] = [0, 0];

  const canAnswer = () => heardX && pair.a !== pair.b;
  const isOpen = () => !byId("blind").hidden;

  function letterOf(method) {
    return [pair.a === method && "A", pair.b === method && "B"].filter(Boolean).join("");
  }

  function takeOf(letter) {
    const takes = player.state.clip?.takes ?? [];
    return takes.findIndex((take) => take.method === pair[letter]);
  }

  function draw() {
    hiddenLetter = Math.random() < 0.5 ? "a" : "b";
    heardX = false;
  }

  // Chance of at least this many right answers by guessing.
  function probability() {
    let [ways, sum] = [1, 0];
    for (let k = 0; k <= answers; k += 1) {
      if (k >= right) sum += ways;
      ways = (ways * (answers - k)) / (k + 1);
    }
    return sum / 2 ** answers;
  }

  function hear(letter) {
    if (letter === "x") return hearX();
    const take = takeOf(letter);
    if (take < 0) return announce(`This clip has no ${pair[letter]}`);
    clips.hear(player.state.clip, take);
  }

  function hearX() {
    setOpen(true);
    const take = takeOf(hiddenLetter);
    if (take < 0) return announce("This clip lacks A or B");
    heardX = true;
    player.switchTo(take, true);
    if (!player.isPlaying()) player.play();
    announce("X");
    show();
  }

  function answer(letter) {
    if (!isOpen() || !canAnswer()) return;
    player.pause();
    player.switchTo(takeOf(hiddenLetter));
    const correct = letter === hiddenLetter;
    answers += 1;
    right += correct ? 1 : 0;
    const verdict = `${correct ? "Right" : "Wrong"}: X was ${hiddenLetter.toUpperCase()}.`;
    byId("verdict").textContent = verdict;
    draw();
    show();
    announce(`${verdict} ${byId("tally").textContent}`);
  }

  function restart() {
    [right, answers] = [0, 0];
    byId("verdict").textContent = "";
    draw();
    if (player.state.hidden) player.pause();
    show();
  }

  function tally() {
    if (pair.a === pair.b) return "Choose two takes that differ.";
    if (!answers) return "Hear X, then say which it is.";
    const p = probability();
    return `${right} of ${answers} right, p\u00a0${p < 0.001 ? "<\u00a00.001" : `=\u00a0${p.toFixed(3)}`}`;
  }

  function show() {
    const { clip, take, hidden } = player.state;
    const method = clip?.takes[take].method;
    for (const letter of ["a", "b"]) {
      const heard = !hidden && method === pair[letter];
      byId(`hear-${letter}`).setAttribute("aria-pressed", heard);
      byId(`answer-${letter}`).disabled = !canAnswer();
      byId(`blind-${letter}`).value = pair[letter];
    }
    byId("hear-x").setAttribute("aria-pressed", hidden);
    byId("tally").textContent = tally();
  }

  function setOpen(open) {
    byId("blind").hidden = !open;
    byId("blind-toggle").setAttribute("aria-expanded", open);
    if (!open && player.state.hidden) player.pause();
    document.body.classList.toggle("with-blind", open);
  }

  function start() {
    const methods = [...new Set(REPORT.clips.flatMap((c) => c.takes.map((t) => t.method)))];
    pair.a = methods.includes("noisy") ? "noisy" : methods[0];
    pair.b = methods.findLast((method) => method !== pair.a) ?? pair.a;
    draw();
    for (const letter of ["a", "b"]) {
      const select = byId(`blind-${letter}`);
      options(select, methods);
      select.addEventListener("change", () => {
        pair[letter] = select.value;
        restart();
        clips.show();
      });
      byId(`answer-${letter}`).addEventListener("click", () => answer(letter));
    }
    for (const letter of ["a", "b", "x"]) {
      byId(`hear-${letter}`).addEventListener("click", () => hear(letter));
    }
    byId("blind-reset").addEventListener("click", restart);
    byId("blind-toggle").addEventListener("click", () => setOpen(!isOpen()));
    player.onChange(show);
    show();
  }

  return { start, hear, answer, letterOf };
})();
