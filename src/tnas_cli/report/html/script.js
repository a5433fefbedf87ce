
// Searching and sorting. Without this script the page has the same content.
// The address holds the search and the order, so that a link leads to the same view: #q=maml&sort=summary.3.desc
"use strict";
(() => {
  const found = [...document.querySelectorAll(".find")].map((element) => ({
    element,
    text: element.textContent.toLowerCase(),
  }));
  const closed = [...document.querySelectorAll("details:not([open])")];
  const tools = document.createElement("div");
  tools.className = "tools";
  tools.setAttribute("role", "search");
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "Search rows, captions, settings, commands";
  input.setAttribute("aria-label", input.placeholder);
  const count = document.createElement("output");
  tools.append(input, count);
  document.querySelector("header").after(tools);

  let sorted = null;
  const remember = () => {
    const state = new URLSearchParams();
    if (input.value.trim()) state.set("q", input.value.trim());
    if (sorted) state.set("sort", sorted);
    const text = state.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  };

  // Every word must occur, in any order.
  const search = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { element, text } of found) {
      const fits = words.every((word) => text.includes(word));
      element.classList.toggle("away", !fits);
      shown += fits;
    }
    for (const part of document.querySelectorAll("tbody.heading")) {
      part.classList.toggle("away", !part.nextElementSibling.querySelector("tr:not(.away)"));
    }
    for (const part of document.querySelectorAll("details, .figures, main section, main div.scroll:has(> table)")) {
      part.classList.toggle("away", words.length > 0 && !part.querySelector(".find:not(.away)"));
    }
    for (const heading of document.querySelectorAll("#figures > h3")) {
      heading.classList.toggle("away", heading.nextElementSibling.classList.contains("away"));
    }
    // A closed part must not hide what was found in it.
    for (const part of closed) part.open = words.length > 0;
    count.textContent = words.length ? `${shown} of ${found.length} found` : "";
  };

  const number = (text) => {
    const match = text.replaceAll(",", "").replace("−", "-").match(/^\W*?(-?\d+(\.\d+)?(e[-+]?\d+)?)/i);
    return match ? Number(match[1]) : NaN;
  };
  const compare = (a, b) => {
    const [x, y] = [number(a), number(b)];
    if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y || a.localeCompare(b);
    return a.localeCompare(b, undefined, { numeric: true });
  };

  const sort = (table, column, descending) => {
    const titles = [...table.tHead.rows[0].cells];
    titles.forEach((title, index) => {
      if (index === column) title.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else title.removeAttribute("aria-sort");
    });
    for (const body of table.tBodies) {
      if (body.classList.contains("heading")) continue;
      const rows = [...body.rows].map((row) => ({ row, text: row.cells[column].textContent.trim() }));
      // Empty cells stay last, whichever way the others go.
      rows.sort((a, b) => {
        if (!a.text || !b.text) return (a.text ? 0 : 1) - (b.text ? 0 : 1);
        return descending ? compare(b.text, a.text) : compare(a.text, b.text);
      });
      body.append(...rows.map(({ row }) => row));
    }
    sorted = `${table.id}.${column}.${descending ? "desc" : "asc"}`;
  };

  for (const table of document.querySelectorAll("table")) {
    [...table.tHead.rows[0].cells].forEach((title, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...title.childNodes);
      title.append(button);
      button.addEventListener("click", () => {
        sort(table, column, title.getAttribute("aria-sort") === "ascending");
        remember();
      });
    });
  }
  input.addEventListener("input", () => {
    search();
    remember();
  });

  const restore = () => {
    // Links to sections have no "=".
    if (!location.hash.includes("=")) return;
    const state = new URLSearchParams(location.hash.slice(1));
    input.value = state.get("q") ?? "";
    search();
    const [id, column, direction] = (state.get("sort") ?? "").split(".");
    const table = document.getElementById(id);
    if (table?.tHead?.rows[0].cells[Number(column)]) sort(table, Number(column), direction === "desc");
  };
  addEventListener("hashchange", restore);
  restore();
})();
