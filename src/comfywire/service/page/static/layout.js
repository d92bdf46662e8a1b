// Rows of a gallery from what is known of its pictures: their widths fill the line, the last of a day is not stretched. Pure.

const TALL = 216, GAP = 8, CAPTION = 28, DAY = 52;

// Returns rows with `y` and `height`: heads of days, and rows of cells with their sizes.
export function layout(entries, { width, ratio, keyOfDay, isNarrow = false }) {
  const rows = [];
  let y = 0;
  const put = (row, height) => { rows.push({ ...row, y, height }); y += height; };
  for (const day of days(entries, keyOfDay)) {
    put({ kind: "day", key: `day ${day.key}`, entry: day.entries[0], count: day.entries.length, look: () => `${day.key} ${day.entries.length}` }, DAY);
    for (const cells of isNarrow ? pairs(day.entries, width, ratio) : justified(day.entries, width, ratio)) {
      const tall = cells[0].height;
      put({ kind: "tiles", key: `row ${id(cells[0].entry)}`, cells, look: (selected) => cells.map((cell) => looks(cell, selected)).join("|") }, tall + CAPTION + GAP);
    }
  }
  return rows;
}

const id = ({ job, index }) => `${job.id}/${index ?? "-"}`;
const looks = ({ entry, width }, selected) => `${id(entry)} ${Math.round(width)} ${entry.job.status} ${entry.job.progress?.step ?? ""} ${entry.job.metadata?.picked ?? ""} ${selected.has(id(entry))}`;

function days(entries, keyOfDay) {
  const found = [];
  for (const entry of entries) {
    const key = keyOfDay(entry);
    if (found.at(-1)?.key === key) found.at(-1).entries.push(entry);
    else found.push({ key, entries: [entry] });
  }
  return found;
}

function justified(entries, width, ratio) {
  const rows = [];
  let line = [], sum = 0;
  const close = (isLast) => {
    const free = width - GAP * (line.length - 1);
    const height = isLast ? Math.min(TALL, free / sum) : free / sum;
    rows.push(line.map((entry) => ({ entry, width: Math.floor(ratio(entry) * height), height: Math.round(height) })));
    [line, sum] = [[], 0];
  };
  for (const entry of entries) {
    line.push(entry);
    sum += ratio(entry);
    if (sum * TALL + GAP * (line.length - 1) >= width) close(false);
  }
  if (line.length) close(true);
  return rows;
}

// Two columns for a thumb; what is wide takes both.
function pairs(entries, width, ratio) {
  const rows = [];
  const half = Math.floor((width - GAP) / 2);
  let line = [];
  for (const entry of entries) {
    if (ratio(entry) >= 1.45) {
      if (line.length) rows.push(line);
      line = [];
      rows.push([{ entry, width, height: Math.round(width / ratio(entry)) }]);
      continue;
    }
    line.push({ entry, width: half, height: half });
    if (line.length === 2) { rows.push(line); line = []; }
  }
  if (line.length) rows.push(line);
  return rows;
}
