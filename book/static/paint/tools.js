// Palette, brush, buttons and keys.

const TOOLS = { b: "brush", f: "fill", e: "erase" };

export function tools(host, state, actions) {
  const chosen = (name) => host.querySelectorAll(`input[name="painter-${name}"]`);
  const sizes = [...chosen("size")].map(({ value }) => Number(value));

  for (const name of ["kind", "size", "tool"]) {
    for (const input of chosen(name)) {
      input.addEventListener("change", () => {
        const choice = { [name]: name === "tool" ? input.value : Number(input.value) };
        // Who picks a class wants to paint with it.
        const painting = name === "kind" && state.tools.tool === "erase" ? { tool: "brush" } : {};
        state.choose({ ...choice, ...painting });
      });
    }
  }
  const show = () => {
    for (const name of ["kind", "size", "tool"]) {
      for (const input of chosen(name)) input.checked = input.value === String(state.tools[name]);
    }
  };
  state.addEventListener("tools", show);
  show();

  for (const button of host.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => actions[button.dataset.do](button));
  }
  const showSteps = () => {
    host.querySelector('[data-do="undo"]').disabled = state.past.length === 0;
    host.querySelector('[data-do="redo"]').disabled = state.future.length === 0;
  };
  state.addEventListener("step", showSteps);
  showSteps();

  const resize = (by) => {
    const next = sizes[sizes.indexOf(state.tools.size) + by];
    if (next) state.choose({ size: next });
  };
  const keys = {
    u: () => state.undo(),
    r: () => state.redo(),
    "[": () => resize(-1),
    "]": () => resize(1),
  };
  state.world.classes.forEach((_, kind) => {
    keys[kind + 1] = () => state.choose({ kind, tool: state.tools.tool === "fill" ? "fill" : "brush" });
  });
  if (chosen("tool").length) {
    for (const [key, tool] of Object.entries(TOOLS)) keys[key] = () => state.choose({ tool });
  }

  host.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    const control = event.ctrlKey || event.metaKey;
    if (control && (key === "z" || key === "y")) {
      if (key === "y" || event.shiftKey) state.redo();
      else state.undo();
    } else if (!control && !event.altKey && keys[key]) keys[key]();
    else return;
    event.preventDefault();
  });
}
