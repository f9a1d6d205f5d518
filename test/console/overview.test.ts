import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { findChromium, getPage, openBrowser, openConsole, shows } from './support.ts';
import { HEALTHY, openTroubles, WORST_FIRST } from './troubles.ts';

const { CONSOLE_SCREENSHOTS: screenshots } = process.env;
const executablePath = findChromium();
const options = executablePath
  ? {}
  : { skip: "no Chromium: install Debian's chromium, or name one in CHROMIUM_PATH" };

const world = await openTroubles();
const console = await openConsole(world.db.url);
const browser = executablePath ? await openBrowser(executablePath) : undefined;

const overview = async (parameters: Record<string, string> = {}) =>
  (await getPage(console, `/?${new URLSearchParams(parameters)}`)).text;
const rowsOf = (text: string) => text.split('<tr id="connector:').slice(1);
const namesOf = (text: string) => rowsOf(text).map((row) => row.slice(0, row.indexOf('"')));
const rowOf = (text: string, name: string) => rowsOf(text).find((row) => row.startsWith(`${name}"`))!;
const words = (text: string) => text.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

test('the worst connectors come first, and those without a trouble last', async () => {
  const names = namesOf(await overview());
  assert.deepEqual(names.slice(0, WORST_FIRST.length), WORST_FIRST);
  assert.equal(names.length, WORST_FIRST.length + HEALTHY);
});

