// What the network made: the pictures, the gates, and the small objects that got lost.

import { isLost, smallObjects } from "./objects.js";
import { saveLayout, savePicture, showPicture } from "./pixels.js";

const PICTURES = ["edge", "first", "final"];

export function results(host, state) {
  const { world, switches } = state;
  const canvasOf = (name) => host.querySelector(`[data-picture="${name}"] canvas`);
  const say = (name, sentence) => {
    const place = host.querySelector(`[data-say="${name}"]`);
    if (place && place.textContent !== sentence) place.textContent = sentence;
  };
  let found; // the small objects of the newest pictures, and which of them got lost

  for (const button of host.querySelectorAll("[data-save]")) {
    const name = button.dataset.save;
    const file = `${world.name}_${name}.png`;
    button.addEventListener("click", () =>
      name === "layout" ? saveLayout(state.layout, world, file) : savePicture(canvasOf(name), file),
    );
  }

  const ring = (name, lost) => {
    const circles = lost.map(({ x, y, radius }) => `<circle cx="${x}" cy="${y}" r="${radius}" />`);
    const overlay = host.querySelector(`[data-picture="${name}"] svg`);
    overlay.innerHTML = switches.circles ? circles.join("") : "";
  };

  const showObjects = () => {
    if (!found) return;
    ring("first", found.lost.first);
    ring("final", found.lost.final);
    say("objects", sentence(found, world, switches.circles));
  };
  state.addEventListener("switches", showObjects);

  const showGates = (gates, layout) => {
    host.querySelectorAll(".painter-gates li").forEach((row, kind) => {
      row.querySelector(".painter-bar > span").style.width = `${100 * gates[kind]}%`;
      row.querySelector("output").textContent = gates[kind].toFixed(2);
      row.classList.toggle("painter-absent", !layout.includes(kind));
    });
  };

  const showChange = (change) => {
    const levels = (name) => change[name].toFixed(1);
    say(
      "change",
      change
        ? `Against the whole network, the first image changes by ${levels("first")} of 255 ` +
            `levels on average, the final image by ${levels("final")}.`
        : "Both parts are on: this is the network as it was trained.",
    );
  };

  return {
    made(pictures, layout) {
      for (const name of PICTURES) showPicture(canvasOf(name), pictures[name], world);
      showGates(pictures.gates, layout);
      say("time", `The network took ${Math.round(pictures.milliseconds)} milliseconds.`);
    },
    said(findings, layout) {
      if ("change" in findings) showChange(findings.change);
      else {
        const objects = smallObjects(layout, world);
        const lost = (read) => objects.filter((object) => isLost(object, read));
        found = {
          objects,
          lost: { first: lost(findings.read_first), final: lost(findings.read_final) },
        };
        showObjects();
      }
    },
  };
}

function sentence({ objects, lost }, { classes, tiny, largest, height, width, scene }, circles) {
  const kinds = tiny.map((kind) => classes[kind].name).join(" or ");
  const patch = largest < height * width ? `patch of ${kinds} below ${largest} pixels` : kinds;
  if (objects.length === 0) return `There is no ${patch} in this ${scene}. Paint one.`;
  const back = lost.first.filter((object) => !lost.final.includes(object)).length;
  const of = objects.length === 1 ? "the one small object" : `${objects.length} small objects`;
  const circled = circles && lost.first.length + lost.final.length ? " (circled)" : "";
  return (
    `Of ${of}, the segmenter misses ${lost.first.length} in the first image and ` +
    `${lost.final.length} in the final image${circled}${back ? `: ${back} came back` : ""}.`
  );
}
