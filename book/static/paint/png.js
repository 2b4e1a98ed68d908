// PNG files as they are stored: a canvas would only show their colours, and ids would be lost.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // by the kind of colour
const GREY = 0;
const PALETTE = 3;
const ALPHA = 4; // of grey pictures with transparency
// Interlaced files come in seven passes: first column and row, steps across and down.
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

export class DamagedPng extends Error {}

const CRCS = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

const crcOf = (bytes) => bytes.reduce((crc, byte) => CRCS[(crc ^ byte) & 255] ^ (crc >>> 8), ~0) ^ ~0;

async function through(bytes, stream) {
  const passed = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(passed).arrayBuffer());
}

export const isPng = (bytes) => SIGNATURE.every((byte, i) => bytes[i] === byte);

function* chunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = SIGNATURE.length; at + 12 <= bytes.length; ) {
    const size = view.getUint32(at);
    const end = at + 8 + size;
    if (end + 4 > bytes.length) throw new DamagedPng("it ends too early");
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (crcOf(bytes.subarray(at + 4, end)) !== view.getInt32(end)) {
      throw new DamagedPng(`its part ${kind} is changed`);
    }
    yield { kind, data: bytes.subarray(at + 8, end) };
    at = end + 4;
  }
}

// What a PNG says of itself, nothing unpacked yet: sizes, kind of colour, palette, and its data.
export function open(bytes) {
  const parts = [...chunks(bytes)];
  const of = (name) => parts.filter(({ kind }) => kind === name).map(({ data }) => data);
  const [header] = of("IHDR");
  if (!header || parts.at(-1).kind !== "IEND") throw new DamagedPng("it ends too early");
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  const [depth, colour, , , interlaced] = header.subarray(8);
  const plte = of("PLTE")[0] ?? [];
  const orientation = of("eXIf").map(orientationIn)[0] ?? 1;
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const turned = orientation > 4 ? { width: height, height: width } : { width, height };
  return {
    stored: { width, height, depth, colour, interlaced, data: of("IDAT") },
    ...turned, // as a viewer shows it
    orientation,
    palette: Array.from({ length: plte.length / 3 }, (_, i) => [...plte.slice(3 * i, 3 * i + 3)]),
    holdsIds: colour === GREY || colour === PALETTE,
    isGrey: colour === GREY || colour === ALPHA,
  };
}

// The values of each pixel, upright: `channels` whole numbers, row by row.
export async function pixels(png) {
  const { width, height, depth, colour, interlaced, data } = png.stored;
  let raw;
  try {
    raw = await through(await new Blob(data).arrayBuffer(), new DecompressionStream("deflate"));
  } catch {
    throw new DamagedPng("its pixels cannot be unpacked");
  }
  const channels = CHANNELS[colour];
  const values = new Uint16Array(width * height * channels);
  const bytesBehind = Math.max(1, (channels * depth) / 8); // where filters look for the last pixel
  let at = 0;
  for (const [left, top, across, down] of interlaced ? PASSES : [[0, 0, 1, 1]]) {
    const columns = Math.ceil((width - left) / across);
    const size = Math.ceil((columns * channels * depth) / 8);
    let above = new Uint8Array(size);
    for (let y = top; columns > 0 && y < height; y += down) {
      if (at + 1 + size > raw.length) throw new DamagedPng("it ends too early");
      const row = raw.subarray(at + 1, at + 1 + size);
      if (raw[at] > 4) throw new DamagedPng(`a row is filtered by ${raw[at]}, which is unknown`);
      unfilter(row, above, raw[at], bytesBehind);
      const samples = samplesOf(row, columns * channels, depth, colour);
      samples.forEach((value, i) => {
        const x = left + across * Math.floor(i / channels);
        values[(y * width + x) * channels + (i % channels)] = value;
      });
      above = row;
      at += 1 + size;
    }
  }
  return { channels, values: upright(values, channels, png) };
}

