"""What a reader does with the built book: search, move sliders, change the theme."""

from pathlib import Path

import pytest
from built_book import book_folder
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser
EXPLORE = book_folder() / "book" / "chapters" / "explore.html"


@pytest.fixture
def page(browser: Browser):
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield context.new_page()


def test_a_search_finds_the_variational_lower_bound(page: Page):
    page.goto((book_folder() / "book" / "index.html").as_uri())
    page.keyboard.press("Control+k")
    field = page.locator("input[name=q]:visible").first
    field.fill("variational lower bound")
    field.press("Enter")
    expect(page.locator("#search-results li").first).to_be_visible(timeout=10_000)
    titles = page.locator("#search-results li a").all_inner_texts()
    assert any("variational lower bound" in title.lower() for title in titles), titles
    page.locator("#search-results li a", has_text="variational lower bound").first.click()
    page.wait_for_load_state("load")
    assert "variational lower bound" in page.locator("main").inner_text().lower()


def canvas(page: Page) -> str:
    return page.locator("figure.moving canvas").first.evaluate("each => each.toDataURL()")


def test_the_slider_through_the_forward_process_moves_the_picture(page: Page):
    page.goto(EXPLORE.as_uri())
    figure = page.locator("figure.moving[data-kind=process]")
    slider, said = figure.get_by_role("slider"), figure.locator("output")
    before, words = canvas(page), said.inner_text()
    slider.press("ArrowRight")
    assert canvas(page) != before and said.inner_text() != words
    slider.press("Home")
    clean = canvas(page)
    assert "t = 0 of" in said.inner_text() and "100.0 %" in said.inner_text()
    figure.get_by_role("combobox").select_option("linear")
    assert canvas(page) == clean, "untouched is untouched under any schedule"
    slider.press("PageUp")
    linear = canvas(page)
    figure.get_by_role("combobox").select_option("cosine")
    assert canvas(page) != linear
    assert slider.get_attribute("aria-valuetext") == said.inner_text()


def test_the_slider_through_noise_levels_moves_the_reconstructions(page: Page):
    page.goto(EXPLORE.as_uri())
    figure = page.locator("figure.moving[data-kind=frames]")
    slider, view, said = figure.get_by_role("slider"), figure.locator(".view"), figure.locator("output")
    before, words = view.screenshot(), said.inner_text()
    slider.press("ArrowRight")
    assert view.screenshot() != before and said.inner_text() != words and "AUROC" in words


def test_the_marks_speak_and_the_table_sorts(page: Page):
    page.goto(EXPLORE.as_uri())
    figure = page.locator("figure.moving[data-kind=scatter]")
    said, marks = figure.locator("output"), figure.locator("svg [data-set]")
    marks.nth(3).hover()
    assert said.inner_text() == marks.nth(3).get_attribute("aria-label")
    figure.locator("svg [tabindex='0']").focus()
    first = said.inner_text()
    page.keyboard.press("ArrowRight")
    assert said.inner_text() not in ("", first)
    everything = figure.locator("svg [data-set]:visible").count()
    choice = figure.get_by_role("combobox")
    choice.select_option(index=1)
    chosen = figure.locator("svg [data-set]:visible").count()
    assert 0 < chosen < everything
    figure.locator("summary").click()
    button = figure.get_by_role("button", name="evaluations")
    button.click()
    cells = figure.locator("tbody tr:visible td:last-child").all_inner_texts()
    assert len(cells) == chosen and [int(each) for each in cells] == sorted(map(int, cells), reverse=True)
    assert button.locator("xpath=..").get_attribute("aria-sort") == "descending"


def test_without_scripts_every_moving_figure_shows_a_picture(browser: Browser):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(EXPLORE.as_uri())
        for kind in ("process", "frames"):
            assert page.locator(f"figure.moving[data-kind={kind}] .still img").is_visible()
            assert not page.locator(f"figure.moving[data-kind={kind}] .controls").is_visible()
        assert page.locator("figure.moving[data-kind=scatter] svg").is_visible()


def test_the_theme_changes_by_its_button_and_stays(page: Page):
    page.goto((book_folder() / "book" / "index.html").as_uri())
    modes = set()
    for _ in range(3):
        page.locator("button.theme-switch-button:visible").first.click()
        modes.add(page.evaluate("document.documentElement.dataset.mode"))
    assert modes == {"light", "dark", "auto"}


def test_a_hidden_answer_opens(page: Page):
    page.goto(EXPLORE.as_uri())
    answer = page.locator(".admonition.dropdown").first
    words = answer.locator("p").last
    assert not words.is_visible()
    answer.locator(".admonition-title").click()
    expect(words).to_be_visible()


def test_the_notebook_of_the_page_is_beside_it():
    assert Path(book_folder() / "notebooks" / "explore.ipynb").is_file()
