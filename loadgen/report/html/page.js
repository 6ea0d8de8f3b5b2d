// Light and dark, tables that sort, code that copies. Everything is readable without it.
"use strict";
(() => {
  const dark = document.getElementById("dark"), button = document.querySelector(".theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => { try { return localStorage.getItem("loadgen-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("loadgen-theme", theme); } catch { /* a page from the disk may not */ } };
  let chosen = remembered();

  const isDark = () => (chosen ? chosen === "dark" : system.matches);
  function show() {
    dark.media = isDark() ? "screen" : "not all"; // what is printed is always light
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Show in light colours" : "Show in dark colours");
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    document.dispatchEvent(new Event("theme"));
  }
  button.hidden = false;
  button.addEventListener("click", () => { chosen = isDark() ? "light" : "dark"; remember(chosen); show(); });
  system.addEventListener("change", show);
  show();

  const key = (row, place) => {
    const cell = row.cells[place];
    return cell.dataset.key !== undefined ? Number(cell.dataset.key) : cell.textContent.trim();
  };
  const isNothing = (value) => value === "" || value === "-" || value === "–" || Number.isNaN(value);
  function compare(one, other) {
    if (isNothing(one) || isNothing(other)) return isNothing(one) - isNothing(other);
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other), "en", { numeric: true });
  }
  function sort(head) {
    const table = head.closest("table"), body = table.tBodies[0];
    const way = head.getAttribute("aria-sort") === "ascending" ? -1 : 1, place = head.cellIndex;
    const rows = [...body.rows].map((row) => [key(row, place), row]);
    rows.sort(([one], [other]) => (isNothing(one) || isNothing(other) ? compare(one, other) : way * compare(one, other)));
    body.append(...rows.map(([, row]) => row));
    for (const each of head.parentElement.cells) each.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
  }
  for (const head of document.querySelectorAll("table.sorts th")) {
    head.querySelector("button").addEventListener("click", () => sort(head));
  }

  async function copy(text) {
    if (navigator.clipboard) { try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed here */ } }
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
  for (const one of document.querySelectorAll(".copy")) {
    one.hidden = false;
    one.addEventListener("click", async () => {
      one.textContent = (await copy(one.parentElement.querySelector("code").textContent)) ? "Copied" : "Not copied";
      setTimeout(() => { one.textContent = "Copy"; }, 1500);
      one.focus();
    });
  }
})();
