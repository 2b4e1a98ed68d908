// A scene as text: in the address of the page, and in the list of scenes.

import { IGNORE } from "./labels.js";

export const WORLDS = { street: "Street", city: "City from above" };
const FIRST = "street"; // where an address names none

export class LinkError extends Error {}

async function through(bytes, stream) {
  const passed = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(passed).arrayBuffer());
}

export async function pack(layout) {
  const packed = await through(layout, new CompressionStream("deflate-raw"));
  const text = btoa(String.fromCharCode(...packed));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export async function unpack(text, { height, width, classes, dontCare }) {
  let layout;
  try {
    const packed = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
    layout = await through(bytes, new DecompressionStream("deflate-raw"));
  } catch {
    throw new LinkError("This link is broken: part of it is missing or changed.");
  }
  if (layout.length !== height * width) {
    throw new LinkError("This link is broken: its pixels do not fill the layout.");
  }
  const stranger = layout.find(
    (kind) => kind >= classes.length && !(dontCare && kind === IGNORE),
  );
  if (stranger !== undefined) {
    throw new LinkError(`This link holds class ${stranger}; there are 0 to ${classes.length - 1}.`);
  }
  return layout;
}

// World, scene and switches as the part of an address behind "#".
export async function write({ world, layout, switches }) {
  const off = ["transfer", "gates"].filter((name) => !switches[name]);
  const parts = [
    ...(world.name === FIRST ? [] : [`world=${world.name}`]),
    `layout=${world.width}x${world.height}.${await pack(layout)}`,
    ...off.map((name) => `${name}=off`),
  ];
  return `#${parts.join("&")}`;
}

// The world that such an address names; null where it says nothing to the painter.
export function worldOf(hash) {
  const said = new URLSearchParams(hash.slice(1));
  if (!said.has("layout") && !said.has("world")) return null;
  const name = said.get("world") ?? FIRST;
  if (!(name in WORLDS)) {
    const there = Object.keys(WORLDS).join(" and ");
    throw new LinkError(`This link names a world "${name}"; there are ${there}.`);
  }
  return name;
}

// What such an address says; null where it holds no scene.
export async function read(hash, world) {
  const said = new URLSearchParams(hash.slice(1));
  if (!said.has("layout")) return null;
  const found = /^(\d+)x(\d+)\.([\w-]*)$/.exec(said.get("layout"));
  if (found === null) throw new LinkError("This link is broken: it names no size.");
  const [, width, height, packed] = found;
  if (Number(width) !== world.width || Number(height) !== world.height) {
    throw new LinkError(
      `This link holds a layout of ${width} by ${height} pixels; ` +
        `this network paints ${world.width} by ${world.height}.`,
    );
  }
  const layout = await unpack(packed, world);
  const [transfer, gates] = ["transfer", "gates"].map((name) => said.get(name) !== "off");
  return { layout, switches: { transfer, gates } };
}
