/* Guides come before entries of the reference, unless a query is spelled like a name in a program. */
var Scorer = (() => {
  const exact = 1000;
  const doors = { "how-to": 65, tutorial: 60, explanation: 40 };
  // Where to begin, for all who look for bots; lists of pages, and what is another network.
  const pages = [
    [/^tutorial\/bot$/, 10],
    [/(^|\/)index$/, -60],
    [/katzenpost/, -50],
  ];

  const asked = () => (new URLSearchParams(window.location.search).get("q") || "").trim();

  const ofObject = (score, query) => {
    const isSpelledOut = /[_.]|[A-Z].*[A-Z]/.test(query);
    return isSpelledOut || score < exact ? score : score - exact + 100;
  };

  // Sphinx counts words in headings as much as those in the page's title, which says more.
  const ofTitle = (title, query) => {
    const letters = title.toLowerCase().replaceAll(/\s/g, "");
    const words = query.toLowerCase().split(/\s+/).filter((word) => word.length > 2);
    if (!words.every((word) => letters.includes(word))) return 0;
    return 100 + (4 * query.length) / title.length;
  };

  const ofPage = (page, title, score, query) => {
    const others = pages
      .filter(([pattern]) => pattern.test(page) && !pattern.test(query.toLowerCase()))
      .reduce((sum, [, points]) => sum + points, 0);
    return 20 * score + (doors[page.split("/")[0]] || 0) + ofTitle(title, query) + others;
  };

  return {
    score: ([page, title, , , score, , kind]) =>
      kind === "object" ? ofObject(score, asked()) : ofPage(page, title, score, asked()),
    objNameMatch: exact,
    objPartialMatch: 30,
    objPrio: { 0: 15, 1: 5, 2: -5 },
    objPrioDefault: 0,
    title: 15,
    partialTitle: 7,
    term: 5,
    partialTerm: 2,
  };
})();
