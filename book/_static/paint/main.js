// Puts the painter together.

import { board } from "./board.js";
import { read, unpack, write } from "./link.js";
import { Model } from "./model.js";
import { showLayout } from "./pixels.js";
import { results } from "./results.js";
import { State } from "./state.js";
import { template } from "./template.js";
import { tools } from "./tools.js";

const GENERATED = new URL("generated/", import.meta.url);
const REST = 300; // milliseconds without a change before the address follows

async function loadWorld() {
  const answer = await fetch(new URL("world.json", GENERATED)).catch(() => null);
  const world = answer?.ok ? await answer.json() : null;
  if (!world?.runtime) {
    throw new Error(
      "This copy of the book was built without the network's runtime; with access to the npm " +
        "registry, make book adds it.",
    );
  }
  return world;
}

function keepInAddress(state) {
  let timer;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => history.replaceState(null, "", await write(state)), REST);
  };
  state.addEventListener("layout", later);
  state.addEventListener("switches", later);
}

// Mirrored as often as not: twice as many surprises.
function mirrored(layout, width) {
  return layout.map((_, i) => layout[i - (i % width) + (width - 1 - (i % width))]);
}

function switches(host, state) {
  const inputs = host.querySelectorAll("[role=switch]");
  for (const input of inputs) {
    input.addEventListener("change", () => state.turn({ [input.name]: input.checked }));
  }
  state.addEventListener("switches", () => {
    for (const input of inputs) input.checked = state.switches[input.name];
  });
}

export async function mount(host, say) {
  const small = host.dataset.painter === "small";
  const world = await loadWorld();
  const starts = world.scenes.slice(0, world.starts);
  const state = new State(world);
  const still = [...host.children].filter((child) => !child.matches(".painter-message"));
  const live = document.createElement("div");
  live.className = "painter-live";
  live.innerHTML = template(world, starts, small);
  host.append(live);

  let trouble = "";
  const show = results(live, state);
  const model = new Model(world, GENERATED.href, {
    ready: (provider) => {
      host.dataset.provider = provider;
      still.forEach((child) => child.remove());
      say(trouble);
    },
    made: (pictures, job) => {
      show(pictures, job.layout);
      host.dispatchEvent(new CustomEvent("painted", { detail: { ...pictures, job } }));
    },
    failed: (reason) => {
      if (!host.dataset.provider) live.remove();
      say(`The network does not run in this browser, so this picture stays still (${reason}).`);
    },
  });
  const paint = () => {
    const { transfer, gates } = state.switches;
    model.paint({ layout: state.layout.slice(), transfer, gates });
  };
  state.addEventListener("layout", paint);
  state.addEventListener("switches", paint);

  const scene = async (i) => unpack(world.scenes[i], world);
  const surprise = async () => {
    const found = await scene(Math.floor(Math.random() * world.scenes.length));
    state.replace(Math.random() < 0.5 ? found : mirrored(found, world.width));
  };
  const copyLink = async (button) => {
    history.replaceState(null, "", await write(state));
    await navigator.clipboard?.writeText(location.href);
    button.textContent = navigator.clipboard ? "Link copied" : "It is in the address";
    setTimeout(() => (button.textContent = "Copy link"), 2000);
  };

  board(live, state);
  tools(live, state, {
    undo: () => state.undo(),
    redo: () => state.redo(),
    clear: () => state.replace(new Uint8Array(state.layout.length)),
    surprise,
    link: copyLink,
  });
  switches(live, state);
  for (const button of live.querySelectorAll("[data-scene]")) {
    const layout = await scene(button.dataset.scene);
    showLayout(button.querySelector("canvas"), layout, world);
    button.addEventListener("click", () => state.replace(layout));
  }

  const open = async () => {
    try {
      const linked = small ? null : await read(location.hash, world);
      state.turn(linked?.switches ?? {});
      state.replace(linked?.layout ?? (await scene(0)));
      trouble = "";
    } catch (error) {
      trouble = `${error.message} Here is another street instead.`;
      say(trouble);
      state.replace(await scene(0));
    }
  };
  await open();
  state.past = []; // the first scene is where the history starts
  state.tell("step");
  if (!small) {
    addEventListener("hashchange", open);
    keepInAddress(state);
  }
  host.dataset.state = "live";
  if (!host.dataset.provider) say(`${trouble} The network is loading (20 MB, once).`.trim());
}