test('each row says how the connector is, why, and what to do', async () => {
  const text = await overview();
  const said: Record<string, [health: RegExp, why: RegExp, step: RegExp]> = {
    bucket_gone: [/s-failure">bucket unavailable/, /no-such-bucket/, /value="check"/],
    all_bad: [
      /s-failure">all files failed \(3\)/,
      /<b>unterminated_quote<\/b>/,
      /href="\/repair\?[^"]*">Repair 3 files/,
    ],
    taxi_trips: [
      /s-failure">14 failed/,
      /<b>unknown_column<\/b>: the table has no column total_amount</,
      /href="\/repair\?[^"]*">Repair 14 files/,
    ],
    late_sensors: [
      /s-pending_retry">1 late key/,
      /arrived late, or changed/,
      /href="[^"]*#late">Look at late files/,
    ],
    shop_orders: [/s-pending_retry">10 rows rejected/, /did not fit the table/, /Look at the rows/],
    behind: [/s-running">importing/, /bucket has more files/, /^/],
    new_draft: [/s-draft">draft/, /setup is not complete/, /Continue/],
    paused_one: [/s-paused">paused/, /does not poll/, /value="resume"/],
    fine_00: [/s-success">ok/, /^/, /^/],
  };
  for (const [name, patterns] of Object.entries(said))
    for (const pattern of patterns) shows(rowOf(text, name), pattern);
  shows(words(rowOf(text, 'taxi_trips')), / 14 /);
});

test('a click on the head of a column sorts by it, and a second one reverses that', async () => {
  const head = (text: string, label: string) =>
    new RegExp(`<th scope="col"[^>]*?(?: aria-sort="(\\w+)")?><a href="([^"]+)">${label}`).exec(text)!;
  const first = head(await overview(), 'Failed');
  assert.equal(first[1], undefined);
  const byFailed = await overview(
    Object.fromEntries(new URL(first[2]!.replaceAll('&amp;', '&'), console.url).searchParams),
  );
  assert.deepEqual(namesOf(byFailed).slice(0, 2), ['taxi_trips', 'all_bad']);
  const second = head(byFailed, 'Failed');
  assert.equal(second[1], 'descending');
  const reversed = await getPage(console, second[2]!.replaceAll('&amp;', '&'));
  assert.deepEqual(namesOf(reversed.text).slice(-2), ['all_bad', 'taxi_trips']);
  assert.equal(head(reversed.text, 'Failed')[1], 'ascending');
  for (const sort of ['name', 'rows', 'waiting', 'rejected', 'lag']) {
    assert.equal(namesOf(await overview({ sort })).length, WORST_FIRST.length + HEALTHY, sort);
  }
  assert.equal(namesOf(await overview({ sort: 'rejected' }))[0], 'shop_orders');
  assert.equal(namesOf(await overview({ sort: 'waiting' }))[0], 'behind');
  assert.deepEqual(namesOf(await overview({ sort: 'nonsense' })).slice(0, 2), WORST_FIRST.slice(0, 2));
});

test('a menu has the actions that the state allows', async () => {
  const text = await overview();
  const actions = (name: string) => {
    const menu = /<details class="menu".*?<\/details>/s.exec(rowOf(text, name))![0];
    return [...menu.matchAll(/name="action" value="(\w+)"/g)].map(([, action]) => action);
  };
  assert.deepEqual(actions('taxi_trips'), ['poll_now', 'pause', 'retry', 'check', 'audit']);
  assert.deepEqual(actions('late_sensors'), ['poll_now', 'pause', 'import_late', 'check', 'audit']);
  assert.deepEqual(actions('paused_one'), ['resume', 'check', 'audit']);
  assert.deepEqual(actions('new_draft'), ['check']);
});

test('the flow is a switch that keeps the filter and the order', async () => {
  const text = await overview({ show: 'failing', sort: 'name' });
  assert.deepEqual(namesOf(text), ['all_bad', 'taxi_trips']);
  const [, address] = /href="([^"]+)">Flow</.exec(text)!;
  const flow = (await getPage(console, address!.replaceAll('&amp;', '&'))).text;
  assert.deepEqual(
    [...flow.matchAll(/<article id="connector:(\w+)"/g)].map(([, name]) => name),
    ['all_bad', 'taxi_trips'],
  );
});

test(
  'a menu opens by click and keyboard, and closes by Escape and by a click elsewhere',
  options,
  async () => {
    const page = await browser!.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(console.url);
    const menu = page.getByLabel('Actions for taxi_trips');
    const retry = page
      .locator('[id="connector:taxi_trips"]')
      .getByRole('button', { name: 'Retry all failed' });
    await menu.click();
    await retry.waitFor({ state: 'visible' });
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await retry.waitFor({ state: 'hidden' });
    assert.equal(await page.evaluate('document.activeElement.ariaLabel'), 'Actions for taxi_trips');
    await page.keyboard.press('Enter');
    await retry.waitFor({ state: 'visible' });
    await page.getByRole('heading', { name: 'Connectors' }).click();
    await retry.waitFor({ state: 'hidden' });
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        if (screenshots)
          await page.screenshot({ path: join(screenshots, `troubles-${width}-${colorScheme}.png`) });
        const over = await page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
        assert.ok(over <= 0, `${over} pixels too wide at ${width}`);
      }
    }
    await page.close();
  },
);

/** Run within the page: the controls whose edge has less contrast to what is around them than 3:1 (WCAG 1.4.11). */
const WEAK_EDGES = `(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = channels(color).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const background = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return channels(color)[3] === 0 && element.parentElement ? background(element.parentElement) : color;
  };
  return [...document.querySelectorAll('button, .button, input:not([type=hidden], [type=checkbox]), select, .menu summary')]
    .filter((control) => control.checkVisibility() && getComputedStyle(control).borderTopWidth !== '0px')
    .filter((control) => {
      const around = background(control.parentElement);
      return Math.max(contrast(getComputedStyle(control).borderTopColor, around), contrast(background(control), around)) < 3;
    })
    .map((control) => control.outerHTML);
})()`;

test('the edges of controls have a contrast of 3:1, light and dark', options, async () => {
  const page = await browser!.newPage({ viewport: { width: 1280, height: 900 } });
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const path of ['/', '/connector?name=taxi_trips', '/workers', '/setup']) {
      await page.goto(console.url + path);
      assert.deepEqual(await page.evaluate(WEAK_EDGES), [], `${path} ${colorScheme}`);
    }
  }
  await page.close();
});

