/* The atlas: show every cost at the size that is chosen, and open the entry that the address names. */
"use strict";

(() => {
  const values = JSON.parse(document.getElementById("trace-data").textContent);
  const size = document.getElementById("size");
  const show = () => {
    document.querySelectorAll(".claim").forEach((card) => {
      const at = values[card.id][Number(size.value)];
      card.classList.remove("holds", "corrected", "fails", "definition");
      const tones = { quantum: "holds", classical: "fails", nobody: "definition" };
      card.classList.add(tones[at.winner] || "corrected");
      card.querySelector("[data-winner]").textContent = at.winner;
      card.querySelectorAll("[data-cost]").forEach((cell) => { cell.textContent = at.costs[Number(cell.dataset.cost)]; });
    });
  };
  size.addEventListener("change", show);
  const open = () => {
    const named = location.hash && document.getElementById(location.hash.slice(1));
    if (named && named.matches(".claim")) named.open = true;
  };
  window.addEventListener("hashchange", open);
  show();
  open();
})();
