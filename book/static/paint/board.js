// The canvas that is painted on: pointers and arrow keys become strokes.

import { dab, fill, line } from "./drawing.js";
import { showLayout } from "./pixels.js";

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const LEAP = 8; // pixels an arrow key moves with Shift

export function board(host, state) {
  const { world } = state;
  const canvas = host.querySelector(".painter-board canvas");
  const brush = host.querySelector(".painter-board circle");
  const where = host.querySelector(".painter-where");
  let at = { x: world.width / 2, y: world.height / 2 };
  let drawing = false;
  let pointer; // the finger or mouse that draws; others are not followed meanwhile

  const place = ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    const inside = (share, size) => Math.min(Math.max(Math.floor(share * size), 0), size - 1);
    return {
      x: inside((clientX - box.left) / box.width, world.width),
      y: inside((clientY - box.top) / box.height, world.height),
    };
  };

  const showBrush = () => {
    const size = state.tools.tool === "fill" ? 1 : state.tools.size;
    const centre = size % 2 ? 0.5 : 0;
    brush.setAttribute("cx", at.x + centre);
    brush.setAttribute("cy", at.y + centre);
    brush.setAttribute("r", Math.max(size / 2, 0.7));
  };

  const kind = () => (state.tools.tool === "erase" ? world.ground : state.tools.kind);

  const press = () => {
    state.begin();
    drawing = state.tools.tool !== "fill";
    if (drawing) state.change((pixels) => dab(pixels, world, at, state.tools.size, kind()));
    else {
      state.change((pixels) => fill(pixels, world, at, kind()));
      state.end();
    }
  };

  const move = (to) => {
    if (drawing) state.change((pixels) => line(pixels, world, at, to, state.tools.size, kind()));
    at = to;
    showBrush();
  };

  const release = () => {
    if (drawing) state.end();
    drawing = false;
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || drawing) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    at = place(event);
    press();
    showBrush();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drawing && event.pointerId !== pointer) return;
    const passed = event.getCoalescedEvents();
    for (const each of passed.length ? passed : [event]) move(place(each));
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, ({ pointerId }) => pointerId === pointer && release());
  }

  canvas.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (step) {
      const leap = event.shiftKey ? LEAP : 1;
      const clamp = (value, size) => Math.min(Math.max(value, 0), size - 1);
      move({
        x: clamp(at.x + leap * step[0], world.width),
        y: clamp(at.y + leap * step[1], world.height),
      });
      const name = world.classes[state.layout[at.y * world.width + at.x]]?.name ?? "don't care";
      where.textContent = `column ${at.x + 1}, row ${at.y + 1}: ${name}`;
    } else if (event.key === " ") {
      if (!event.repeat && !drawing) press();
    } else return;
    event.preventDefault();
  });
  canvas.addEventListener("keyup", ({ key }) => key === " " && release());
  canvas.addEventListener("blur", release);

  state.addEventListener("layout", () => showLayout(canvas, state.layout, world));
  state.addEventListener("tools", showBrush);
  showBrush();
}
