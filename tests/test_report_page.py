"""What is heard on the page: takes, switching, loudness."""

import time

import numpy as np
import pytest
from browser import CONDITIONS, EVIL, built, plays, running

pytestmark = pytest.mark.slow


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
    # the clock of a browser without a sound card moves in steps
    page.wait_for_function(f"player.position() > {rest}")
    assert page.evaluate("player.position()") < rest + 1


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
