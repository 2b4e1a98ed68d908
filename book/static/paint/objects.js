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
    if (pixels.length > world.largest) return;
    objects.push({ kind, pixels, ...circle(pixels, world) });
  });
  return objects;
}

// Around all the pixels, and always within the picture, so that it is seen.
function circle(pixels, { height, width }) {
  const columns = pixels.map((i) => i % width);
  const rows = pixels.map((i) => Math.floor(i / width));
  const [left, right] = [Math.min(...columns), Math.max(...columns)];
  const [top, bottom] = [Math.min(...rows), Math.max(...rows)];
  const around = Math.hypot(right - left + 1, bottom - top + 1) / 2 + 1;
  const radius = Math.min(around, Math.min(height, width) / 2 - 1);
  const inside = (middle, size) => Math.min(Math.max(middle, radius), size - radius);
  return {
    x: inside((left + right + 1) / 2, width),
    y: inside((top + bottom + 1) / 2, height),
    radius,
  };
}

export function isLost({ kind, pixels }, read) {
  return pixels.filter((i) => read[i] === kind).length < FOUND * pixels.length;
}
