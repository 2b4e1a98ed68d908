// Small objects of a layout, and whether a segmenter finds them again in a picture.

import { region } from "./drawing.js";

const FOUND = 0.5; // share of an object's pixels that must be read as its class

export function smallObjects(layout, world) {
  const objects = [];
  const seen = new Set();
  layout.forEach((kind, i) => {
    if (!world.tiny.includes(kind) || seen.has(i)) return;
    const pixels = [...region(layout, world, i, { diagonal: true })];
    pixels.forEach((pixel) => seen.add(pixel));
    objects.push({ kind, pixels, ...circle(pixels, world) });
  });
  return objects;
}

function circle(pixels, { width }) {
  const columns = pixels.map((i) => i % width);
  const rows = pixels.map((i) => Math.floor(i / width));
  const [left, right] = [Math.min(...columns), Math.max(...columns)];
  const [top, bottom] = [Math.min(...rows), Math.max(...rows)];
  const radius = Math.hypot(right - left + 1, bottom - top + 1) / 2 + 1;
  return { x: (left + right + 1) / 2, y: (top + bottom + 1) / 2, radius };
}

export function isLost({ kind, pixels }, read) {
  return pixels.filter((i) => read[i] === kind).length < FOUND * pixels.length;
}
