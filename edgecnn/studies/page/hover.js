// Shows what a mark of a figure stands for beside it: under the pointer, and under the keyboard's focus.
// Without this script each mark keeps its <title>, which a browser shows by itself after a while.
(() => {
  "use strict";
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // a mark's name says the same
  document.body.append(tip);

  let shown = null;
  const hide = () => { tip.hidden = true; shown = null; };
  const show = (spot) => {
    shown = spot;
    tip.textContent = spot.getAttribute("aria-label");
    tip.hidden = false;
    const box = spot.getBoundingClientRect(), room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    const above = box.top - tip.offsetHeight - 8;
    tip.style.left = `${Math.max(8, Math.min(room, box.left + box.width / 2 - tip.offsetWidth / 2))}px`;
    tip.style.top = `${above > 0 ? above : Math.min(box.bottom, innerHeight - tip.offsetHeight) + 8}px`;
  };

  for (const figure of document.querySelectorAll("svg")) {
    const spots = [...figure.querySelectorAll(".spot")];
    for (const [place, spot] of spots.entries()) {
      spot.querySelector("title")?.remove(); // or both would be shown
      spot.setAttribute("tabindex", place ? "-1" : "0"); // one stop a figure; the arrows go on from there
      spot.addEventListener("pointerenter", () => show(spot));
      spot.addEventListener("pointerleave", hide);
      spot.addEventListener("focus", () => show(spot));
      spot.addEventListener("blur", hide);
      spot.addEventListener("keydown", (event) => {
        const last = spots.length - 1;
        const to = { ArrowRight: place + 1, ArrowDown: place + 1, ArrowLeft: place - 1, ArrowUp: place - 1,
          Home: 0, End: last }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        const next = spots[Math.max(0, Math.min(last, to))];
        spot.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      });
    }
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  // The focus may have scrolled its mark into view: the words go with it.
  const follow = () => { if (shown && shown === document.activeElement) show(shown); else hide(); };
  addEventListener("scroll", follow, { passive: true, capture: true });
})();
