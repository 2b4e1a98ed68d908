// The networks, beside the page's own thread: painting never waits for them.

import { IGNORE } from "./labels.js";
import { unpack } from "./link.js";

const TOLERANCE = 1e-3;

let ort, world, folder, provider, untried, generator, segmenter;
let made, whole; // the newest pictures with their job, and the newest with every part on

async function providers() {
  const bridged = "gpu" in navigator && "Suspending" in WebAssembly;
  const adapter = bridged && (await navigator.gpu.requestAdapter().catch(() => null));
  return adapter && !adapter.info.isFallbackAdapter ? ["webgpu", "wasm"] : ["wasm"];
}

// A file that could not be had, as against one that was had and does not run here.
class DownloadError extends Error {}

async function download(name, options) {
  const answer = await fetch(new URL(name, folder), options).catch((error) => error);
  if (!answer.ok) throw new DownloadError(`${name}: ${answer.message ?? `status ${answer.status}`}`);
  return answer;
}

async function open(answer) {
  const network = await (await answer).arrayBuffer();
  return ort.InferenceSession.create(network, { executionProviders: [provider] });
}

// The runtime fetches for itself, and does not say what it misses.
async function whyNot(error) {
  const names = [...world.runtime[provider], ...world.networks];
  const answers = names.map((name) => download(name, { method: "HEAD" }));
  const [missing] = (await Promise.allSettled(answers)).filter(({ reason }) => reason);
  return missing?.reason ?? error;
}

// A graphics driver may promise more than it does: it must make the first street as PyTorch does.
async function prove() {
  const pictures = await run({
    layout: await unpack(world.scenes[0], world),
    transfer: true,
    gates: true,
  });
  for (const [name, expected] of Object.entries(world.proof)) {
    const stride = Math.floor(pictures[name].length / expected.length);
    const near = (value, i) => Math.abs(value - pictures[name][i * stride]) <= TOLERANCE;
    if (!expected.every(near)) throw new Error(`${provider} computes another ${name}`);
  }
}

// The first provider that can be had and is right.
async function load() {
  let failure;
  untried ??= await providers();
  while (untried.length) {
    provider = untried.shift();
    try {
      const network = download(world.networks[0]);
      network.catch(() => {}); // what failed is found below, where it is waited for
      // Of onnxruntime-web: the module to import, and the WebAssembly that it loads.
      const [module, wasm] = world.runtime[provider].map((name) => new URL(name, folder).href);
      ort = await import(module);
      ort.env.wasm.wasmPaths = { wasm };
      ort.env.wasm.numThreads = 1;
      generator = await open(network);
      if (provider !== "wasm") await prove();
      return provider;
    } catch (error) {
      failure = error;
    }
  }
  throw await whyNot(failure);
}

function oneHot(layout) {
  const count = world.classes.length + Number(world.dontCare);
  const planes = new Float32Array(count * layout.length);
  const plane = (kind) => (kind === IGNORE ? world.classes.length : kind);
  layout.forEach((kind, i) => (planes[plane(kind) * layout.length + i] = 1));
  return new ort.Tensor("float32", planes, [1, count, world.height, world.width]);
}

const data = (outputs) =>
  Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.data]));

async function run({ layout, transfer, gates }) {
  const outputs = await generator.run({
    layout: oneHot(layout),
    transfer_on: new ort.Tensor("float32", [Number(transfer)], [1]),
    gates_on: new ort.Tensor("float32", [Number(gates)], [1]),
  });
  return data(outputs);
}

const isWhole = ({ transfer, gates }) => transfer && gates;

async function paint(job) {
  const began = performance.now();
  const pictures = await run(job);
  made = { job, pictures };
  if (isWhole(job)) whole = made;
  return { ...pictures, milliseconds: performance.now() - began };
}

// What is said about the newest pictures, where no newer stroke waits.
const SAID = {
  // The class that the segmenter reads at each pixel.
  async read() {
    segmenter ??= await open(download(world.networks[1]));
    const size = [1, 3, world.height, world.width];
    const picture = (name) => new ort.Tensor("float32", made.pictures[name], size);
    return data(await segmenter.run({ first: picture("first"), final: picture("final") }));
  },
  // How far they are from those of the whole network.
  async compare() {
    if (isWhole(made.job)) return { change: null };
    const { layout } = made.job;
    if (whole?.job.layout.some((kind, i) => kind !== layout[i]) ?? true) {
      const job = { layout, transfer: true, gates: true };
      whole = { job, pictures: await run(job) };
    }
    const change = (name) => difference(made.pictures[name], whole.pictures[name]);
    return { change: { first: change("first"), final: change("final") } };
  },
};

// The mean difference of two pictures as they are shown, in steps of 0 to 255.
function difference(a, b) {
  const shown = (value) => Math.min(Math.max(value, -1), 1) * 127.5;
  return a.reduce((sum, value, i) => sum + Math.abs(shown(value) - shown(b[i])), 0) / a.length;
}

async function answer(asked) {
  if (asked.world) {
    ({ world, folder } = asked);
    return { ready: await load() };
  }
  if (asked.say) return { said: await SAID[asked.say]() };
  return { made: await paint(asked) };
}

// A device can be lost while the page is open: the next provider then takes over.
async function recover(error) {
  if (!untried?.length) throw error;
  segmenter = undefined;
  return { ready: await load() };
}

addEventListener("message", async ({ data: asked }) => {
  try {
    postMessage(await answer(asked).catch(recover));
  } catch (error) {
    const download = error instanceof DownloadError;
    postMessage({ failed: { reason: error.message, download } });
  }
});
