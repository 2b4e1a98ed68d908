// Label files, read as the package reads them: whole numbers of grey or palette PNGs by the
// numbering of the network's training, and colours where they are exactly this world's or those of
// its data set's files.
// What cannot be read that way is named in a sentence; nothing is guessed or resized.

import { colours, publishedColours } from "./pixels.js";
import { DamagedPng, isPng, open, pixels } from "./png.js";

export const IGNORE = 255;
const LARGEST = 2 ** 24; // bytes of a file; a layout has a few thousand
const LOSSY = { JPEG: [0xff, 0xd8], WEBP: [0x52, 0x49, 0x46, 0x46] };
const BEGINNINGS = {
  "version https://git-lfs": "is a pointer of Git LFS, not the file itself: run git lfs pull",
  "<": "is a web page or XML, not an image: fetch it again",
};

export class LabelError extends Error {}

// The class id, or 255 for don't care, that a value in a label file stands for.
function classOf(value, { numbering }) {
  const special = numbering.special.find(([found]) => found === value);
  return special ? special[1] : value - numbering.first;
}

function allows(value, world) {
  const known = classOf(value, world);
  const special = world.numbering.special.some(([found]) => found === value);
  const ignored = known === IGNORE && (special || value === IGNORE);
  return ignored ? world.dontCare : known >= 0 && known < world.classes.length;
}

// The values that a label file may hold, in words.
function rule({ classes, dontCare, numbering }) {
  const { first, special } = numbering;
  const words = [`${first} to ${first + classes.length - 1} for ${classes.length} classes`];
  for (const [value, known] of special) {
    if (known !== IGNORE) words.push(`${value} for class ${known}`);
    else if (dontCare) words.push(`${value} for don't care`);
  }
  const told = special.some(([, known]) => known === IGNORE);
  if (dontCare && !told) words.push(`${IGNORE} for don't care`);
  return words.join(", ");
}

function checkKind(bytes, name) {
  if (isPng(bytes)) return;
  for (const [format, beginning] of Object.entries(LOSSY)) {
    if (beginning.every((byte, i) => bytes[i] === byte)) {
      throw new LabelError(
        `${name} is a ${format} file, which changes ids to save space; export the label map again as PNG`,
      );
    }
  }
  const text = String.fromCharCode(...bytes.subarray(0, 64)).trimStart();
  if (!bytes.length) throw new LabelError(`${name} is empty: fetch or export it again`);
  for (const [beginning, said] of Object.entries(BEGINNINGS)) {
    if (text.startsWith(beginning)) throw new LabelError(`${name} ${said}`);
  }
  throw new LabelError(
    `${name} is no PNG file, the one kind that this page reads; save it as PNG, or paint it with ` +
      "ecgan synthesize, which reads others",
  );
}

function idsOf(values, world, name) {
  const wrong = values.filter((value) => !allows(value, world));
  if (wrong.length) {
    throw new LabelError(
      `label ${Math.min(...wrong)} in ${name}; allowed are ${rule(world)}; ` +
        "it may be numbered as another data set is, or belong to another world",
    );
  }
  return Uint8Array.from(values, (value) => classOf(value, world));
}

function idsOfColours(shown, { isGrey }, world, name) {
  const code = ([red, green, blue]) => (red << 16) | (green << 8) | blue;
  const palettes = [colours(world), publishedColours(world)];
  const known = new Map(palettes.flatMap((palette) => palette.map((it, id) => [code(it), id])));
  const { channels, values } = shown;
  const count = values.length / channels;
  const at = (i) => [0, 1, 2].map((channel) => values[i * channels + (isGrey ? 0 : channel)]);
  const ids = new Uint8Array(count).fill(IGNORE); // what black stands for
  let stranger = null;
  let grey = true;
  for (let i = 0; i < count; i++) {
    const colour = at(i);
    grey &&= colour[0] === colour[1] && colour[1] === colour[2];
    if (known.has(code(colour))) ids[i] = known.get(code(colour));
    else if (code(colour) !== 0) stranger ??= colour;
  }
  if (stranger && grey) {
    throw new LabelError(`${name} stores grey ids as colours: keep one channel of it`);
  }
  if (stranger) {
    throw new LabelError(
      `colour (${stranger.join(", ")}) in ${name} is not one of the palette's ${world.classes.length}; was the ` +
        "layout saved as JPEG, or resized with interpolation? Save PNG and resize with nearest-neighbour",
    );
  }
  const lit = ids.findIndex((id) => id === IGNORE);
  if (lit >= 0 && !world.dontCare) {
    throw new LabelError(`black, don't care, is in ${name}; the ${world.scene} has no such label`);
  }
  return ids;
}

// The class ids of a label file at the world's size, 255 where it says don't care, and a word
// where its palette shows other colours. Raises LabelError.
export async function readLabels(file, world) {
  const { name } = file;
  if (file.size > LARGEST) throw new LabelError(`${name} is too large for a layout`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  checkKind(bytes, name);
  try {
    const png = open(bytes);
    if (png.width !== world.width || png.height !== world.height) {
      throw new LabelError(
        `${name} is ${png.width} x ${png.height} pixels (width x height), a ${world.scene} in this ` +
          `page ${world.width} x ${world.height}; resize it with nearest-neighbour, or paint it at ` +
          "its own size with ecgan synthesize",
      );
    }
    const shown = await pixels(png);
    if (!png.holdsIds) return { ids: idsOfColours(shown, png, world, name), otherColours: false };
    const ids = idsOf(shown.values, world, name);
    const palette = colours(world);
    const differs = (value) => {
      const [seen, own] = [png.palette[value], palette[classOf(value, world)]];
      return seen && own && seen.some((level, i) => level !== own[i]);
    };
    return { ids, otherColours: [...new Set(shown.values)].some(differs) };
  } catch (error) {
    if (!(error instanceof DamagedPng)) throw error;
    throw new LabelError(
      `${name} is truncated or damaged (${error.message}); fetch or export it again`,
    );
  }
}
