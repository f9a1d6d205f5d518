import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { LONGEST_WAIT_MS } from '../support/until.ts';
import { openWorld } from '../support/world.ts';
import { findChromium, openBrowser, openConsole } from './support.ts';

// CONSOLE_SCREENSHOTS=<directory> saves the screenshots there.
const { CONSOLE_SCREENSHOTS: screenshots } = process.env;
const executablePath = findChromium();
const options = executablePath
  ? {}
  : { skip: "no Chromium: install Debian's chromium, or name one in CHROMIUM_PATH" };

const world = await openWorld();
const console = await openConsole(world.db.url);
const browser = executablePath ? await openBrowser(executablePath) : undefined;
const WEATHER = '/connector?name=weather';

before(async () => {
  for (let day = 10; day < 30; day++) {
    world.put(`weather/2026-01-${day}.csv`, `time,station,temp\n2026-01-${day} 00:00:00Z,a,${day}\n`);
  }
  world.put('weather/2026-01-30.csv', 'time,station,temp\n2026-01-30 00:00:00Z,a,warm\n');
  await world.startWorker();
  await world.insertConnector({ name: 'weather', pattern: 'weather/*', target_table: 'weather' });
  await world.settled('weather');
});

async function open(path: string): Promise<Page> {
  const page = await browser!.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(LONGEST_WAIT_MS);
  // Violations of the Content-Security-Policy are reported here, too.
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(console.url + path);
  return page;
}
const errors: string[] = [];

async function keep(page: Page, name: string): Promise<void> {
  if (screenshots) await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
}

interface Seen {
  over: number;
  paper: string;
  unnamed: string[];
}

// Run within the page.
const SEEN = `({
  over: document.documentElement.scrollWidth - window.innerWidth,
  paper: getComputedStyle(document.documentElement).backgroundColor,
  unnamed: [...document.querySelectorAll('a, button, input:not([type=hidden]), select')]
    .filter((control) => !control.textContent.trim() && !control.ariaLabel && !control.labels?.length)
    .map((control) => control.outerHTML),
})`;
const FOCUSED = `(() => {
  const focused = document.activeElement;
  const isOutlined = getComputedStyle(focused).outlineStyle !== 'none';
  return isOutlined ? focused.textContent.trim() : 'no outline: ' + focused.outerHTML;
})()`;

const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'));
/** Run within the page, for each color scheme. The size of targets is not among axe's usual rules. */
const SERIOUS = {
  light: serious("{ rules: { 'target-size': { enabled: true } } }"),
  // The rest of the page is the same.
  dark: serious("{ runOnly: ['color-contrast'] }"),
};

function serious(options: string): string {
  return `axe.run(${options}).then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ': ' + html + ' ' + failureSummary)))`;
}

/** Opens the folds of a form, and shows the fields that do not apply. */
const SHOW_ALL = `for (const part of document.querySelectorAll('details, [data-when]')) {
  part.open = true;
  part.hidden = false;
}`;

test('every page fits at 1280 and 390 pixels, light and dark, without any error', options, async () => {
  const pages = {
    overview: '/',
    flow: '/?view=flow',
    connector: WEATHER,
    file: '/file?name=weather&key=weather/2026-01-30.csv',
    workers: '/workers',
    setup: '/setup',
    rejected: '/rejected?name=weather',
    code: '/code?code=bad_value',
    repair: '/repair?name=weather&code=bad_value',
    confirm: '/confirm?action=drop_connector&name=weather',
  };
  for (const [name, path] of Object.entries(pages)) {
    const page = await open(path);
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await keep(page, `${name}-${width}-${colorScheme}`);
        const seen = await page.evaluate<Seen>(SEEN);
        assert.ok(seen.over <= 0, `${name} is ${seen.over} pixels too wide at ${width}`);
        assert.equal(seen.paper, colorScheme === 'dark' ? 'rgb(18, 23, 29)' : 'rgb(246, 247, 249)');
        assert.deepEqual(seen.unnamed, [], `controls of ${name} without a name`);
      }
    }
    await page.close();
  }
  assert.deepEqual(errors, []);
});

