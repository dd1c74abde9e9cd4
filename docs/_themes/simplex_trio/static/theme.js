/* The switch between light and dark, the menu on narrow screens, the mark in the contents, and a
   button on each block of code that copies it.  Without scripts all pages can be read all the same. */
"use strict";

(() => {
  const root = document.documentElement;

  const setUpSwitch = () => {
    const button = document.querySelector(".switch");
    button.hidden = false;
    const isDark = () =>
      root.dataset.theme === "auto"
        ? matchMedia("(prefers-color-scheme: dark)").matches
        : root.dataset.theme === "dark";
    button.addEventListener("click", () => {
      const chosen = isDark() ? "light" : "dark";
      root.dataset.theme = document.body.dataset.theme = chosen;
      try {
        localStorage.setItem("theme", chosen);
      } catch {
        /* storage may be forbidden; then the choice holds for this page */
      }
    });
  };

  const setUpMenu = () => {
    const button = document.querySelector(".menu");
    if (!button) return;
    button.hidden = false;
    const side = document.getElementById("side");
    const current = side.querySelector("[aria-current]");
    const showCurrent = () => {
      side.scrollTop = current ? current.offsetTop - side.clientHeight / 2 : 0;
    };
    const show = (isOpen) => {
      document.body.classList.toggle("menu-open", isOpen);
      button.setAttribute("aria-expanded", String(isOpen));
      if (isOpen) showCurrent();
    };
    button.addEventListener("click", () => show(!document.body.classList.contains("menu-open")));
    document.getElementById("main").addEventListener("click", () => show(false));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") show(false);
    });
    showCurrent();
  };

  const setUpContents = () => {
    const contents = document.querySelector(".contents");
    if (!contents) return;
    const links = new Map();
    for (const link of contents.querySelectorAll("a[href^='#']")) {
      const target = document.getElementById(decodeURIComponent(link.hash.slice(1)));
      if (target) links.set(target, link);
    }
    let shown = null;
    const mark = () => {
      let found = null;
      // The last of them that begins in the upper sixth of the window or above it.
      for (const target of links.keys()) {
        if (target.getBoundingClientRect().top < innerHeight / 6) found = target;
        else break;
      }
      if (found === shown) return;
      shown = found;
      for (const each of contents.querySelectorAll(".here")) each.classList.remove("here");
      const link = links.get(found);
      if (!link) return;
      for (let item = link.closest("li"); item; item = item.parentElement.closest("li"))
        item.classList.add("here");
      const { offsetTop } = link;
      if (offsetTop < contents.scrollTop || offsetTop > contents.scrollTop + contents.clientHeight - 40)
        contents.scrollTop = offsetTop - contents.clientHeight / 2;
    };
    let isDue = false;
    addEventListener(
      "scroll",
      () => {
        if (isDue) return;
        isDue = true;
        requestAnimationFrame(() => {
          isDue = false;
          mark();
        });
      },
      { passive: true },
    );
    mark();
  };

  const setUpCopying = () => {
    if (!navigator.clipboard) return;
    for (const block of document.querySelectorAll("div.highlight")) {
      const button = document.createElement("button");
      button.className = "copy";
      button.type = "button";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(block.querySelector("pre").textContent);
          button.textContent = "Copied";
        } catch {
          button.textContent = "Not allowed";
        }
        setTimeout(() => (button.textContent = "Copy"), 1500);
      });
      block.append(button);
    }
  };

  // Browsers break lines after hyphens, and so between `--` and the rest of an option.
  const keepShortCodeTogether = () => {
    for (const code of document.querySelectorAll("p code, li code, td code, dd code"))
      if (code.textContent.length < 25) code.classList.add("short");
  };

  setUpSwitch();
  setUpMenu();
  keepShortCodeTogether();
  setUpContents();
  setUpCopying();
})();
