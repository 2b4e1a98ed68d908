// The page's side of the network: one picture in the making, and the newest layout next.

export class Model {
  #worker;
  #waiting = null;
  #busy = true; // until the network is loaded

  // Calls `ready(provider)` once, `made(pictures, job)` for each picture, `failed(sentence)`.
  constructor(world, folder, { ready, made, failed }) {
    this.#worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.#worker.addEventListener("error", ({ message }) => failed(message ?? "no worker"));
    this.#worker.addEventListener("message", ({ data }) => {
      if (data.failed) return failed(data.failed);
      if (data.ready) ready(data.ready);
      if (data.made) made(data.made, this.job);
      this.#busy = false;
      this.#next();
      return undefined;
    });
    this.#worker.postMessage({ world, folder });
  }

  // Strokes that came while a picture was made are skipped, all but the newest.
  paint(job) {
    this.#waiting = job;
    this.#next();
  }

  #next() {
    if (this.#busy || this.#waiting === null) return;
    [this.job, this.#waiting, this.#busy] = [this.#waiting, null, true];
    this.#worker.postMessage(this.job);
  }
}
