'use strict';

// Draws the charts of a page, paints them in the page's theme, and applies its filters.
// Everything comes from the page itself; nothing is fetched.
(() => {
  const root = document.documentElement;
  const main = document.querySelector('main');
  const { themes, plots } = JSON.parse(document.getElementById('page-data').textContent);
  const systemTheme = matchMedia('(prefers-color-scheme: dark)');
  // What is filtered out: for the name of a tag, its values without a check mark.
  const unchecked = new Map();
  let chosenTheme = null;

  const theme = () => chosenTheme ?? (systemTheme.matches ? 'dark' : 'light');

  const isUnchecked = (name, value) => unchecked.get(name)?.has(value) ?? false;

  // Things without a tag of some name are not filtered by it. Of several values one is enough.
  function isShown(tags) {
    const found = new Map();
    for (const [name, value] of tags) {
      found.set(name, (found.get(name) ?? false) || !isUnchecked(name, value));
    }
    return [...found.values()].every(Boolean);
  }

  // The trace without the places on the x axis that are filtered out.
  function withoutUnchecked(trace, plot) {
    if (!plot.x_tag || !unchecked.get(plot.x_tag)?.size || trace.type !== 'scatter') {
      return trace;
    }
    const keeps = (x) => x === null || !isUnchecked(plot.x_tag, plot.x_names[x] ?? String(x));
    const kept = trace.x.map(keeps);
    const filtered = { ...trace };
    for (const column of ['x', 'y', 'text']) {
      if (Array.isArray(trace[column])) {
        filtered[column] = trace[column].filter((_, place) => kept[place]);
      }
    }
    return filtered;
  }

  function painted(trace, color) {
    // A field of cells has colours of its own.
    if (trace.type !== 'scatter') {
      return trace;
    }
    return {
      ...trace,
      line: { ...trace.line, color },
      marker: { ...trace.marker, color },
      textfont: { color },
      fillcolor: color,
    };
  }

  const ruleLine = ({ axis, at, color }) => ({
    type: 'line',
    xref: axis === 'x' ? 'x' : 'x domain',
    yref: axis === 'y' ? 'y' : 'y domain',
    x0: axis === 'x' ? at : 0,
    x1: axis === 'x' ? at : 1,
    y0: axis === 'y' ? at : 0,
    y1: axis === 'y' ? at : 1,
    line: { color, width: 1.5, dash: 'dash' },
  });

  // Plotly wants the logarithm here, but not for lines.
  const place = (at, isLog) => (isLog ? Math.log10(at) : at);

  const ruleName = ({ axis, at, label, color }, plot, number) => ({
    text: label,
    showarrow: false,
    font: { color, size: 12 },
    xref: axis === 'x' ? 'x' : 'x domain',
    yref: axis === 'y' ? 'y' : 'y domain',
    x: axis === 'x' ? place(at, plot.x_log) : 1,
    y: axis === 'y' ? place(at, plot.y_log) : 1,
    xanchor: axis === 'x' ? 'left' : 'right',
    yanchor: axis === 'x' ? 'top' : 'bottom',
    // One below the other, so that lines that stand close do not write over each other.
    yshift: axis === 'x' ? -14 * (number % 4) : 0,
  });

  function layoutOf(plot, rules) {
    const { ground, text, grid } = themes[theme()];
    const axis = (given) => ({
      ...given, gridcolor: grid, linecolor: grid, tickcolor: grid, exponentformat: 'SI',
    });
    return {
      ...plot.layout,
      xaxis: axis(plot.layout.xaxis),
      yaxis: axis(plot.layout.yaxis),
      font: { color: text, family: 'system-ui, sans-serif', size: 13 },
      paper_bgcolor: ground,
      plot_bgcolor: ground,
      hoverlabel: { namelength: -1, align: 'left' },
      legend: { orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', bgcolor: 'rgba(0,0,0,0)' },
      shapes: rules.map(ruleLine),
      annotations: rules.map((rule, number) => ruleName(rule, plot, number)),
    };
  }

  const config = {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d'],
  };

  function draw(plot) {
    const shown = plot.layers.filter((layer) => isShown(layer.tags));
    const traces = shown.flatMap((layer) => layer.traces.map((trace) => {
      const color = layer.color[theme()];
      return painted(withoutUnchecked(trace, plot), color);
    }));
    const rules = shown.flatMap((layer) => layer.rules.map((rule) => (
      { ...rule, color: layer.color[theme()] }
    )));
    // A single thing needs no legend, unless it has a name to tell.
    const named = traces.some((trace) => trace.name && trace.showlegend !== false);
    const layout = { ...layoutOf(plot, rules), showlegend: named };
    return Plotly.react(plot.target, traces, layout, config);
  }

  async function drawAll() {
    root.dataset.theme = theme();
    main.setAttribute('aria-busy', 'true');
    for (const plot of plots) {
      await draw(plot);
    }
    main.setAttribute('aria-busy', 'false');
  }

  function showThemeButton() {
    const button = document.getElementById('theme');
    const other = theme() === 'dark' ? 'light' : 'dark';
    button.textContent = other === 'dark' ? 'Dark' : 'Light';
    button.setAttribute('aria-label', `Show in ${other} colours`);
    button.onclick = () => {
      chosenTheme = other;
      changeTheme();
    };
  }

  function changeTheme() {
    showThemeButton();
    drawAll();
  }

  // Paper is white.
  function printInLightColours() {
    let before = null;
    addEventListener('beforeprint', () => {
      before = chosenTheme;
      chosenTheme = 'light';
      changeTheme();
      document.querySelectorAll('details').forEach((details) => {
        details.dataset.open = details.open;
        details.open = true;
      });
    });
    addEventListener('afterprint', () => {
      chosenTheme = before;
      changeTheme();
      document.querySelectorAll('details').forEach((details) => {
        details.open = details.dataset.open === 'true';
      });
    });
  }

  function applyFilters() {
    const boxes = [...document.querySelectorAll('input[data-filter]')];
    unchecked.clear();
    for (const box of boxes.filter(({ checked }) => !checked)) {
      const values = unchecked.get(box.dataset.filter) ?? new Set();
      unchecked.set(box.dataset.filter, values.add(box.value));
    }
    const rows = [...document.querySelectorAll('tr[data-tags]')];
    for (const row of rows) {
      row.hidden = !isShown(JSON.parse(row.dataset.tags));
    }
    const count = document.getElementById('shown');
    const shown = rows.filter(({ hidden }) => !hidden).length;
    count.textContent = `${shown} of ${rows.length} runs shown`;
    drawAll();
  }

  function startFilters() {
    const form = document.getElementById('filters');
    form?.addEventListener('change', applyFilters);
    // After a reload browsers keep the check marks of before.
    form?.addEventListener('reset', () => setTimeout(applyFilters));
    if (form) {
      applyFilters();
    }
    return Boolean(form);
  }

  // Numbers before texts, each in their order; what is empty comes last.
  function compare(one, two) {
    const [a, b] = [one, two].map((cell) => cell.dataset.value ?? cell.textContent);
    if (a === '' || b === '') {
      return (a === '') - (b === '');
    }
    const difference = Number(a) - Number(b);
    return Number.isNaN(difference) ? a.localeCompare(b) : difference;
  }

  function sortBy(heading) {
    const descending = heading.getAttribute('aria-sort') === 'ascending';
    const table = heading.closest('table');
    for (const other of table.tHead.rows[0].cells) {
      other.removeAttribute('aria-sort');
    }
    heading.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
    const column = heading.cellIndex;
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((one, two) => {
      const order = compare(one.cells[column], two.cells[column]);
      return descending ? -order : order;
    });
    body.append(...rows);
  }

  for (const button of document.querySelectorAll('th button')) {
    button.addEventListener('click', () => sortBy(button.closest('th')));
  }
  systemTheme.addEventListener('change', changeTheme);
  printInLightColours();
  showThemeButton();
  if (!startFilters()) {
    drawAll();
  }
})();