function unfilter(row, above, filter, behind) {
  for (let i = 0; i < row.length; i++) {
    const a = row[i - behind] ?? 0;
    const b = above[i];
    const c = above[i - behind] ?? 0;
    row[i] += [0, a, b, (a + b) >> 1, paeth(a, b, c)][filter];
  }
}

function paeth(a, b, c) {
  const [toA, toB, toC] = [b - c, a - c, a + b - 2 * c].map(Math.abs);
  if (toA <= toB && toA <= toC) return a;
  return toB <= toC ? b : c;
}

// As Pillow reads them: greys of 2 and 4 bits are widened to 0 to 255, those of 1 bit are not, and
// colours of 16 bits lose the lower half.
function samplesOf(row, count, depth, colour) {
  if (depth === 16) {
    const wide = (i) => (colour === GREY ? (row[2 * i] << 8) | row[2 * i + 1] : row[2 * i]);
    return Uint16Array.from({ length: count }, (_, i) => wide(i));
  }
  if (depth === 8) return row;
  const most = 2 ** depth - 1;
  const scale = colour === GREY && depth > 1 ? 255 / most : 1;
  const bit = (i) => 8 - depth - ((i * depth) % 8);
  return Uint8Array.from(
    { length: count },
    (_, i) => scale * ((row[(i * depth) >> 3] >> bit(i)) & most),
  );
}

// Where a pixel comes from, for each of the eight ways in which a file may ask to be turned.
const TURNS = {
  1: (x, y) => [x, y],
  2: (x, y, w) => [w - 1 - x, y],
  3: (x, y, w, h) => [w - 1 - x, h - 1 - y],
  4: (x, y, w, h) => [x, h - 1 - y],
  5: (x, y) => [y, x],
  6: (x, y, w, h) => [y, h - 1 - x],
  7: (x, y, w, h) => [w - 1 - y, h - 1 - x],
  8: (x, y, w) => [w - 1 - y, x],
};

function upright(values, channels, { stored, orientation, width, height }) {
  if (orientation === 1) return values;
  const turned = new Uint16Array(values.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [column, row] = TURNS[orientation](x, y, stored.width, stored.height);
      for (let channel = 0; channel < channels; channel++) {
        const from = (row * stored.width + column) * channels + channel;
        turned[(y * width + x) * channels + channel] = values[from];
      }
    }
  }
  return turned;
}

function orientationIn(exif) {
  const view = new DataView(exif.buffer, exif.byteOffset, exif.length);
  const little = exif[0] === 0x49;
  try {
    const start = view.getUint32(4, little);
    const entries = view.getUint16(start, little);
    for (let i = 0; i < entries; i++) {
      const at = start + 2 + 12 * i;
      if (view.getUint16(at, little) === 0x0112) {
        const found = view.getUint16(at + 8, little);
        return found in TURNS ? found : 1;
      }
    }
  } catch {
    // A damaged flag turns nothing, as in a viewer.
  }
  return 1;
}

function chunk(kind, data) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(
    [...kind].map((letter) => letter.charCodeAt(0)),
    4,
  );
  bytes.set(data, 8);
  view.setInt32(8 + data.length, crcOf(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

// A palette PNG: the ids themselves, and the colours to show them in.
export async function write(ids, { width, height }, palette) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, PALETTE], 8);
  const rows = new Uint8Array((width + 1) * height); // each begins with its filter, none
  for (let y = 0; y < height; y++) {
    rows.set(ids.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  }
  const packed = await through(rows, new CompressionStream("deflate"));
  const parts = [
    chunk("IHDR", header),
    chunk("PLTE", Uint8Array.from(palette.flat())),
    chunk("IDAT", packed),
    chunk("IEND", new Uint8Array()),
  ];
  return new Blob([Uint8Array.from(SIGNATURE), ...parts], { type: "image/png" });
}
