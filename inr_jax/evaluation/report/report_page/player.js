"use strict";
// One clip at a time: a sound for each of its takes, of which one is heard.

const player = (() => {
  const state = { clip: null, take: 0, hidden: false, matched: true, started: false };
  const listeners = [];
  const SETTLED_MS = 150;
  const MOST_LEAD_S = 0.25;
  let sounds = [];
  let lead = 0.03; // seconds that a sound takes to start, as learnt from switches

  const sound = () => sounds[state.take];
  const duration = () => state.clip?.seconds ?? 0;
  const position = () => Math.min(sound()?.currentTime ?? 0, duration());
  const isPlaying = () => Boolean(sound()) && !sound().paused && !sound().ended;

  function tell() {
    for (const listener of listeners) listener();
  }

  function makeSound(take) {
    const made = new Audio();
    made.preload = "none";
    made.src = `${take.path}.flac`;
    for (const name of ["play", "pause", "ended", "seeked"]) {
      made.addEventListener(name, tell);
    }
    made.addEventListener("error", () => {
      if (sounds.includes(made)) announceFailure(take);
    });
    return made;
  }

  function announceFailure(take) {
    byId("now-take").textContent = `cannot play ${take.path}.flac`;
    announce(byId("now-take").textContent);
  }

  function release() {
    const old = sounds;
    sounds = [];
    for (const gone of old) {
      gone.pause();
      gone.removeAttribute("src");
      gone.load();
    }
  }

  function open(clip, take) {
    release();
    Object.assign(state, { clip, take, hidden: false });
    sounds = clip.takes.map(makeSound);
    setVolumes();
    tell();
  }

  function setVolumes() {
    state.clip?.takes.forEach((take, i) => {
      sounds[i].volume = state.matched ? take.gain : 1;
    });
  }

  // Switching is instant only between sounds that are loaded.
  function loadAll() {
    for (const each of sounds) {
      if (each.preload !== "auto") each.preload = "auto";
    }
  }

  function play() {
    if (!sound()) return;
    state.started = true;
    loadAll();
    if (sound().ended) seek(0);
    sound().play().catch(ignoreAbort);
  }

  function pause() {
    for (const each of sounds) each.pause();
  }

  function toggle() {
    if (isPlaying()) pause();
    else play();
  }

  function seek(seconds) {
    if (!sound()) return;
    sound().currentTime = Math.min(Math.max(seconds, 0), duration());
    tell();
  }

  // The old sound goes on until the new one, started silently at the same position, runs.
  function switchTo(take, hidden = false) {
    if (!sounds[take]) return;
    const [from, to] = [sound(), sounds[take]];
    const playing = isPlaying();
    state.take = take;
    state.hidden = hidden;
    tell();
    if (from === to) return;
    if (playing && isPlaying()) return handOver(to);
    const position = from.ended ? 0 : from.currentTime;
    to.currentTime = position + (playing ? lead : 0);
    if (playing) startSilently(to, position);
  }

  function startSilently(to, position) {
    const since = performance.now();
    to.muted = true;
    const started = to.play().then(() => {
      handOver(to);
      setTimeout(() => learnLead(to, position, since), SETTLED_MS);
    }, ignoreAbort);
    started.finally(() => {
      to.muted = false;
    });
  }

  function learnLead(to, position, since) {
    const late = position + (performance.now() - since) / 1000 - to.currentTime;
    if (sound() !== to || !isPlaying() || Math.abs(late) > MOST_LEAD_S) return;
    lead = Math.min(Math.max(lead + late / 2, 0), MOST_LEAD_S);
  }

  function handOver(to) {
    const others = sounds.filter((each) => each !== sound());
    if (to === sound()) others.forEach((each) => each.pause());
    else to.pause();
    tell();
  }

  function setMatched(matched) {
    state.matched = matched;
    setVolumes();
    tell();
  }

  // A switch or a pause may overtake the start of a sound.
  function ignoreAbort(error) {
    if (error.name !== "AbortError") announce(error.message);
  }

  function onChange(listener) {
    listeners.push(listener);
  }

  return {
    state, open, play, pause, toggle, seek, switchTo, setMatched, onChange,
    isPlaying, position, duration,
  };
})();
