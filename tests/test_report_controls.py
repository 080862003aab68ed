"""What is done on the page: sorting, search, keys, the blind test, its looks."""

import re

import pytest
from browser import CONDITIONS, METHODS, column, plays, running

pytestmark = pytest.mark.slow


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
    page.get_by_role("button", name="over-attenuated *").click()
    lower = page.locator("th[data-key=over_attenuation]")
    assert lower.get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="COVL").click()
    assert column(page, 1) == ["quiet", "log_mmse", "noisy"]  # noisy has none


def test_the_best_is_marked_for_eyes_and_ears(page):
    bests = page.locator("#table td:has(.best)").all_text_contents()
    assert [text for text in bests if text.startswith(("0.50", "0.900", "0.2"))] == [
        "0.900 best",
        "0.200 best",
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
