"use strict";
// Scores as text, and which one is the best.

const MINUS = "\u2212";

function shown(value, digits) {
  if (!Number.isFinite(value)) return "\u2013";
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", MINUS);
}

// The best of several, as it is shown: what looks equal is equally good.
function bestShown(values, metric) {
  const known = values.filter(Number.isFinite);
  const best = metric.lower ? Math.min : Math.max;
  return known.length > 1 ? shown(best(...known), metric.digits) : null;
}

function heading(metric) {
  return metric.lower ? `${metric.title} *` : metric.title;
}

function fillScore(element, value, metric, best) {
  const text = shown(value, metric.digits);
  const number = make("span", text === best ? "best" : "", text);
  element.append(number);
  if (text === best) element.append(make("span", "unseen", " best"));
}
