// The painter's HTML. The small one, inside a chapter, has what fits beside a text.

const chapter = (name) => new URL(`../../notebooks/${name}.html`, import.meta.url);

const radios = (title, name, choices) => `
  <fieldset class="painter-${name}">
    <legend>${title}</legend>
    ${choices
      .map(
        ({ value, text, key, colour }) => `
    <label${key ? ` title="key ${key}"` : ""}>
      <input type="radio" name="painter-${name}" value="${value}">
      ${colour ? `<span class="painter-swatch" style="background:${colour}"></span>` : ""}
      <span>${text}</span>${key ? `<kbd aria-hidden="true">${key}</kbd>` : ""}
    </label>`,
      )
      .join("")}
  </fieldset>`;

const button = (name, text, key) =>
  `<button type="button" data-do="${name}"${key ? ` title="key ${key}"` : ""}>${text}</button>`;

const saver = (name, title) =>
  `<button type="button" data-save="${name}" aria-label="Save the ${title} as PNG">PNG</button>`;

const picture = (name, title, { height, width, smooth }) => `
  <figure data-picture="${name}" class="painter-picture${smooth ? " painter-smooth" : ""}">
    <div class="painter-frame">
      <canvas width="${width}" height="${height}" role="img" aria-label="${title}"></canvas>
      <svg viewBox="0 0 ${width} ${height}" aria-hidden="true"></svg>
    </div>
    <figcaption>${title} ${saver(name, title)}</figcaption>
  </figure>`;

const toggle = (name, text, link) => `
  <li>
    <label><input type="checkbox" role="switch" name="${name}" checked> ${text}</label>
    ${link ? `<a href="${link[0]}">${link[1]}</a>` : ""}
  </li>`;

const understanding = (world) => `
  <section class="painter-gates" aria-label="Gates">
    <h3>One gate a class</h3>
    <ul>
      ${world.classes
        .map(
          ({ name, colour }) => `
      <li><span class="painter-swatch" style="background:${colour}"></span><span>${name}</span>
        <span class="painter-bar"><span style="background:${colour}"></span></span>
        <output></output></li>`,
        )
        .join("")}
    </ul>
  </section>
  <section class="painter-parts" aria-label="What each part does">
    <h3>Switch parts off</h3>
    <ul>
      ${toggle("transfer", "attention guided edge transfer", [
        chapter("04_attention_transfer"),
        "the transfer's chapter",
      ])}
      ${toggle("gates", "semantic preserving gates", [
        chapter("05_semantic_preserving"),
        "the gates' chapter",
      ])}
      ${toggle("circles", "circles around small objects that are lost")}
    </ul>
    <p data-say="change"></p>
    <p data-say="objects"></p>
    <p class="painter-time" data-say="time"></p>
  </section>`;

const scenes = ({ scene, starts, height, width }) => `
  <section class="painter-scenes" aria-label="To start from">
    <h3>Start from a ${scene}</h3>
    <div>
      ${Array.from(
        { length: starts },
        (_, i) => `<button type="button" data-scene="${i}" aria-label="${capital(scene)} ${i + 1}">
        <canvas width="${width}" height="${height}"></canvas></button>`,
      ).join("")}
    </div>
  </section>`;

const capital = (word) => word[0].toUpperCase() + word.slice(1);

const opener = (small) =>
  small
    ? ""
    : `${button("open", "Open")}
    <input type="file" accept="image/png,.png" hidden>`;

// The switch between the worlds, which stays while they come and go.
export const worldSwitch = (worlds) =>
  radios(
    "What to paint",
    "world",
    Object.entries(worlds).map(([value, text]) => ({ value, text })),
  );

export function template(world, small) {
  const classes = world.classes.map(({ name, colour }, i) => ({
    value: i,
    text: name,
    key: i + 1,
    colour,
  }));
  const sizes = world.brushes.map((size) => ({ value: size, text: size }));
  const tools = [
    { value: "brush", text: "brush", key: "B" },
    { value: "fill", text: "fill", key: "F" },
    { value: "erase", text: `erase to ${world.classes[world.ground].name}`, key: "E" },
  ];
  return `
  ${radios("Class", "kind", classes)}
  <div class="painter-board">
    <div class="painter-frame">
      <canvas width="${world.width}" height="${world.height}" tabindex="0" role="application"
        aria-label="${capital(world.scene)} to paint on" aria-describedby="painter-help"></canvas>
      <svg viewBox="0 0 ${world.width} ${world.height}" aria-hidden="true"><circle /></svg>
    </div>
    <div class="painter-under">
      <span>your layout</span> <span class="painter-where" aria-live="polite"></span>
      ${opener(small)} ${saver("layout", "layout")}
    </div>
  </div>
  ${picture("final", "final image", world)}
  <p class="painter-said" data-say="file" role="status"></p>
  <div class="painter-tools">
    ${small ? "" : radios("Tool", "tool", tools)}
    ${radios("Brush, pixels", "size", sizes)}
    <div class="painter-buttons">
      ${button("undo", "Undo", "U")} ${button("redo", "Redo", "R")} ${button("clear", "Clear")}
      ${button("surprise", "Surprise me")} ${small ? "" : button("link", "Copy link")}
    </div>
  </div>
  ${small ? "" : scenes(world)}
  ${picture("edge", "edge map", world)} ${picture("first", "first image", world)}
  ${small ? '<p class="painter-help" data-say="objects"></p>' : understanding(world)}
  <div class="painter-help">
    <p id="painter-help">
      Paint with a mouse or a finger. By keyboard: arrow keys move the brush (with Shift by 8), Space
      paints, held down it draws; 1 to ${world.classes.length} choose the class, [ and ] the brush${
        small ? "" : ", B, F, E the tool"
      }, U undoes, R redoes.
    </p>
    <label><input type="checkbox" role="switch" name="keys" checked> these keys work wherever I am on
      this page</label>
  </div>`;
}
