"""A report in a headless Chromium, opened from disk as a reader opens it."""

import re
import shutil
import time

import numpy as np
import pytest
from conftest import CLIPS

from inr_jax import audio, noise, report, tables

CONDITIONS = ("white, 0 dB, seed 0", "white, 5 dB, seed 0")
METHODS = ("noisy", "quiet", "log_mmse")
EVIL = '<img src=x onerror="window.harmed = 1"> \'"&'
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--no-sandbox", "--autoplay-policy=no-user-gesture-required")
# Keeps every sound that the page makes, to look at.
KEEP_SOUNDS = """
window.sounds = [];
window.Audio = class extends Audio {
  constructor(...given) { super(...given); window.sounds.push(this); }
};
"""


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install -e '.[test]'"
    )
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    if binary is None:
        pytest.skip(f"needs a Chromium: none of {', '.join(BROWSERS)} is installed")
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=binary, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """A report of three clips in two conditions."""
    return report.write(
        tmp_path_factory.mktemp("page") / "report",
        EVIL,
        [table_row(c, i) for c in CONDITIONS for i in range(len(METHODS))],
        [
            clip(path, c)
            for c in CONDITIONS
            for path in sorted(CLIPS.glob("*.flac"))[:3]
        ],
        f"First.\n\n{EVIL}",
    )


def table_row(condition, position):
    """SSNR rises with the position, STOI falls; noisy lacks COVL; the rest is alike."""
    row = {"condition": condition, "method": METHODS[position], "clips": 3}
    row |= dict.fromkeys((key for key, *_ in tables.SHOWN), 1.0)
    row |= {"ssnr": position - 1.5 + 10 * CONDITIONS.index(condition)}
    row |= {"covl": (np.nan, 2.0, 1.0)[position]}
    row |= {"stoi": 0.9 - position / 10, "ssnr_low": 0.5, "ssnr_high": 1.5}
    return row


def clip(path, condition):
    recording = audio.read(path)
    clean = recording.samples[: 3 * recording.sample_rate]
    noisy = noise.add_white(clean, 0, snr_db=0)
    takes = [("noisy", noisy), ("quiet", clean / 4), ("log_mmse", 0.8 * noisy)]
    scored = [
        report.Take(method, samples, dict.fromkeys(["ssnr", "stoi"], float(i)))
        for i, (method, samples) in enumerate(takes)
    ]
    name = f"{path.stem} {EVIL}" if path.stem == "forecast" else path.stem
    scored.insert(0, report.Take("clean", clean, {}))
    return report.ClipReport(name, condition, recording.sample_rate, scored)


@pytest.fixture(scope="module")
def tab(browser):
    """A tab, and lists of what it complains of and asks for."""
    opened = browser.new_page()
    complaints, requests = [], []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: requests.append(request.url))
    opened.add_init_script(KEEP_SOUNDS)
    return opened, complaints, requests


@pytest.fixture
def page(tab, index):
    """The page, which must end without an error and without a request to a network."""
    opened, complaints, requests = tab
    complaints.clear()
    requests.clear()
    opened.set_viewport_size({"width": 1280, "height": 900})
    opened.goto(index.as_uri())
    yield opened
    assert complaints == []
    assert requests and all(url.startswith(("file:", "data:")) for url in requests)


def running(page):
    """Sources and volumes of the sounds that are heard."""
    return page.evaluate(
        "sounds.filter((s) => !s.paused && !s.muted)"
        ".map((s) => [s.src.split('/').at(-1), s.volume])"
    )


def plays(page, take, clip=0):
    """Waits until this take, and no other, is heard."""
    page.wait_for_function(
        "(name) => { const on = sounds.filter((s) => !s.paused);"
        " return on.length === 1 && !on[0].muted && on[0].src.endsWith(name)"
        " && on[0].currentTime > 0.05 && !on[0].error; }",
        arg=f"{clip:04d}-{take:02d}.flac",
        timeout=10_000,
    )


def built(page, takes):
    """Waits until the page has so many takes; an opened clip builds its own a bit later."""
    page.wait_for_function(
        "(count) => document.querySelectorAll('.take').length === count", arg=takes
    )


def column(page, position):
    return page.locator(f"#table tbody tr > :nth-child({position})").all_inner_texts()


def test_names_and_notes_are_text(page):
    assert page.title() == page.locator("h1").inner_text() == EVIL
    assert page.locator("#notes p").all_inner_texts() == ["First.", EVIL]
    names = page.locator("summary .name").all_inner_texts()
    assert names == [f"forecast {EVIL}", "harbour", "letter"]
    page.get_by_role("button", name="A/B/X").click()
    assert page.evaluate("window.harmed") is None
    assert page.locator("img[src='x']").count() == 0


