// The networks, beside the page's own thread: painting never waits for them.

import { unpack } from "./link.js";

const TOLERANCE = 1e-3;

let ort, world, folder, provider, untried, generator, segmenter;
let made, whole; // the newest pictures, and the newest with every part on

async function providers() {
  const bridged = "gpu" in navigator && "Suspending" in WebAssembly;
  const adapter = bridged && (await navigator.gpu.requestAdapter().catch(() => null));
  return adapter && !adapter.info.isFallbackAdapter ? ["webgpu", "wasm"] : ["wasm"];
}

async function open(name) {
  const answer = await fetch(new URL(name, folder));
  if (!answer.ok) throw new Error(`${name} cannot be loaded`);
  const network = await answer.arrayBuffer();
  return ort.InferenceSession.create(network, { executionProviders: [provider] });
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
      // Of onnxruntime-web: the module to import, and the WebAssembly that it loads.
      const [module, wasm] = world.runtime[provider].map((name) => new URL(name, folder).href);
      ort = await import(module);
      ort.env.wasm.wasmPaths = { wasm };
      ort.env.wasm.numThreads = 1;
      generator = await open("street.onnx");
      if (provider !== "wasm") await prove();
      return provider;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function oneHot(layout) {
  const planes = new Float32Array(world.classes.length * layout.length);
  layout.forEach((kind, i) => (planes[kind * layout.length + i] = 1));
  return new ort.Tensor("float32", planes, [1, world.classes.length, world.height, world.width]);
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

async function paint(job) {
  const began = performance.now();
  const pictures = await run(job);
  made = { ...job, ...pictures };
  if (job.transfer && job.gates) whole = made;
  return { ...pictures, milliseconds: performance.now() - began };
}

// What is said about the newest pictures, where no newer stroke waits.
const SAID = {
  // The class that the segmenter reads at each pixel.
  async read() {
    segmenter ??= await open("segmenter.onnx");
    const size = [1, 3, world.height, world.width];
    const picture = (name) => new ort.Tensor("float32", made[name], size);
    return data(await segmenter.run({ first: picture("first"), final: picture("final") }));
  },
  // How far they are from those of the whole network.
  async compare() {
    if (made.transfer && made.gates) return { change: null };
    if (whole?.layout.some((kind, i) => kind !== made.layout[i]) ?? true) {
      const job = { layout: made.layout, transfer: true, gates: true };
      whole = { ...job, ...(await run(job)) };
    }
    const change = (name) => difference(made[name], whole[name]);
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
    postMessage({ failed: error.message });
  }
});
