/** Rows to text and to JSON, and whether their goals are met. */

const SIGNS = { 'at least': '>=', 'at most': '<=', under: '<' };

/** Whether the row's goal is met; undefined for a row without one. Pure. */
export function isMet({ goal, ours, ratio }) {
  if (goal === undefined) return undefined;
  const value = goal.on === 'ratio' ? ratio : ours;
  if (goal.is === 'at least') return value >= goal.value;
  if (goal.is === 'at most') return value <= goal.value;
  return value < goal.value;
}

/** The table: what, ours, rival, ratio, goal, met. */
export function renderTable(rows) {
  const head = ['what', 'ours', 'rival', '', 'ratio', 'of pairs', 'goal', 'met?'];
  const body = rows.map((row) => [
    row.what,
    quantity(row.ours, row.unit),
    row.rival === undefined ? '' : quantity(row.rival, row.unit),
    row.rivalName ?? '',
    row.ratio === undefined ? '' : row.ratio.toFixed(2),
    row.ratios === undefined
      ? ''
      : `${Math.min(...row.ratios).toFixed(2)}-${Math.max(...row.ratios).toFixed(2)}`,
    row.goal === undefined ? '' : goalText(row),
    { true: 'yes', false: 'NO' }[String(isMet(row))] ?? '',
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...body.map((cells) => cells[column].length)),
  );
  const numeric = new Set([1, 2, 4, 5]);
  return [head, widths.map((width) => '-'.repeat(width)), ...body]
    .map((cells) =>
      cells
        .map((cell, column) =>
          numeric.has(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The document of `--json`. */
export function toJson(rows, machine, versions, quick) {
  return {
    machine,
    versions,
    quick,
    rows: rows.map(({ bench, what, unit, ours, rival, rivalName, ratio, ratios, goal, ...row }) => ({
      bench,
      what,
      unit: unit.trim(),
      ours,
      rival: rival ?? null,
      rivalName: rivalName ?? null,
      ratio: ratio ?? null,
      ratios: ratios ?? null,
      goal: goal ?? null,
      met: isMet({ goal, ours, ratio, ...row }) ?? null,
    })),
  };
}

function goalText({ goal, unit }) {
  const value = goal.on === 'ratio' ? goal.value : quantity(goal.value, unit);
  return `${SIGNS[goal.is]} ${value}`;
}

function quantity(value, unit) {
  const digits = value >= 1_000 ? 0 : value >= 100 ? 1 : 2;
  const text = Number.isInteger(value)
    ? value.toLocaleString('en')
    : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return text + unit;
}
