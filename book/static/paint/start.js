// The painter's front door, a classic script so that it runs in every browser: it starts the
// painter, or says in one sentence why the still picture stays.
(() => {
  const here = document.currentScript.src;
  const host = document.querySelector(".painter");
  const message = document.createElement("p");
  message.className = "painter-message";
  message.setAttribute("role", "status");
  host.prepend(message);

  const say = (sentence) => {
    message.textContent = sentence;
    message.hidden = sentence === "";
  };

  const start = async () => {
    say("The painter is starting.");
    try {
      const { mount } = await import(new URL("main.js", here));
      await mount(host, say);
    } catch (error) {
      host.querySelectorAll(".painter-live, .painter-world").forEach((part) => part.remove());
      say(`The painter cannot start, so this picture stays still. ${error.message}`);
    }
  };

  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("paint.css", here);
  document.head.append(style);

  if (location.protocol === "file:") {
    say(
      "To paint here, open the book from a server: browsers start no network from a file. In the " +
        "repository, run: python -m http.server --directory _build/html, then open " +
        "http://localhost:8000.",
    );
  } else if (typeof WebAssembly !== "object") {
    say(
      "This browser has no WebAssembly, in which the network runs, so this picture stays still. " +
        "Any browser from 2022 or later has it, unless it is switched off.",
    );
  } else if (typeof DecompressionStream !== "function") {
    say("This browser is too old for the painter, so this picture stays still: any from 2023 runs it.");
  } else if (host.dataset.painter === "small") {
    // In a chapter nothing is loaded unasked.
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Paint here";
    button.addEventListener("click", async () => {
      await start();
      button.remove();
      host.querySelector(".painter-board canvas")?.focus(); // else nothing would have the focus
    });
    say("You can paint this street yourself: the network (20 MB) then runs in your browser.");
    message.after(button);
  } else {
    start();
  }
})();
