// Marks on a layout, which is one class id a pixel, row by row.

// A disc of `size` pixels across; an odd size is centred on its pixel.
export function dab(layout, { height, width }, { x, y }, size, kind) {
  const reach = size / 2;
  const from = Math.ceil(-reach);
  for (let dy = from; dy < reach; dy++) {
    for (let dx = from; dx < reach; dx++) {
      const inside = dx * dx + dy * dy < reach * reach;
      const [column, row] = [x + dx, y + dy];
      if (inside && column >= 0 && column < width && row >= 0 && row < height) {
        layout[row * width + column] = kind;
      }
    }
  }
}

export function line(layout, world, from, to, size, kind) {
  const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1);
  for (let i = 0; i <= steps; i++) {
    const x = Math.round(from.x + ((to.x - from.x) * i) / steps);
    const y = Math.round(from.y + ((to.y - from.y) * i) / steps);
    dab(layout, world, { x, y }, size, kind);
  }
}

// The indices connected to `start` through pixels of the same class.
export function region(layout, { height, width }, start, { diagonal = false } = {}) {
  const kind = layout[start];
  const seen = new Set([start]);
  for (const at of seen) {
    const [x, y] = [at % width, Math.floor(at / width)];
    for (let dy = -1; dy <= 1; dy++) {
      for (let dx = -1; dx <= 1; dx++) {
        const [column, row] = [x + dx, y + dy];
        const there = column >= 0 && column < width && row >= 0 && row < height;
        const next = row * width + column;
        if (there && (diagonal || dx === 0 || dy === 0) && layout[next] === kind) seen.add(next);
      }
    }
  }
  return seen;
}

export function fill(layout, world, { x, y }, kind) {
  for (const at of region(layout, world, y * world.width + x)) layout[at] = kind;
}
