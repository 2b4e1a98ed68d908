// Palette, brush, buttons and keys.

const TOOLS = { b: "brush", f: "fill", e: "erase" };
const TYPED_INTO = "input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]";

export function tools(host, state, actions) {
  const chosen = (name) => host.querySelectorAll(`input[name="painter-${name}"]`);
  const { brushes } = state.world;

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
  // Not `disabled`, which would take the focus from who pressed the button for the last time.
  const showSteps = () => {
    const spent = (name, steps) =>
      host.querySelector(`[data-do="${name}"]`).setAttribute("aria-disabled", steps.length === 0);
    spent("undo", state.past);
    spent("redo", state.future);
  };
  state.addEventListener("step", showSteps);
  showSteps();

  const resize = (by) => {
    const next = brushes[brushes.indexOf(state.tools.size) + by];
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

  // Keys work wherever one is in the page, unless one types there, or has switched that off.
  document.addEventListener("keydown", (event) => {
    const within = host.contains(event.target);
    const heard = within || (host.querySelector("[name=keys]").checked && onScreen(host));
    if (!host.isConnected || !heard || event.target.matches?.(TYPED_INTO)) return;
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

function onScreen(host) {
  const { top, bottom } = host.querySelector(".painter-board").getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}
