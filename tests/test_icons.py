"""The built book loads the icons that it shows, and those are the theme's."""

from diffad.publish.icons import icon_names, trimmed

THEME = (
    'x={bars:[448,512,["navicon"],"f0c9","M0 OUTLINE"],"arrow-up":[1,2,[],"f1","M1"]};'
    'y={"bars":[440,512,["navicon"],"f0c9","M0 FILLED"]}'
)


def test_names_are_read_from_the_classes_of_the_pages(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<i class="theme-switch fa-solid fa-sun  fa-lg"></i><span class="fas fa-arrow-up"></span> fa-gone'
    )
    assert icon_names([page]) == {"sun", "arrow-up"}


def test_the_filled_drawing_is_kept_and_the_rest_is_not():
    script, unknown = trimmed(THEME, {"bars", "nosuch"})
    assert "FILLED" in script and "OUTLINE" not in script and "arrow-up" not in script
    assert unknown == {"nosuch"}