test('axe finds nothing serious on any page, light or dark', options, async () => {
  // Its own policy would refuse the script, which is not part of the page.
  const context = await browser!.newContext({ bypassCSP: true, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await world.insertConnector({ name: 'draft to see', pattern: '**', target_table: 'd', state: 'draft' });
  await world.db.query("call s3_connector.preview('draft to see')");
  const file = new URLSearchParams({ name: 'weather', key: 'weather/2026-01-30.csv' });
  const paths = [
    ...[
      '/',
      '/?show=failing',
      '/?view=flow',
      WEATHER,
      `${WEATHER}&status=failure`,
      `/file?${file}`,
      '/workers',
    ],
    ...['/rejected?name=weather', '/code?code=bad_value', '/repair?name=weather&code=bad_value'],
    ...[
      `/confirm?action=cancel_file&${file}`,
      '/confirm?action=drop_connector&name=weather',
      '/no-such-page',
    ],
    ...['source', 'pattern', 'columns', 'rules', 'start'].map(
      (step) => `/setup?${new URLSearchParams({ name: 'draft to see', step })}`,
    ),
    '/setup',
  ];
  const found: string[] = [];
  const look = async (where: string) => {
    await page.addScriptTag({ path: AXE });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const findings = await page.evaluate<string[]>(SERIOUS[colorScheme]);
      found.push(...findings.map((finding) => `${where} ${colorScheme} ${finding}`));
    }
  };
  for (const path of paths) {
    await page.goto(console.url + path);
    if (path.startsWith('/setup')) await page.evaluate(SHOW_ALL);
    await look(path);
  }
  await page.goto(`${console.url}/setup`);
  await page.getByLabel('Credentials').selectOption('iam_role');
  await page.getByRole('button', { name: 'Save and check' }).click();
  await page.locator('#f-name[aria-invalid=true]').waitFor();
  await page.evaluate(SHOW_ALL);
  await look('errors');
  await context.close();
  await world.db.query("select s3_connector.drop_connector('draft to see')");
  assert.deepEqual(found, []);
});

test('the keyboard reaches every control, and the focus is visible', options, async () => {
  const page = await open(WEATHER);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to the content');
  await page.keyboard.press('Enter');
  const reached: string[] = [];
  for (let i = 0; i < 200 && !reached.includes('Check'); i++) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate<string>(FOCUSED));
  }
  for (const name of ['Actions ▾', 'Search', 'last day', 'Pause', 'Poll now', 'Retry all failed', 'Check']) {
    assert.ok(reached.includes(name), `${name} is not among ${reached.join(' | ')}`);
  }
  await page.close();
});

test('a failed file can be found, opened and retried with its button', options, async () => {
  const page = await open('/');
  await page.getByRole('link', { name: '1 failed files of weather' }).click();
  await page.locator('#files').getByRole('link', { name: 'weather/2026-01-30.csv' }).click();
  await page.getByText('invalid input syntax').first().waitFor();
  await page.getByRole('button', { name: 'Retry weather/2026-01-30.csv' }).click();
  const outcome = page.locator('section.outcome');
  await page.locator('section.outcome.good:focus').waitFor();
  await outcome.getByText('The SQL that ran').click();
  await outcome.getByText("select s3_connector.retry_file('weather', 'weather/2026-01-30.csv');").waitFor();
  await world.settled('weather');
  // An outcome is gone after the next action.
  await page.getByRole('link', { name: 'weather', exact: true }).click();
  await page.getByRole('button', { name: 'Poll now' }).click();
  await outcome.getByText('poll_now').waitFor({ state: 'attached' });
  await world.settled('weather');
  await page.getByRole('button', { name: 'Check' }).click();
  await outcome.getByText(/checks (passed|failed)/).waitFor();
  assert.equal(await outcome.getByText('poll_now').count(), 0);
  await page.close();
});

test(
  'the page updates itself, keeps typed input, and does not change while auto-refresh is off',
  options,
  async () => {
    const page = await open(WEATHER);
    await page.locator('.pulse[data-state=live]').waitFor();
    await page.getByLabel('File name').fill('half a wo');
    await page.getByText('Drop this connector').click();
    await page.getByRole('button', { name: 'Retry weather/2026-01-30.csv' }).focus();
    const arrive = async (key: string) => {
      world.put(key, 'time,station,temp\n2026-02-01 00:00:00Z,a,1\n');
      await world.pollAndSettle('weather');
      await world.db.query("select pg_notify('s3_connector', $1)", [
        JSON.stringify({ connector: 'weather', key, status: 'success' }),
      ]);
    };
    await arrive('weather/2026-02-01.csv');
    // A page that came during the import also has it among the running files.
    await page.locator('#files').getByRole('link', { name: 'weather/2026-02-01.csv' }).waitFor();
    assert.equal(await page.getByLabel('File name').inputValue(), 'half a wo');
    assert.equal(await page.getByText('Pause it before you drop it').isVisible(), true);
    // The row has moved down, and the focus is still on that file's button.
    assert.equal(await page.evaluate('document.activeElement.ariaLabel'), 'Retry weather/2026-01-30.csv');

    await page.getByLabel('Auto-refresh').uncheck();
    await arrive('weather/2026-02-02.csv');
    // Another page has shown it by now, so this one would have, too.
    const other = await open(WEATHER);
    await other.locator('#files').getByRole('link', { name: 'weather/2026-02-02.csv' }).waitFor();
    assert.equal(await page.getByRole('link', { name: 'weather/2026-02-02.csv' }).count(), 0);
    await page.getByLabel('Auto-refresh').check();
    await page.reload();
    assert.equal(await page.getByLabel('Auto-refresh').isChecked(), true);
    await Promise.all([page.close(), other.close()]);
  },
);

