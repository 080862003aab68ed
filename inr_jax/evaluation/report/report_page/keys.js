"use strict";
// The keyboard. What a focused control does with a key of its own, it goes on doing.

const keys = (() => {
  const SEEK_S = 2;

  const ACTIONS = {
    " ": () => player.toggle(),
    ArrowLeft: () => player.seek(player.position() - SEEK_S),
    ArrowRight: () => player.seek(player.position() + SEEK_S),
    ArrowUp: () => clips.step(-1),
    ArrowDown: () => clips.step(1),
    a: () => blind.hear("a"),
    b: () => blind.hear("b"),
    x: () => blind.hear("x"),
    A: () => blind.answer("a"),
    B: () => blind.answer("b"),
    l: () => byId("matched").click(),
    "/": () => byId("search").focus(),
    "?": () => byId("help").showModal(),
  };

  function isTyping(target) {
    return target.matches("select, input[type=search]");
  }

  function belongsTo(target, key) {
    if (key === " ") return target.matches("button, summary, input[type=checkbox]");
    if (!key.startsWith("Arrow")) return false;
    if (["ArrowUp", "ArrowDown"].includes(key) && !player.state.started) return true;
    return target.matches("input[type=range], .scroller");
  }

  function actionOf(key) {
    const digit = "1234567890".indexOf(key);
    if (digit < 0) return ACTIONS[key];
    return digit < (player.state.clip?.takes.length ?? 0)
      ? () => clips.hear(player.state.clip, digit)
      : undefined;
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    if (event.key === "Escape" && event.target === byId("search")) event.target.blur();
    if (isTyping(event.target) || belongsTo(event.target, event.key)) return;
    const action = player.state.clip || "/?".includes(event.key) ? actionOf(event.key) : undefined;
    if (!action) return;
    event.preventDefault();
    action();
  }

  function start() {
    document.addEventListener("keydown", onKey);
  }

  return { start };
})();
