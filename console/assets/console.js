// What the pages do beyond links and forms, all of which work without it: they refresh, draw charts, and show the SQL of a form.
import { drawCharts } from './charts.js';
import { Idiomorph } from './idiomorph.js';

const REFRESH_MS = 60_000;
const LEAST_BETWEEN_MS = 1000;

/** How the page changes in place: focus, scrolling, and what a person has opened or typed stay. Rows are told apart by their id. */
const MORPHING = {
  callbacks: {
    beforeNodeMorphed(from, to) {
      if (from.dataset?.series === undefined) return true;
      // A chart draws what is in it by itself.
      from.dataset.series = to.dataset.series;
      return false;
    },
    beforeAttributeUpdated(name, element, change) {
      if (name === 'open') return change !== 'remove';
      return element.type === 'hidden' || !['value', 'checked', 'selected'].includes(name);
    },
  },
};

const main = document.querySelector('main');
const isLive = document.body.dataset.events !== '';

drawCharts();
addEventListener('resize', drawCharts);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawCharts);
if (isLive) startRefreshing();
for (const form of document.querySelectorAll('form[data-sql-from]')) showSqlOf(form);
for (const form of document.querySelectorAll('form.act, form.setup'))
  form.addEventListener('submit', markBusy);
addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('form[aria-busy]')) form.removeAttribute('aria-busy');
});

/** Each minute, and at once after a change; not while the page is hidden, or a person has switched it off. */
function startRefreshing() {
  const box = document.getElementById('auto-refresh');
  const pulse = document.querySelector('.pulse');
  let events;
  let timer;
  let last = 0;
  let isUnderWay = false;
  /** What the server says: live, where it hears of changes, or on. */
  let told = 'on';

  box.closest('label').hidden = false;
  box.checked = localStorage.getItem('auto-refresh') !== 'off';
  box.addEventListener('change', () => {
    localStorage.setItem('auto-refresh', box.checked ? 'on' : 'off');
    follow();
  });
  document.addEventListener('visibilitychange', () => {
    follow();
    if (box.checked && !document.hidden && Date.now() - last > REFRESH_MS) refreshIn(0);
  });
  last = Date.now();
  follow();

  function follow() {
    clearTimeout(timer);
    events?.close();
    events = undefined;
    const isOn = box.checked && !document.hidden;
    show(isOn ? 'on' : 'off');
    if (!isOn) return;
    refreshIn(REFRESH_MS);
    events = new EventSource(document.body.dataset.events);
    events.addEventListener('state', ({ data }) => {
      told = data;
      show(told);
      // What happened while nobody told.
      if (told === 'live' && Date.now() - last > 2 * LEAST_BETWEEN_MS) refreshIn(0);
    });
    events.addEventListener('error', () => {
      told = 'on';
      show(told);
    });
    events.addEventListener('change', () => refreshIn(Math.max(LEAST_BETWEEN_MS - (Date.now() - last), 0)));
  }

  function refreshIn(ms) {
    clearTimeout(timer);
    timer = setTimeout(refresh, ms);
  }

  async function refresh() {
    // Nothing moves away under a finger that is about to press.
    if (isUnderWay || main.querySelector('button:hover, button:active, form[aria-busy]'))
      return refreshIn(LEAST_BETWEEN_MS);
    isUnderWay = true;
    try {
      const response = await fetch(location.href);
      if (!response.ok) throw new Error(`answered ${response.status}`);
      const page = new DOMParser().parseFromString(await response.text(), 'text/html');
      if (box.checked) Idiomorph.morph(main, page.querySelector('main'), MORPHING);
      drawCharts();
      for (const form of main.querySelectorAll('form.act')) form.addEventListener('submit', markBusy);
      show(box.checked ? told : 'off');
    } catch (error) {
      show('stale', error.message);
    } finally {
      isUnderWay = false;
      last = Date.now();
      if (box.checked && !document.hidden) refreshIn(REFRESH_MS);
    }
  }

  function show(state, why) {
    const words = { live: 'live', on: 'each minute', off: 'off', stale: 'the page could not be refreshed' };
    pulse.dataset.state = state;
    pulse.textContent = why ? `${words[state]}: ${why}` : words[state];
  }
}

/** Keeps the SQL under a form as the form is filled in. */
function showSqlOf(form) {
  const place = form.querySelector('#sql code');
  let timer;
  let asked = 0;
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 150);
  });
  async function ask() {
    const number = ++asked;
    const response = await fetch(form.dataset.sqlFrom, {
      method: 'POST',
      body: new URLSearchParams(new FormData(form)),
    });
    const text = await response.text();
    if (response.ok && number === asked) place.textContent = text;
  }
}

/** A second press does nothing while the first is under way. */
function markBusy(event) {
  const form = event.currentTarget;
  if (form.hasAttribute('aria-busy')) event.preventDefault();
  else form.setAttribute('aria-busy', 'true');
}
