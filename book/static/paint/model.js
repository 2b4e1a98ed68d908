// The page's side of the network: one picture in the making, and the newest layout next.

const SAID = ["read", "compare"]; // about a picture, once no newer one waits

export class Model {
  #worker;
  #waiting = null;
  #unsaid = [];
  #busy = true; // until the network is loaded

  // Calls `ready(provider)`, again where another takes over; `made(pictures, job)` for each picture;
  // `said(findings, job)` for what is found in the newest; `failed(sentence)`.
  constructor(world, folder, { ready, made, said, failed }) {
    this.#worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.#worker.addEventListener("error", ({ message }) => failed({ reason: message ?? "no worker" }));
    this.#worker.addEventListener("message", ({ data }) => {
      if (data.failed) return failed(data.failed);
      if (data.ready) {
        ready(data.ready);
        this.#waiting ??= this.job ?? null; // what another provider could not finish
      }
      if (data.made) made(data.made, this.job);
      if (data.said) said(data.said, this.job);
      this.#busy = false;
      this.#next();
      return undefined;
    });
    this.#worker.postMessage({ world, folder });
  }

  // Whether the newest layout's picture is there or in the making.
  get isNewest() {
    return this.#waiting === null;
  }

  // Strokes that came while a picture was made are skipped, all but the newest.
  paint(job) {
    this.#waiting = job;
    this.#next();
  }

  end() {
    this.#worker.terminate();
  }

  #next() {
    if (this.#busy) return;
    if (this.#waiting) {
      [this.job, this.#waiting, this.#unsaid] = [this.#waiting, null, [...SAID]];
      this.#ask(this.job);
    } else if (this.#unsaid.length) this.#ask({ say: this.#unsaid.shift() });
  }

  #ask(question) {
    this.#busy = true;
    this.#worker.postMessage(question);
  }
}
