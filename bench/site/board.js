/* Tables sort by their heads and filter by the form above them. Without this script they stand there all the same. */
"use strict";

(() => {
  const absent = (text) => text === "" || text === null;

  /* Numbers by their value, downwards or upwards; what is missing comes last either way. */
  const compare = (direction) => (a, b) => {
    if (absent(a) || absent(b)) return Number(absent(a)) - Number(absent(b));
    return direction * (Number(a) - Number(b));
  };

  DataTable.type("number-or-missing", { order: { asc: compare(1), desc: compare(-1) } });

  const enhance = (table) =>
    new DataTable(table, {
      autoWidth: false,
      columnDefs: [
        { targets: ["number", "ordered"], type: "number-or-missing" },
        { targets: "largest-first", orderSequence: ["desc", "asc"] },
        { targets: "_all", orderSequence: ["asc", "desc"] },
      ],
      info: false,
      layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
      order: table.dataset.sorted ? [[Number(table.dataset.sorted), "asc"]] : [],
      paging: false,
    });

  /* Whether a row has what the form asks for. */
  const suits = (row, wanted) => {
    const verdicts = JSON.parse(row.verdicts || "{}");
    const given = wanted.task ? [verdicts[wanted.task]] : Object.values(verdicts);
    return (
      (!wanted.pointwise || row.pointwise === wanted.pointwise) &&
      (!wanted.origin || row.origin === wanted.origin) &&
      (!wanted.verdict || given.includes(wanted.verdict))
    );
  };

  const listen = (form, table) => {
    const apply = () => {
      const wanted = Object.fromEntries(new FormData(form));
      table.search(wanted.text || "");
      table.search.fixed("choices", (text, data, index) => suits(table.row(index).node().dataset, wanted));
      table.draw();
      const shown = table.rows({ search: "applied" }).count();
      form.querySelector("output").textContent = `${shown} of ${table.rows().count()} rows`;
    };
    for (const event of ["input", "change"]) form.addEventListener(event, apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    form.hidden = false;
    apply();
  };

  for (const element of document.querySelectorAll("table.sortable")) {
    const table = enhance(element);
    const form = document.querySelector(`form[data-table="${element.id}"]`);
    if (form) listen(form, table);
  }
})();
