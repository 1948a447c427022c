/* The list of claims: show those with one verdict, and open the one that the address names. */
"use strict";

(() => {
  const buttons = [...document.querySelectorAll(".filters button")];
  const claims = [...document.querySelectorAll(".claim")];
  buttons.forEach((button) =>
    button.addEventListener("click", () => {
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      const wanted = button.dataset.verdict;
      claims.forEach((claim) => { claim.hidden = Boolean(wanted) && !claim.classList.contains(wanted); });
    }),
  );
  const open = () => {
    const named = location.hash && document.getElementById(location.hash.slice(1));
    if (named && named.matches(".claim")) named.open = true;
  };
  window.addEventListener("hashchange", open);
  open();
})();