def test_nothing_is_built_or_loaded_before_it_is_wanted(page):
    assert page.locator("details[open]").count() == 1
    built(page, 4)
    assert page.evaluate("sounds.every((s) => s.preload === 'none' && !s.readyState)")
    page.locator("summary").nth(1).click()
    built(page, 8)


def test_every_take_of_every_clip_plays(page):
    for summary in page.locator("summary").all()[1:]:
        summary.click()
    built(page, 12)
    for i in range(3):
        for take, button in enumerate(
            page.locator("details").nth(i).locator(".pick").all()
        ):
            button.click()
            plays(page, take, i)
            assert button.get_attribute("aria-pressed") == "true"
    page.locator("#condition").select_option(CONDITIONS[1])
    page.locator("#play").click()
    plays(page, 3, 5)  # the same clip and method of the other condition


def test_pictures_load(page):
    page.wait_for_function(
        "[...document.images].every((i) => i.complete && i.naturalWidth > 100)"
    )
    assert page.locator("details .wave path").first.get_attribute("d").count("M") == 300


def test_switching_keeps_the_position(page):
    """It moves on as the clock does, over several switches."""
    now = "[player.position(), performance.now() / 1000]"
    page.locator("#play").click()
    plays(page, 0)
    page.evaluate("player.seek(1)")
    first = page.evaluate(now)
    for key, take in (("3", 2), ("1", 0), ("4", 3)):
        page.keyboard.press(key)
        plays(page, take)
    last = page.evaluate(now)
    moved, passed = np.subtract(last, first)
    assert last[0] > first[0] >= 1 and abs(moved - passed) < 0.4
    page.keyboard.press("Space")
    rest = page.evaluate("(player.pause(), player.switchTo(0), player.position())")
    assert rest >= last[0] and running(page) == []
    page.wait_for_timeout(100)
    assert page.evaluate("player.position()") == pytest.approx(rest, abs=1e-3)
    page.keyboard.press("3")  # goes on from here
    plays(page, 2)
    assert rest < page.evaluate("player.position()") < rest + 1


def test_hasty_switches_end_in_one_sound(page):
    page.locator("#play").click()
    plays(page, 0)
    for key in "2314":
        page.keyboard.press(key)
    plays(page, 3)
    page.keyboard.press("2")
    page.keyboard.press("Space")  # before it runs
    time.sleep(0.3)
    assert running(page) == []
    page.keyboard.press("Space")
    plays(page, 1)


def test_the_cursor_moves_along(page):
    page.locator("#play").click()
    plays(page, 0)
    lefts = []
    for _ in range(2):
        lefts.append(page.locator(".cursor").first.bounding_box()["x"])
        time.sleep(0.3)
    assert lefts[1] > lefts[0] + 10
    picture = page.locator(".picture").nth(2)
    picture.click(position={"x": picture.bounding_box()["width"] / 2, "y": 20})
    plays(page, 2)
    assert 1.4 < page.evaluate("player.position()") < 2.4


def test_loudness_is_matched_and_can_be_left(page):
    page.locator("#play").click()
    plays(page, 0)
    ((_, matched),) = running(page)
    assert 0.2 < matched < 0.3  # clean, beside a take a quarter as loud
    page.keyboard.press("l")
    assert running(page) == [["0000-00.flac", 1]]
    page.keyboard.press("3")
    plays(page, 2)
    page.keyboard.press("l")
    assert running(page) == [["0000-02.flac", 1]]


def test_sorting_sorts(page):
    ssnr = page.get_by_role("button", name="SSNR dB")
    head = page.locator("th[data-key=ssnr]")
    assert column(page, 1) == list(METHODS)
    assert head.get_attribute("aria-sort") == "none"
    ssnr.click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(page, 1) == list(reversed(METHODS))
    ssnr.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, 1) == list(METHODS)
    page.get_by_role("button", name="Method").click()
    assert head.get_attribute("aria-sort") == "none"
    assert column(page, 1) == sorted(METHODS)
    page.get_by_role("button", name="COVL").click()
    assert column(page, 1) == ["quiet", "log_mmse", "noisy"]  # noisy has none


def test_the_best_is_marked_for_eyes_and_ears(page):
    bests = page.locator("#table td:has(.best)").all_text_contents()
    assert [text for text in bests if text.startswith(("0.50", "0.900"))] == [
        "0.900 best",
        "0.50 best+0.50 to +1.50",
    ]
    weight = "(e) => getComputedStyle(e).fontWeight"
    assert int(page.locator(".best").first.evaluate(weight)) >= 600
    assert column(page, 2)[0] == "\N{MINUS SIGN}1.50"
    page.get_by_label("difference from noisy").check()
    assert "+0.50 to +1.50" in column(page, 2)[2]