test('with the colours of the person, statuses, charts and the current tab still show', options, async () => {
  const page = await browser!.newPage({ viewport: { width: 1280, height: 900 } });
  await page.emulateMedia({ forcedColors: 'active' });
  await page.goto(`${console.url}/connector?name=taxi_trips`);
  const style = (selector: string, property: string) =>
    page.evaluate<string>(`getComputedStyle(document.querySelector('${selector}')).${property}`);
  const canvas = await style('body', 'backgroundColor');
  assert.notEqual(await style('.dot.s-failure', 'borderTopStyle'), 'none');
  assert.notEqual(await style('.tabs [aria-current]', 'outlineStyle'), 'none');
  assert.notEqual(await style('.bar nav [aria-current]', 'outlineStyle'), 'none');
  for (const shape of ['.bars rect', '.spark .bars', '.stack .f-failure']) {
    assert.notEqual(await style(shape, 'fill'), canvas, shape);
  }
  if (screenshots) await page.screenshot({ path: join(screenshots, 'forced-colours.png') });
  await page.close();
});

test('on a small screen a table is still one for screen readers, with its heads', options, async () => {
  const page = await browser!.newPage({ viewport: { width: 390, height: 900 } });
  await page.goto(console.url);
  const connectors = page.getByRole('table', { name: 'Connectors' });
  await connectors.getByRole('columnheader', { name: 'Failed' }).waitFor();
  await connectors.getByRole('rowheader', { name: /^taxi_trips/ }).waitFor();
  await page.goto(`${console.url}/connector?name=taxi_trips`);
  const files = page.getByRole('table', { name: 'Files' });
  for (const name of ['File', 'Status', 'Import took']) {
    assert.equal(await files.getByRole('columnheader', { name, exact: true }).count(), 1, name);
  }
  assert.equal(await files.getByRole('rowheader').count(), 20);
  await page.close();
});

test('the charts need no script, and their numbers are a table, too', async () => {
  const { text } = await getPage(console, '/connector?name=shop_orders');
  const [, chart] = /<figure class="bars" id="rows-chart">(.*?)<\/figure>/s.exec(text)!;
  shows(chart!, /role="img" aria-label="Rows per minute, \d+ at most"/);
  const [, details] = /<details id="chart-table">(.*?)<\/details>/s.exec(text)!;
  const numbers = [...details!.matchAll(/data-label="Rows" class="num">([\d,]+)</g)].map(([, rows]) =>
    Number(rows),
  );
  assert.equal(chart!.match(/<rect/g)!.length, numbers.length);
  assert.equal(
    numbers.reduce((sum, rows) => sum + rows, 0),
    10,
  );
});

test(
  'times can be shown in the zone of the browser, which the page names and remembers',
  options,
  async () => {
    const context = await browser!.newContext({ timezoneId: 'Asia/Tokyo' });
    const page = await context.newPage();
    await page.goto(`${console.url}/connector?name=taxi_trips`);
    const clock = page.locator('#files time .clock').first();
    const utc = (await clock.textContent())!;
    assert.match(utc, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
    await page.getByText('Times are in UTC.').waitFor();
    await page.getByLabel('Show them in local time').check();
    await page.getByText('Times are in Asia/Tokyo.').waitFor();
    const local = (await clock.textContent())!;
    assert.equal(Date.parse(`${local.slice(0, 19)}+09:00`), Date.parse(utc));
    await page.reload();
    assert.equal(await clock.textContent(), local);
    assert.equal(await page.locator('time .clock', { hasText: 'UTC' }).count(), 0);
    await context.close();
  },
);

test('a copy button copies the whole key', options, async () => {
  const context = await browser!.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  await page.goto(`${console.url}/file?name=taxi_trips&key=taxi/2026-01-01.csv`);
  await page.getByRole('button', { name: 'Copy taxi/2026-01-01.csv' }).click();
  await page.getByText('Copied', { exact: true }).waitFor();
  assert.equal(await page.evaluate('navigator.clipboard.readText()'), 'taxi/2026-01-01.csv');
  await context.close();
});
