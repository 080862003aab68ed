"use strict";
// Elements. Names come from files of anyone: text is only ever set as text.

const byId = (id) => document.getElementById(id);

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

// A name that may break behind its underscores.
function nameInto(element, name) {
  const parts = name.split(/(?<=[_/-])/);
  element.replaceChildren(...parts.flatMap((part) => [part, make("wbr")]));
  return element;
}

function copyOf(templateId) {
  return byId(templateId).content.firstElementChild.cloneNode(true);
}

function options(select, names) {
  select.replaceChildren(...names.map((name) => new Option(name, name)));
}

function announce(text) {
  byId("live").textContent = text;
}

function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return `${Math.floor(tenths / 600)}:${rest}`;
}