def test_the_condition_changes_table_and_clips(page):
    page.get_by_label("Condition").select_option(CONDITIONS[1])
    assert column(page, 2)[0].startswith("8.50")
    assert page.locator("#clips-condition").inner_text() == CONDITIONS[1]
    image = page.locator("details img").first
    assert image.get_attribute("src") == "sounds/0003-00.webp"


def test_search(page):
    page.keyboard.press("/")
    page.keyboard.type("LEtter")
    assert page.locator("summary .name:visible").all_inner_texts() == ["letter"]
    assert page.locator("#found").inner_text() == "1 of 3"
    page.keyboard.press("2")  # is text here
    assert page.locator("#search").input_value() == "LEtter2"
    assert page.locator(".take").first.get_attribute("class") == "take heard"


def test_keyboard(page):
    page.keyboard.press("ArrowDown")  # scrolls, as nothing has played yet
    assert page.locator("#now-clip").inner_text().startswith("forecast")
    page.keyboard.press("Space")
    plays(page, 0)
    page.keyboard.press("ArrowDown")
    plays(page, 0, 1)
    assert page.locator("details[open] summary .name").inner_text() == "harbour"
    page.keyboard.press("4")
    plays(page, 3, 1)
    assert page.locator("#live").inner_text() == "log_mmse, take 4 of 4, harbour"
    page.keyboard.press("Space")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("player.position()") == pytest.approx(2, abs=0.01)
    page.keyboard.press("ArrowUp")
    assert page.locator("#now-take").inner_text() == "log_mmse"
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_blind_test(page):
    """X is one of the two, the page does not show which, and answers are counted."""
    page.keyboard.press("x")
    page.wait_for_function("sounds.some((s) => !s.paused && s.currentTime > 0.05)")
    assert page.locator("#now-take").inner_text() == "X"
    assert page.locator(".heard, .pick[aria-pressed=true]").count() == 0
    truth = right = 0
    for count in range(1, 5):
        page.keyboard.press("x")
        page.wait_for_function("sounds.some((s) => !s.paused && !s.muted)")
        ((source, _),) = running(page)
        truth = {"0000-01.flac": "A", "0000-03.flac": "B"}[source]
        answer = truth if count != 2 else "AB"[truth == "A"]
        page.keyboard.press(f"Shift+{answer}")
        right += answer == truth
        assert page.locator("#verdict").inner_text().endswith(f"X was {truth}.")
        assert running(page) == []
    # at least 3 of 4: 5 of 16 ways
    tally = page.locator("#tally").inner_text().replace("\N{NO-BREAK SPACE}", " ")
    assert tally == "3 of 4 right, p = 0.313"
    page.keyboard.press("Shift+A")  # nothing new was heard
    assert page.locator("#tally").inner_text().startswith("3 of 4")
    page.locator("#blind-a").select_option("clean")
    assert "Hear X" in page.locator("#tally").inner_text()
    page.keyboard.press("a")
    plays(page, 0)
    page.keyboard.press("b")
    plays(page, 3)


def test_hidden_takes_are_drawn_evenly(page):
    drawn = page.evaluate(
        """Array.from({ length: 400 }, () => {
          blind.hear("x");
          const take = player.state.take;
          blind.answer("a");
          return take;
        })"""
    )
    assert set(drawn) == {1, 3} and 140 < drawn.count(1) < 260


def test_a_narrow_screen_is_usable(page):
    page.set_viewport_size({"width": 390, "height": 844})
    wide = page.evaluate(
        "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
    )
    assert wide <= 390
    page.locator(".pick").nth(2).click()
    plays(page, 2)
    page.locator("#blind-toggle").click()
    for name in ("#play", "#position", "#matched", "#hear-x", "#answer-b"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, name
        assert box["y"] + box["height"] <= 844, name
    box = page.locator(".pick").nth(2).bounding_box()
    assert box["height"] >= 44 and box["width"] > 300


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_dark_and_light(page, scheme):
    """As the system has it, until the reader chooses, which is kept."""

    def is_dark():
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness = sum(map(int, re.findall(r"\d+", colour)[:3]))
        assert brightness < 200 or brightness > 600
        return brightness < 200

    page.emulate_media(color_scheme=scheme)
    assert is_dark() == (scheme == "dark")
    button = page.get_by_role("button", name="Dark colours")
    assert button.get_attribute("aria-pressed") == str(is_dark()).lower()
    button.click()
    assert is_dark() == (scheme == "light")
    page.reload()
    assert is_dark() == (scheme == "light")
    page.evaluate("localStorage.clear()")


def test_every_control_has_a_name(page):
    page.locator("#blind-toggle").click()
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, select")].filter((e) =>
          !e.innerText.trim() && !e.ariaLabel && !e.labels?.length).map((e) => e.id)"""
    )
    assert nameless == []
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
