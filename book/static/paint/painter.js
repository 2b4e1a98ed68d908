// One world's painter: its elements, its state, and its network while it is shown.

import { board } from "./board.js";
import { LabelError, readLabels } from "./labels.js";
import { unpack } from "./link.js";
import { Model } from "./model.js";
import { showLayout } from "./pixels.js";
import { results } from "./results.js";
import { State } from "./state.js";
import { template } from "./template.js";
import { tools } from "./tools.js";

const GENERATED = new URL("generated/", import.meta.url);
const RUNTIMES = { wasm: "WebAssembly", webgpu: "WebGPU" };

export const notHad = (what) =>
  `The download failed (${what}). Is the connection there? Load the page again to try once more.`;

async function loadWorld(name) {
  const answer = await fetch(new URL(`${name}.json`, GENERATED)).catch((error) => error);
  if (!answer.ok) throw new Error(notHad(`${name}.json: ${answer.message ?? answer.status}`));
  const world = await answer.json();
  if (!world.runtime) {
    throw new Error(
      "This copy of the book was built without the network's runtime; with access to the npm " +
        "registry, make book adds it.",
    );
  }
  return world;
}

// Mirrored as often as not: twice as many surprises.
function mirrored(layout, width) {
  return layout.map((_, i) => layout[i - (i % width) + (width - 1 - (i % width))]);
}

function switches(host, state) {
  const inputs = [...host.querySelectorAll("[role=switch]")].filter(({ name }) => name in state.switches);
  for (const input of inputs) {
    input.addEventListener("change", () => state.turn({ [input.name]: input.checked }));
  }
  state.addEventListener("switches", () => {
    for (const input of inputs) input.checked = state.switches[input.name];
  });
}

// A label file by the button, or dropped on the board; what it lacks is said below the board.
function files(host, state) {
  const { world } = state;
  const input = host.querySelector("input[type=file]");
  const said = host.querySelector('[data-say="file"]');
  const take = async (file) => {
    if (!file) return;
    try {
      const { ids, otherColours } = await readLabels(file, world);
      state.replace(ids);
      const there = world.classes.filter((_, id) => ids.includes(id)).map(({ name }) => name);
      const colours = otherColours ? " Its palette shows other colours; its ids were read." : "";
      said.textContent = `Opened ${file.name}: ${there.join(", ") || "don't care"}.${colours}`;
    } catch (error) {
      if (!(error instanceof LabelError)) throw error;
      said.textContent = `Not opened: ${error.message}.`;
    }
  };
  input.addEventListener("change", async () => {
    await take(input.files[0]);
    input.value = "";
  });
  const frame = host.querySelector(".painter-board");
  frame.addEventListener("dragover", (event) => event.preventDefault());
  frame.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
  return () => input.click();
}

// `say(sentence)` above the painter, `tell(name, detail)` for who listens, `failed(sentence)` where
// no network runs; `copyLink(button)`.
export async function painter(host, name, { small, say, tell, failed, copyLink }) {
  const world = await loadWorld(name);
  const state = new State(world);
  const live = document.createElement("div");
  live.className = "painter-live";
  live.innerHTML = template(world, small);
  const final = live.querySelector('[data-picture="final"]');
  let model;
  let trouble = "";

  const status = () => {
    if (!model) return;
    const runs = RUNTIMES[host.dataset.provider];
    const loading = `The network is loading (${world.megabytes} MB, once).`;
    say(`${trouble} ${runs ? `Runs in your browser, by ${runs}.` : loading}`.trim());
  };
  const show = results(live, state);
  const paint = () => {
    if (!model) return;
    final.setAttribute("aria-busy", "true");
    const { transfer, gates } = state.switches;
    model.paint({ layout: state.layout.slice(), transfer, gates });
  };
  state.addEventListener("layout", paint);
  state.addEventListener("switches", paint);

  const scene = (i) => unpack(world.scenes[i], world);
  const surprise = async () => {
    const found = await scene(Math.floor(Math.random() * world.scenes.length));
    state.replace(Math.random() < 0.5 ? found : mirrored(found, world.width));
  };

  board(live, state);
  tools(live, state, {
    undo: () => state.undo(),
    redo: () => state.redo(),
    clear: () => state.clear(),
    open: small ? null : files(live, state),
    surprise,
    link: copyLink,
  });
  switches(live, state);
  for (const button of live.querySelectorAll("[data-scene]")) {
    const layout = await scene(button.dataset.scene);
    showLayout(button.querySelector("canvas"), layout, world);
    button.addEventListener("click", () => state.replace(layout));
  }
  state.replace(await scene(0));
  state.past = []; // the first scene is where the history starts
  state.tell("step");

  return {
    world,
    state,
    live,
    first: () => scene(0),
    trouble(sentence) {
      trouble = sentence;
      status();
    },
    enter() {
      host.append(live);
      model = new Model(world, GENERATED.href, {
        ready: (provider) => {
          host.dataset.provider = provider;
          status();
        },
        made: (pictures, job) => {
          show.made(pictures, job.layout);
          if (model.isNewest) final.setAttribute("aria-busy", "false");
          tell("painted", { ...pictures, job });
        },
        said: (findings, job) => {
          show.said(findings, job.layout);
          tell("said", findings);
        },
        failed: ({ reason, download }) =>
          failed(
            download ? notHad(reason) : `The network does not run in this browser (${reason}).`,
            host.dataset.provider !== undefined,
          ),
      });
      status();
      paint();
    },
    leave() {
      model?.end();
      model = undefined;
      delete host.dataset.provider;
      live.remove();
    },
  };
}
