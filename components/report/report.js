"use strict";
// The embedding map: a card with the image beside the pointer, and classes that can be picked out.
(function () {
  const map = document.querySelector(".map");
  if (map) {
    const points = JSON.parse(document.getElementById("map-points").textContent);
    const circles = Array.from(map.querySelectorAll("circle"));
    const tip = map.querySelector(".tip");
    const picture = tip.querySelector(".thumb");
    const lines = tip.querySelector("div");
    let chosen = null;

    function line(text, style) {
      const element = document.createElement("div");
      element.textContent = text;
      if (style) element.className = style;
      lines.append(element);
    }

    function show(circle) {
      if (chosen) chosen.classList.remove("chosen");
      chosen = circle;
      circle.classList.add("chosen");
      const point = points[circles.indexOf(circle)];
      lines.replaceChildren();
      line(point.label);
      if (point.predicted !== null) {
        const isRight = point.predicted === point.label;
        line(isRight ? "classified rightly" : "taken for " + point.predicted, isRight ? "ok" : "off");
      }
      if (picture) {
        picture.hidden = point.cell === null;
        if (point.cell !== null) picture.style.cssText = point.cell;
      }
      tip.hidden = false;
      const frame = map.getBoundingClientRect();
      const box = circle.getBoundingClientRect();
      const left = box.left - frame.left + box.width + 8;
      const top = box.top - frame.top - tip.offsetHeight / 2;
      tip.style.left = Math.max(0, left + tip.offsetWidth > frame.width ? left - tip.offsetWidth - box.width - 16 : left) + "px";
      tip.style.top = Math.min(Math.max(0, top), frame.height - tip.offsetHeight) + "px";
    }

    function hide() {
      tip.hidden = true;
      if (chosen) chosen.classList.remove("chosen");
      chosen = null;
    }

    map.addEventListener("pointerover", (event) => {
      if (event.target.tagName === "circle") show(event.target);
    });
    map.addEventListener("pointerleave", hide);
    map.addEventListener("click", (event) => (event.target.tagName === "circle" ? show(event.target) : hide()));
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

    const chips = Array.from(document.querySelectorAll(".chips button"));
    chips.forEach((chip) =>
      chip.addEventListener("click", () => {
        const isOn = chip.getAttribute("aria-pressed") !== "true";
        chips.forEach((other) => other.setAttribute("aria-pressed", String(other === chip && isOn)));
        const label = chip.dataset.label;
        circles.forEach((circle, index) => circle.classList.toggle("dim", isOn && points[index].label !== label));
      })
    );
  }
  // On paper, everything is open.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    opened.forEach((details) => (details.open = true));
  });
  window.addEventListener("afterprint", () => opened.forEach((details) => (details.open = false)));
})();
