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
const NAMES = { wasm: "WebAssembly", webgpu: "WebGPU" };
const LOADING = "The network is loading (20 MB, once).";
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
  const tell = (name, detail) => host.dispatchEvent(new CustomEvent(name, { detail }));
  const live = document.createElement("div");
  live.className = "painter-live";
  live.innerHTML = template(world, starts, small);
  host.append(live);

  let trouble = "";
  const status = () => {
    if (!live.isConnected) return; // it has failed, and said so
    const runs = NAMES[host.dataset.provider];
    say(`${trouble} ${runs ? `Runs in your browser, by ${runs}.` : LOADING}`.trim());
  };
  const show = results(live, state);
  const model = new Model(world, GENERATED.href, {
    ready: (provider) => {
      host.dataset.provider = provider;
      status();
    },
    made: (pictures, job) => {
      show.made(pictures, job.layout);
      tell("painted", { ...pictures, job });
    },
    said: (findings, job) => {
      show.said(findings, job.layout);
      tell("said", findings);
    },
    failed: (reason) => {
      if (!host.dataset.provider) live.replaceWith(...still);
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
    const copied = navigator.clipboard?.writeText(location.href).then(() => "Link copied");
    button.textContent = (await copied?.catch(() => "")) || "It is in the address";
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
      if (linked) {
        state.turn(linked.switches);
        state.replace(linked.layout);
      }
      trouble = "";
    } catch (error) {
      trouble = `${error.message} Here is another street instead.`;
      state.replace(await scene(0));
    }
    status();
  };
  state.replace(await scene(0));
  await open();
  state.past = []; // the first scene is where the history starts
  state.tell("step");
  if (!small) {
    addEventListener("hashchange", open);
    keepInAddress(state);
  }
  if (live.isConnected) still.forEach((child) => child.remove());
}
