// Asks the search of built pages, in the order in which a browser shows the answers:
// node ask.js FOLDER, with a JSON list of queries on standard input.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const folder = process.argv[2];
const window = { location: { search: "" } };
const document = { readyState: "loading", addEventListener() {}, getElementById() {} };
const world = vm.createContext({
  window,
  document,
  URLSearchParams,
  console,
  SPHINX_HIGHLIGHT_ENABLED: false,
  _: (text) => text,
  _ready: () => {},
});
for (const name of ["_static/language_data.js", "_static/searchtools.js", "searchindex.js"]) {
  vm.runInContext(fs.readFileSync(path.join(folder, name), "utf8"), world);
  Object.assign(world, window); // what scripts give to the window, others use by its name
}

const answers = JSON.parse(fs.readFileSync(0, "utf8")).map((query) => {
  window.location.search = `?q=${encodeURIComponent(query)}`;
  world.query = query;
  const found = vm.runInContext("Search._performSearch(...Search._parseQuery(query))", world);
  // The last of them is shown first.
  return found.reverse().map(([page, , anchor]) => page + anchor);
});
console.log(JSON.stringify(answers));