test('a connector is created step by step, and each step shows the SQL that it runs', options, async () => {
  world.put('air/1.csv', 'time,site,pm25,note\n2026-01-01 00:00:00Z,a,4.5,x\n2026-01-01 01:00:00Z,b,5.5,y\n');
  const page = await open('/setup');
  const sql = page.locator('#sql');
  await page.getByLabel('Name', { exact: true }).fill('air');
  await page.getByLabel('Bucket', { exact: true }).fill(world.bucket);
  await page.getByLabel('Pattern').fill('air/**');
  await page.getByText('Another server than AWS').click();
  await page.getByLabel('Endpoint').fill(world.server.endpoint);
  await sql
    .getByText(
      `values ('air', '${world.bucket}', 'air/**', '${world.server.endpoint}', 'csv', 'air', 'draft')`,
    )
    .waitFor();
  await keep(page, 'setup-source');
  await page.getByRole('button', { name: 'Save and check' }).click();
  await page.getByRole('status').getByText('list: ok').waitFor();

  await page.getByLabel('Pattern').fill('air/[');
  await page.getByRole('button', { name: 'Save and list the files' }).click();
  // The error stands at its field, which has the focus.
  await page.locator('#f-pattern:focus[aria-invalid=true]').waitFor();
  await page.locator('#f-pattern-error').getByText('pattern must close every { and [').waitFor();
  assert.equal(await page.getByLabel('Pattern').inputValue(), 'air/[');
  await page.getByLabel('Pattern').fill('air/*');
  await page.locator('#f-pattern-error').waitFor({ state: 'detached' });
  await sql.getByText("set pattern = 'air/*' where name = 'air'").waitFor();
  await page.getByRole('button', { name: 'Save and list the files' }).click();
  await page.getByText('air/1.csv').first().waitFor();
  await keep(page, 'setup-pattern');
  await page.getByRole('button', { name: 'Save and preview' }).click();

  await page.getByLabel('Table', { exact: true }).fill('air_quality');
  await page.getByLabel('Column for site').fill('station');
  await page.getByLabel('Type of pm25').fill('numeric(6,2)');
  await page.getByLabel('Import note').uncheck();
  await page.getByLabel('site is part of the primary key').check();
  await sql.getByText("primary_key = array['station']").waitFor();
  await sql.getByText("('air', 'note', null, null)").waitFor();
  await keep(page, 'setup-columns');
  await page.getByRole('button', { name: 'Save and go on' }).click();

  await page.getByLabel('If a row is bad').selectOption('skip');
  await page.getByLabel('Bad rows of one file at most').waitFor();
  await page.getByLabel('Look for new files').selectOption('cron');
  await page.getByLabel('Cron, in UTC').fill('*/5 * * * *');
  await sql.getByText("set on_bad_row = 'skip', schedule = '*/5 * * * *' where name = 'air'").waitFor();
  await sql.getByText("call s3_connector.dry_run_file('air', 'air/1.csv')").waitFor();
  assert.equal(await page.locator('#next-runs time').count(), 3);
  await keep(page, 'setup-rules');
  await page.getByRole('button', { name: 'Save and try' }).click();

  await page
    .locator('section.outcome.good:focus')
    .getByText('air/1.csv would import 2 rows, 0 rejected')
    .waitFor();
  await page.getByText("select s3_connector.resume('air');").waitFor();
  await keep(page, 'setup-start');
  const shown = await page.locator('form.setup .sql').first().textContent();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page.getByRole('heading', { name: 'air', exact: true }).waitFor();
  await world.settled('air');
  assert.deepEqual(await world.db.query('select station, pm25 from air_quality order by time'), [
    { station: 'a', pm25: '4.50' },
    { station: 'b', pm25: '5.50' },
  ]);
  await page.close();

  // The SQL that the last step shows creates the same connector.
  const row = () =>
    world.db.one(`
      select to_jsonb(c) - '{created_at,state}'::text[] as c,
        (select jsonb_agg(to_jsonb(m) - 'id' order by source_column) from s3_connector.column_mappings m) as m
      from s3_connector.connectors c where name = 'air'`);
  const made = await row();
  await world.db.query("select s3_connector.pause('air'); select s3_connector.drop_connector('air')");
  await world.db.query(shown!);
  assert.deepEqual(await row(), made);
});

