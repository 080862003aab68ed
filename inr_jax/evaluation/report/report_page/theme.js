"use strict";
// Colours: those of the system until the reader chooses; before the page is drawn.

const theme = (() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;

  function kept() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // some browsers keep nothing for pages from disk
    }
  }

  function keep(name) {
    try {
      localStorage.setItem("theme", name);
    } catch {
      // as above
    }
  }

  function isDark() {
    return (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  }

  function choose(name) {
    root.dataset.theme = name;
    keep(name);
  }

  function connect(button) {
    const show = () => button.setAttribute("aria-pressed", isDark());
    button.addEventListener("click", () => {
      choose(isDark() ? "light" : "dark");
      show();
    });
    system.addEventListener("change", show);
    show();
  }

  if (["dark", "light"].includes(kept())) root.dataset.theme = kept();
  return { connect };
})();
