// The page: what is pressed, and what is shown of it.

import { Player, decode } from "./clip.js";
import { start } from "./live.js";
import { Spectrogram, heightOf } from "./spectrogram.js";
import { Wav } from "./wav.js";

const RATE = 48000; // of the network; browsers resample to it
const COLUMNS = 480; // of live spectrograms, 7.7 s
const LABELS = { 500: "0.5", 2000: "2", 6000: "6", 16000: "16 kHz" };
const LOUDEST = 40; // of the slider: no limit
const SPEAK = "Speak. Below is what you say, and what a listener would hear.";
const SLOW = "This machine is too slow just now: late blocks are heard as recorded.";

const $ = (id) => document.getElementById(id);
const worker = new Worker("./worker.js", { type: "module" });
const sides = ["before", "after"].map((id) => side($(id)));
const decibels = (power) => 10 * Math.log10(power + 1e-10);

let hop;
let live; // the session of the microphone
let clip; // { name, channels, number }, and once it is denoised, player and after
let clips = 0;
let recording;
let loads = [];
let late = 0;
let lastLate = -Infinity; // when, in ms

// --- What is shown ---

function side(figure) {
  const picture = figure.querySelector(".picture");
  for (const [frequency, text] of Object.entries(LABELS)) {
    const label = document.createElement("span");
    label.ariaHidden = "true";
    label.textContent = text;
    label.style.bottom = `${100 * heightOf(+frequency)}%`;
    picture.append(label);
  }
  return {
    spectrogram: new Spectrogram(figure.querySelector("canvas"), RATE),
    meter: figure.querySelector(".meter"),
    output: figure.querySelector("output"),
    head: figure.querySelector(".head"),
    power: 0,
  };
}

