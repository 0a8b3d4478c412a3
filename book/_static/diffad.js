/* What scrolls can be reached from the keyboard: wide formulas, tables and code. */
(() => {
  const wide = "main :is(div.math, mjx-container[display], pre, table, .pst-scrollable-table-container, .text_html)";
  const mark = () => document.querySelectorAll(wide).forEach((each) => {
    const scrolls = each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX !== "visible";
    if (scrolls) each.tabIndex = 0;
    else if (each.tabIndex === 0 && !each.hasAttribute("data-kept")) each.removeAttribute("tabindex");
  });
  addEventListener("load", mark);
  addEventListener("resize", mark);
})();
