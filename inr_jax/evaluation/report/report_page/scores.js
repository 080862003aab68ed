"use strict";
// Scores as text, and which one is the best.

const MINUS = "\u2212";

function shown(value, digits) {
  if (!Number.isFinite(value)) return "\u2013";
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", MINUS);
}

// The best of several, as it is shown: what looks equal is equally good.
function bestShown(values, digits) {
  const known = values.filter(Number.isFinite);
  return known.length > 1 ? shown(Math.max(...known), digits) : null;
}

function fillScore(element, value, metric, best) {
  const text = shown(value, metric.digits);
  const number = make("span", text === best ? "best" : "", text);
  element.append(number);
  if (text === best) element.append(make("span", "unseen", " best"));
}
