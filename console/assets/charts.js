/** Draws the throughput charts. */
/** Draws a chart into each element with `data-series`. It redraws after a change of data, size or colour scheme. */
export async function drawCharts() {
  for (const place of document.querySelectorAll('[data-series]')) {
    const state = `${place.dataset.series} ${place.clientWidth} ${isDark.matches}`;
    if (place.drawnState === state) continue;
    place.drawnState = state;
    const { default: uPlot } = await import('/assets/uplot.js');
    place.uplot?.destroy();
    place.uplot = new uPlot(options(uPlot, place), JSON.parse(place.dataset.series), place);
  }
}

const isDark = matchMedia('(prefers-color-scheme: dark)');
const POWERS_OF_TWO = Array.from({ length: 50 }, (_, power) => 2 ** power);
const ONE_TWO_FIVE = Array.from({ length: 45 }, (_, n) => [1, 2, 5][n % 3] * 10 ** Math.floor(n / 3));
const ROW_FORMAT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });

function options(uPlot, place) {
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = {
    stroke: color('--muted'),
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui',
  };
  const interval = Number(place.dataset.interval);
  return {
    width: place.clientWidth,
    height: 200,
    // Times are UTC everywhere in the console.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'UTC'),
    cursor: { points: { show: false }, drag: { setScale: false } },
    // The last interval is as wide as the others.
    scales: {
      x: { range: (_, first, last) => [first, last + interval] },
      rows: { range: fromZero },
      bytes: { range: fromZero },
    },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map((tick) => isoTime(tick).slice(11)) },
      {
        ...axis,
        scale: 'rows',
        incrs: ONE_TWO_FIVE,
        size: 60,
        values: (_, ticks) => ticks.map((tick) => ROW_FORMAT.format(tick)),
      },
      {
        ...axis,
        scale: 'bytes',
        side: 1,
        incrs: POWERS_OF_TWO,
        size: 70,
        grid: { show: false },
        values: (_, ticks) => ticks.map(showBytes),
      },
    ],
    series: [
      {
        value: (_, seconds) => (seconds === null ? '' : isoTime(seconds)),
      },
      {
        label: 'Rows',
        scale: 'rows',
        stroke: color('--running'),
        fill: color('--running'),
        paths: uPlot.paths.bars({ size: [0.85, 40], align: 1 }),
        points: { show: false },
        value: (_, rows) => (rows === null ? '' : rows.toLocaleString('en-US')),
      },
      {
        label: 'Bytes',
        scale: 'bytes',
        stroke: color('--pending'),
        width: 1.5,
        paths: uPlot.paths.stepped({ align: 1 }),
        points: { show: false },
        value: (_, bytes) => (bytes === null ? '' : showBytes(bytes)),
      },
    ],
  };
}

function isoTime(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 16).replace('T', ' ');
}

function fromZero(_, _least, most) {
  return [0, most > 0 ? most * 1.1 : 1];
}

function showBytes(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  return `${Number((bytes / 1024 ** unit).toPrecision(3))} ${units[unit]}`;
}
