// Puts the painter together: the worlds, the one that is shown, and the address that keeps it.

import { WORLDS, read, worldOf, write } from "./link.js";
import { painter } from "./painter.js";
import { worldSwitch } from "./template.js";

const REST = 300; // milliseconds without a change before the address follows

function element(html) {
  const holder = document.createElement("div");
  holder.innerHTML = html;
  return holder.firstElementChild;
}

export async function mount(host, say) {
  const small = host.dataset.painter === "small";
  const still = [...host.children].filter((child) => !child.matches(".painter-message"));
  const painters = new Map(); // by world, as it was left
  let here; // the painter that is shown
  let wanted;

  const tell = (name, detail) => host.dispatchEvent(new CustomEvent(name, { detail }));
  const failed = (sentence, hasPainted = false) => {
    say(hasPainted ? sentence : `${sentence} So this picture stays still.`);
    if (hasPainted) return;
    here?.leave();
    here = undefined;
    host.append(...still);
  };

  let kept = 0;
  const keep = async () => {
    const [shown, turn] = [here, ++kept];
    const address = shown && (await write(shown.state));
    // Neither an older state nor another world's may come last.
    if (shown && shown === here && turn === kept) history.replaceState(null, "", address);
  };
  let timer;
  const keepSoon = () => {
    clearTimeout(timer);
    if (!small) timer = setTimeout(keep, REST);
  };
  const copyLink = async (button) => {
    await keep();
    const copied = navigator.clipboard?.writeText(location.href).then(() => "Link copied");
    button.textContent = (await copied?.catch(() => "")) || "It is in the address";
    setTimeout(() => (button.textContent = "Copy link"), 2000);
  };

  const make = async (name) => {
    const made = await painter(host, name, { small, say, tell, failed, copyLink });
    made.state.addEventListener("layout", keepSoon);
    made.state.addEventListener("switches", keepSoon);
    painters.set(name, made);
    return made;
  };

  // Shows a world; false where another was asked for meanwhile.
  const show = async (name) => {
    wanted = name;
    if (here?.world.name === name) return true;
    const next = painters.get(name) ?? (await make(name));
    if (wanted !== name) return false;
    here?.leave();
    here = next;
    here.enter();
    still.forEach((child) => child.remove());
    for (const input of chosen) input.checked = input.value === name;
    return true;
  };

  const open = async () => {
    const hash = small ? "" : location.hash;
    let name = here?.world.name ?? Object.keys(WORLDS)[0];
    let trouble;
    try {
      name = worldOf(hash) ?? name;
    } catch (error) {
      trouble = error;
    }
    if (!(await show(name))) return;
    try {
      if (trouble) throw trouble;
      const linked = await read(hash, here.world);
      if (linked) {
        here.state.turn(linked.switches);
        here.state.replace(linked.layout);
      }
      here.trouble("");
    } catch (error) {
      here.state.replace(await here.first());
      here.trouble(`${error.message} Here is another ${here.world.scene} instead.`);
    }
  };
  const opening = () => open().catch(({ message }) => failed(message));

  const chosen = [];
  if (!small) {
    const switcher = element(worldSwitch(WORLDS));
    chosen.push(...switcher.querySelectorAll("input"));
    for (const input of chosen) {
      input.addEventListener("change", async () => {
        history.pushState(null, "", `#world=${input.value}`);
        await opening();
        await keep();
      });
    }
    host.append(switcher);
    addEventListener("hashchange", opening);
  }
  await open();
  if (here) {
    here.state.past = []; // what a link holds is where the history starts
    here.state.tell("step");
  }
}
