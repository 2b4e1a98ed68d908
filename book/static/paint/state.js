// What is being painted, with what, and how it came about. Everything else listens.

const KEPT = 200; // steps that can be undone

export class State extends EventTarget {
  constructor(world) {
    super();
    this.world = world;
    this.layout = new Uint8Array(world.height * world.width).fill(world.ground);
    this.tools = { kind: world.first, size: world.brushes[2], tool: "brush" };
    this.switches = { transfer: true, gates: true, circles: true };
    this.past = [];
    this.future = [];
  }

  tell(name) {
    this.dispatchEvent(new Event(name));
  }

  choose(choice) {
    Object.assign(this.tools, choice);
    this.tell("tools");
  }

  turn(choice) {
    Object.assign(this.switches, choice);
    this.tell("switches");
  }

  // A stroke is one step of the history, however many changes it makes.
  begin() {
    this.before = this.layout.slice();
  }

  change(draw) {
    draw(this.layout);
    this.tell("layout");
  }

  end() {
    const before = this.before;
    if (!before.every((kind, i) => kind === this.layout[i])) {
      this.past.push(before);
      this.past.splice(0, this.past.length - KEPT);
      this.future = [];
    }
    this.tell("step");
  }

  replace(layout) {
    this.begin();
    this.change((pixels) => pixels.set(layout));
    this.end();
  }

  clear() {
    this.replace(new Uint8Array(this.layout.length).fill(this.world.ground));
  }

  undo() {
    this.#travel(this.past, this.future);
  }

  redo() {
    this.#travel(this.future, this.past);
  }

  #travel(from, to) {
    if (from.length === 0) return;
    to.push(this.layout.slice());
    this.layout.set(from.pop());
    this.tell("layout");
    this.tell("step");
  }
}
