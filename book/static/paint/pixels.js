// Layouts and pictures as pixels of a canvas, and as files.

import { write } from "./png.js";

const BLACK = [0, 0, 0]; // don't care

const levels = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));

export function colours(world) {
  return world.classes.map(({ colour }) => levels(colour));
}

// The colours of the data set's own label files, where they are others than those of the page.
export function publishedColours(world) {
  return world.published.map(levels);
}

export function showLayout(canvas, layout, world) {
  const palette = colours(world);
  show(canvas, world, (i, channel) => (palette[layout[i]] ?? BLACK)[channel]);
}

// A picture holds three planes of values in [-1, 1]; what lies outside is clamped by the canvas.
export function showPicture(canvas, picture, world) {
  const plane = world.height * world.width;
  show(canvas, world, (i, channel) => (picture[channel * plane + i] + 1) * 127.5);
}

function show(canvas, { height, width }, value) {
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let channel = 0; channel < 3; channel++) image.data[4 * i + channel] = value(i, channel);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

export const savePicture = (canvas, name) => canvas.toBlob((blob) => download(blob, name));

// A layout is saved as ids with a palette: the package, and this page, read it again as it is.
export async function saveLayout(layout, world, name) {
  const [most, own] = [Math.max(...layout) + 1, colours(world)];
  const palette = Array.from({ length: most }, (_, id) => own[id] ?? BLACK);
  download(await write(layout, world, palette), name);
}