test('fields appear for what is chosen, with the script and without it', options, async () => {
  world.put('choices/1.csv', 'time,site\n2026-01-01 00:00:00Z,a\n');
  await world.db.query('create table stations (site text primary key, since timestamptz)');
  await world.insertConnector({ name: 'choices', pattern: 'choices/*', target_table: 'new', state: 'draft' });
  const page = await open('/setup?name=choices&step=pattern');
  await page.getByRole('button', { name: 'Save and preview' }).click();
  await page.getByLabel('Type of site').waitFor();
  await page.getByLabel('Table', { exact: true }).fill('stations');
  // What is typed while the server answers is kept, and so is the focus.
  await page.getByLabel('Column for time').fill('since');
  await page.getByText('The table exists').waitFor();
  await page.locator('select[name="column.0.target"]:focus').waitFor();
  assert.equal(await page.getByLabel('Column for time').inputValue(), 'since');
  await page.getByLabel('Column for site').selectOption('since');
  await page.getByLabel('Column for site').selectOption('site');
  assert.equal(await page.getByLabel('Type of site').count(), 0);
  await page.getByLabel('If the table lacks a column').selectOption('rescue');
  await page.getByLabel('Rescue column').fill('rest');
  await page.getByLabel('If the table lacks a column').selectOption('ignore');
  await page.getByLabel('Rescue column').waitFor({ state: 'hidden' });
  await page.locator('#sql').getByText("('choices', 'time', 'since', null)").waitFor();
  assert.doesNotMatch((await page.locator('#sql').textContent())!, /rest/);
  await page.close();

  const context = await browser!.newContext({ javaScriptEnabled: false });
  const plain = await context.newPage();
  plain.setDefaultTimeout(LONGEST_WAIT_MS);
  await plain.goto(`${console.url}/setup?name=choices&step=source`);
  assert.equal(await plain.getByLabel('ARN of the role').isVisible(), false);
  await plain.getByLabel('Credentials').selectOption('iam_role');
  await plain.getByRole('button', { name: 'Show the fields for these choices' }).click();
  await plain.getByText('The worker has no external id').waitFor();
  await plain.getByRole('button', { name: 'Save and check' }).click();
  await plain.locator('#f-role_arn:focus[aria-invalid=true]').waitFor();
  await context.close();
  await world.db.query("select s3_connector.drop_connector('choices')");
});

test('a cancelled draft is deleted', options, async () => {
  const page = await open('/setup');
  await page.getByLabel('Name', { exact: true }).fill('draft');
  await page.getByLabel('Bucket', { exact: true }).fill(world.bucket);
  await page.getByLabel('Pattern').fill('**');
  await page.getByText('Another server than AWS').click();
  await page.getByLabel('Endpoint').fill(world.server.endpoint);
  await page.getByRole('button', { name: 'Save and check' }).click();
  await page.getByRole('heading', { name: '2. Files' }).waitFor();
  // A draft cannot be started from its page: the setup goes on.
  const other = await open('/connector?name=draft');
  assert.equal(await other.getByRole('button', { name: 'Resume' }).count(), 0);
  await other.getByRole('link', { name: 'Continue' }).first().click();
  await other.getByRole('heading', { name: '1. Bucket' }).waitFor();
  await other.close();
  await page.getByText('Cancel', { exact: true }).click();
  await page.getByRole('button', { name: 'Drop connector' }).click();
  await page.getByText('Deletes the draft. Nothing was imported.').waitFor();
  await page.getByRole('button', { name: 'Drop connector' }).click();
  await page.getByRole('status').getByText('drop_connector').waitFor({ state: 'attached' });
  assert.deepEqual(await world.db.query("select from s3_connector.connectors where name = 'draft'"), []);
  await page.close();
});