function say(text, isWarning = false) {
  if ($("message").textContent === text) return;
  $("message").textContent = text;
  $("message").classList.toggle("warning", isWarning);
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function measure(one, block) {
  let power = 0;
  for (const x of block) power += x * x;
  power /= block.length;
  one.power = power > one.power ? power : 0.9 * one.power + 0.1 * power; // falls slowly
}

function showLevels() {
  for (const { power, meter, output } of sides) {
    const level = Math.max(-80, Math.min(0, decibels(power)));
    meter.firstElementChild.style.transform = `scaleX(${(level + 80) / 80})`;
    meter.ariaValueNow = Math.round(level);
    output.textContent = power > 1e-8 ? `${Math.round(level)} dB`.replace("-", "−") : "–";
  }
}

function showFigures() {
  $("latency").textContent = live ? `${Math.round(1000 * live.latency())} ms` : "–";
  $("late").textContent = live ? late : "–";
  $("late").classList.toggle("warning", Boolean(live && late));
  const sorted = Float64Array.from(live ? loads : []).sort();
  const share = (quantile) => {
    if (!sorted.length) return "–";
    const ms = sorted[Math.floor(quantile * (sorted.length - 1))];
    return `${((100 * ms * RATE) / 1000 / hop).toFixed(0)} %`;
  };
  $("load").textContent = share(0.5);
  $("peak").textContent = share(0.99);
  if (recording) $("record").textContent = `Stop, ${clock(recording.seconds)}`;
  if (live) {
    const isSlow = performance.now() - lastLate < 5000;
    say(isSlow ? SLOW : SPEAK, isSlow);
  }
}

function showTime(seconds, playing) {
  const { duration } = clip.player;
  $("play").textContent = playing ? "Pause" : "Play";
  $("position").value = seconds / duration;
  $("position").ariaValueText = `${clock(seconds)} of ${clock(duration)}`;
  $("time").textContent = `${clock(seconds)} of ${clock(duration)}`;
  sides.forEach(({ head }) => (head.style.left = `${(100 * seconds) / duration}%`));
  if (playing) {
    const from = Math.floor(seconds * RATE);
    const dry = dryShare();
    const before = clip.channels[0].subarray(from, from + hop);
    const wet = clip.after[0].subarray(from, from + hop);
    if (before.length < hop) return;
    measure(sides[0], before);
    measure(sides[1], wet.map((x, n) => dry * before[n] + (1 - dry) * x));
    showLevels();
  }
}

// --- What is heard ---

function limitShare() {
  const limit = +$("limit").value;
  return limit < LOUDEST ? 10 ** (-limit / 20) : 0;
}

function dryShare() {
  return $("denoise").ariaChecked === "true" ? limitShare() : 1;
}

function apply() {
  const limit = +$("limit").value;
  const text = limit < LOUDEST ? `${limit} dB` : "all";
  $("limit-text").textContent = $("limit").ariaValueText = text;
  live?.setDry(dryShare());
  live?.setHeard($("hear").ariaChecked === "true");
  clip?.player?.setDry(dryShare());
}

// --- The microphone ---

async function startLive() {
  closeClip();
  $("microphone").disabled = true;
  say("Waiting for the microphone…");
  try {
    loads = [];
    late = 0;
    lastLate = -Infinity;
    const session = await start({ rate: RATE, hop, worker, onBlock });
    closeClip(); // one that was opened while the microphone was asked for
    live = session;
    session.ended.then(() => live === session && stopLive("The microphone is gone."));
  } catch (error) {
    say(reason(error), true);
    return;
  } finally {
    $("microphone").disabled = false;
  }
  for (const one of sides) one.spectrogram.clear(COLUMNS);
  $("stage").classList.remove("empty");
  $("name").textContent = "Microphone";
  $("time").textContent = "";
  $("microphone-text").textContent = "Stop microphone";
  $("record").hidden = $("hear").hidden = false;
  apply();
}

function reason(error) {
  const reasons = {
    NotAllowedError: "The microphone is not allowed. Allow it for this page, then start again.",
    NotFoundError: "There is no microphone.",
    NotReadableError: "The microphone is in use by another program.",
    NotSupportedError: `This browser cannot resample the microphone. Set the device to ${RATE / 1000} kHz.`,
  };
  return reasons[error.name] ?? `The microphone does not start: ${error.message ?? error}`;
}

async function stopLive(text = "") {
  const session = live;
  live = undefined;
  if (recording) stopRecording();
  $("microphone-text").textContent = "Start microphone";
  $("record").hidden = $("hear").hidden = true;
  say(text);
  await session.stop();
  showFigures();
}

function onBlock(data) {
  if (!live) return;
  [data.before, data.after].forEach((block, i) => {
    measure(sides[i], block);
    if (!document.hidden) sides[i].spectrogram.push(block);
  });
  recording?.add([data.after]);
  if (data.late > late) lastLate = performance.now();
  late = data.late;
}

// --- Files ---

async function openFile(file) {
  if (live) await stopLive();
  closeClip();
  const number = ++clips;
  $("name").textContent = file.name;
  say("Reading…");
  let channels;
  try {
    channels = await decode(file, RATE);
  } catch {
    say(`This browser cannot read ${file.name}.`, true);
    return;
  }
  if (number !== clips) return;
  clip = { name: file.name, channels, number };
  $("stage").classList.remove("empty");
  const columns = Math.max(60, Math.min(960, Math.floor(channels[0].length / hop)));
  sides[0].spectrogram.show(channels, columns);
  sides[1].spectrogram.clear(columns);
  worker.postMessage({ type: "clip", channels, number });
}

function onClip(after) {
  clip.after = after;
  clip.player = new Player(clip.channels, after, RATE, showTime);
  sides[1].spectrogram.show(after, sides[1].spectrogram.canvas.width);
  $("transport").hidden = false;
  for (const { head } of sides) head.hidden = false;
  $("save").hidden = false;
  apply();
  showTime(0, false);
  say("Done. Switch between before and after while it plays.");
}

function closeClip() {
  clip?.player?.close();
  clip = undefined;
  clips++;
  $("transport").hidden = true;
  for (const { head } of sides) head.hidden = true;
  $("save").hidden = true;
  $("time").textContent = "";
}

// --- Saving ---

function stopRecording() {
  const made = recording;
  recording = undefined;
  $("record").classList.remove("on");
  $("record").textContent = "Record";
  if (made.length) download(made, "recording denoised.wav");
}

function saveClip() {
  const dry = limitShare();
  const mixed = clip.channels.map((before, i) =>
    clip.after[i].map((x, n) => dry * before[n] + (1 - dry) * x),
  );
  const stem = clip.name.replace(/\.[^.]*$/, "");
  download(new Wav(RATE).add(mixed), `${stem} denoised.wav`);
}

function download(made, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(made.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// --- What is pressed ---

for (const id of ["denoise", "hear"]) {
  $(id).addEventListener("click", () => {
    $(id).ariaChecked = String($(id).ariaChecked !== "true");
    apply();
  });
}
$("limit").addEventListener("input", apply);
$("microphone").addEventListener("click", () => (live ? stopLive() : startLive()));
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  if ($("file").files.length) openFile($("file").files[0]);
  $("file").value = "";
});
$("play").addEventListener("click", () =>
  clip.player.playing ? clip.player.pause() : clip.player.play(),
);
$("position").addEventListener("input", () =>
  clip.player.seek($("position").value * clip.player.duration),
);
$("record").addEventListener("click", () => {
  if (recording) return stopRecording();
  recording = new Wav(RATE);
  $("record").classList.add("on");
});
$("save").addEventListener("click", saveClip);

addEventListener("dragover", (event) => {
  event.preventDefault();
  $("dropzone").hidden = !hop;
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("dropzone").hidden = true;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  $("dropzone").hidden = true;
  const [file] = event.dataTransfer.files;
  if (file && hop) openFile(file);
});

worker.onerror = () => say("The network does not start in this browser.", true);
worker.onmessage = ({ data }) => {
  if (data.type === "ready") {
    hop = data.hop;
    $("microphone").disabled = $("open").disabled = false;
    say("Ready.");
  } else if (data.type === "load") {
    loads.push(data.ms);
    if (loads.length > 1000) loads.shift();
  } else if (data.type === "error") {
    const text = `The network does not run here: ${data.text}`;
    if (live) stopLive(text);
    say(text, true);
  } else if (data.number === clip?.number) {
    if (data.type === "clip") onClip(data.channels);
    else say(`Denoising, ${Math.floor(100 * data.done)} %`);
  }
};
worker.postMessage({ type: "load" });

setInterval(showFigures, 500);
(function draw() {
  if (live) showLevels();
  requestAnimationFrame(draw);
})();
