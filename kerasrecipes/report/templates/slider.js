"use strict";
{
  const box = document.getElementById("thresholds");
  const data = JSON.parse(document.getElementById("threshold-data").textContent);
  const part = (name) => box.querySelector(`[data-part="${name}"]`);
  const [which, slider, exact, back] = ["which", "slider", "exact", "back"].map(part);
  let asked, threshold;

  const count = (n) => n.toLocaleString("en-US");
  // A tie goes to the even digit, as in Python; no other tie of a tenth is exact in binary.
  const tenth = (x) => (x % 1 === 0.25 ? x - 0.01 : x).toFixed(1);

  // Wilson's score interval.
  function share(k, n) {
    if (!n) return "–";
    const p = k / n, z = data.z, centre = p + z * z / (2 * n), scale = 1 + z * z / n;
    const half = z * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    const low = k === 0 ? 0 : (centre - half) / scale, high = k === n ? 1 : (centre + half) / scale;
    return `${tenth(100 * p)}% (${tenth(100 * low)}–${tenth(100 * high)})`;
  }

  function show() {
    let found = 0, wrong = 0;
    asked.levels.forEach((level, i) => {
      if (level >= threshold) { found += asked.positive[i]; wrong += asked.negative[i]; }
    });
    const { positives, negatives } = asked;
    const told = {
      recall: share(found, positives), false_alarms: share(wrong, negatives),
      precision: share(found, found + wrong), found: count(found), wrong: count(wrong),
      missed: count(positives - found), quiet: count(negatives - wrong),
      said: `From ${threshold} on: finds ${count(found)} of ${count(positives)}, with ` +
        `${count(wrong)} false alarms among ${count(negatives)}.`,
    };
    for (const [name, text] of Object.entries(told)) part(name).textContent = text;
    slider.value = threshold;
    slider.setAttribute("aria-valuetext", String(threshold));
    if (document.activeElement !== exact) exact.value = threshold;
  }

  function move(text) {
    const wanted = Number(text);
    const chosen = wanted === asked.chosen;
    if (text === "" || !(chosen || (wanted >= 0 && wanted <= 1))) return;
    threshold = chosen ? wanted : Math.round(wanted * data.steps) / data.steps;
    show();
  }

  function ask(number) {
    asked = data.questions[number];
    back.hidden = asked.chosen === null;
    move(String(asked.chosen ?? 0.5));
  }

  slider.addEventListener("input", () => move(slider.value));
  exact.addEventListener("input", () => move(exact.value));
  exact.addEventListener("blur", show);
  back.addEventListener("click", () => move(String(asked.chosen)));
  which?.addEventListener("change", () => ask(which.selectedIndex));
  part("controls").hidden = false;
  ask(which ? which.selectedIndex : 0);
}
