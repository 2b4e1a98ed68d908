// The network, beside the page's own thread: painting never waits for it.

// Of onnxruntime-web: the module to import, and the WebAssembly that it loads.
const RUNTIMES = {
  webgpu: ["ort.jspi.bundle.min.mjs", "ort-wasm-simd-threaded.jspi.wasm"],
  wasm: ["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"],
};
let ort, session, world;

const blank = () => ({
  layout: new Uint8Array(world.height * world.width),
  transfer: true,
  gates: true,
});

async function providers() {
  const bridged = "gpu" in navigator && "Suspending" in WebAssembly;
  const adapter = bridged && (await navigator.gpu.requestAdapter().catch(() => null));
  return adapter && !adapter.info.isFallbackAdapter ? ["webgpu", "wasm"] : ["wasm"];
}

async function load(folder) {
  let failure;
  for (const provider of await providers()) {
    try {
      const [module, wasm] = RUNTIMES[provider].map((name) => new URL(name, folder).href);
      ort = await import(module);
      ort.env.wasm.wasmPaths = { wasm };
      ort.env.wasm.numThreads = 1;
      const model = new URL("street.onnx", folder).href;
      session = await ort.InferenceSession.create(model, { executionProviders: [provider] });
      if (provider !== "wasm") await run(blank()); // a driver may promise more than it does
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

async function run({ layout, transfer, gates }) {
  const outputs = await session.run({
    layout: oneHot(layout),
    transfer_on: new ort.Tensor("float32", [Number(transfer)], [1]),
    gates_on: new ort.Tensor("float32", [Number(gates)], [1]),
  });
  return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.data]));
}

// The mean difference of two pictures as they are shown, in steps of 0 to 255.
function difference(a, b) {
  const shown = (value) => Math.min(Math.max(value, -1), 1) * 127.5;
  return a.reduce((sum, value, i) => sum + Math.abs(shown(value) - shown(b[i])), 0) / a.length;
}

async function paint(job) {
  const began = performance.now();
  const made = await run(job);
  made.milliseconds = performance.now() - began;
  if (!job.transfer || !job.gates) {
    const whole = await run({ layout: job.layout, transfer: true, gates: true });
    made.change = {
      first: difference(made.first, whole.first),
      final: difference(made.final, whole.final),
    };
  }
  return made;
}

addEventListener("message", async ({ data }) => {
  try {
    if (data.world) {
      world = data.world;
      postMessage({ ready: await load(data.folder) });
    } else {
      postMessage({ made: await paint(data) });
    }
  } catch (error) {
    postMessage({ failed: error.message });
  }
});
