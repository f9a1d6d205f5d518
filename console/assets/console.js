/**
 * Progressive enhancement: pages refresh, show local times, and show the SQL of a form while it is filled in.
 * All links and forms work without this script.
 */
import { Idiomorph } from './idiomorph.js';

const REFRESH_MS = 60_000;
const MIN_INTERVAL_MS = 1000;

/** Morphing keeps focus, scroll position, open details and typed text. Elements are matched by their ids. */
const MORPHING = {
  callbacks: {
    beforeAttributeUpdated(name, element, change) {
      if (name === 'open') return change !== 'remove';
      return element.type === 'hidden' || !['value', 'checked', 'selected'].includes(name);
    },
  },
};

const main = document.querySelector('main');
const isLive = document.body.dataset.events !== '';

document.documentElement.classList.add('has-script');
document.addEventListener('click', copy);
document.addEventListener('click', ({ target }) => closeMenus(target));
document.addEventListener('keydown', ({ key }) => {
  if (key === 'Escape') closeMenus();
});
const localTimes = document.querySelector('#local-times');
localTimes.hidden = false;
const localBox = localTimes.querySelector('input');
localBox.checked = localStorage.getItem('local-times') === 'on';
localBox.addEventListener('change', () => {
  localStorage.setItem('local-times', localBox.checked ? 'on' : 'off');
  showTimes();
});
showTimes();
if (isLive) startRefreshing();
for (const form of document.querySelectorAll('form[data-sql-from]')) showSqlOf(form);
for (const form of document.querySelectorAll('form.act, form.setup'))
  form.addEventListener('submit', markBusy);
addEventListener('pageshow', () => {
  for (const form of document.querySelectorAll('form[aria-busy]')) form.removeAttribute('aria-busy');
});

/** Refreshes the page every minute and after each change, unless the page is hidden or auto-refresh is off. */
function startRefreshing() {
  const box = document.getElementById('auto-refresh');
  const pulse = document.querySelector('.pulse');
  let events;
  let timer;
  let last = 0;
  let isRefreshing = false;
  /** The state that the server sent: `live` if it listens to changes, else `on`. */
  let serverState = 'on';

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
      serverState = data;
      show(serverState);
      // Changes may have been missed before.
      if (serverState === 'live' && Date.now() - last > 2 * MIN_INTERVAL_MS) refreshIn(0);
    });
    events.addEventListener('error', () => {
      serverState = 'on';
      show(serverState);
    });
    events.addEventListener('change', () => refreshIn(Math.max(MIN_INTERVAL_MS - (Date.now() - last), 0)));
  }

  function refreshIn(ms) {
    clearTimeout(timer);
    timer = setTimeout(refresh, ms);
  }

  async function refresh() {
    // Do not move a button that a person is about to press.
    if (isRefreshing || main.querySelector('button:hover, button:active, form[aria-busy]'))
      return refreshIn(MIN_INTERVAL_MS);
    isRefreshing = true;
    try {
      const response = await fetch(location.href);
      if (!response.ok) throw new Error(`answered ${response.status}`);
      const page = new DOMParser().parseFromString(await response.text(), 'text/html');
      if (box.checked) Idiomorph.morph(main, page.querySelector('main'), MORPHING);
      showTimes();
      for (const form of main.querySelectorAll('form.act')) form.addEventListener('submit', markBusy);
      show(box.checked ? serverState : 'off');
    } catch (error) {
      show('stale', error.message);
    } finally {
      isRefreshing = false;
      last = Date.now();
      if (box.checked && !document.hidden) refreshIn(REFRESH_MS);
    }
  }

  function show(state, why) {
    const words = { live: 'live', on: 'every minute', off: 'off', stale: 'the page could not be refreshed' };
    pulse.dataset.state = state;
    pulse.textContent = why ? `${words[state]}: ${why}` : words[state];
  }
}

/** Updates the SQL under a form while the form is filled in. */
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

/** Shows all times in the zone of the browser, or in UTC. */
function showTimes() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  document.querySelector('#zone').textContent = `Times are in ${localBox.checked ? zone : 'UTC'}.`;
  for (const time of document.querySelectorAll('time')) {
    const clock = time.querySelector('.clock');
    clock.textContent = localBox.checked
      ? localClock(new Date(time.dateTime))
      : `${time.dateTime.slice(0, 19).replace('T', ' ')} UTC`;
  }
}

function localClock(time) {
  // Swedish writes dates as ISO 8601 does.
  return `${time.toLocaleString('sv')} ${time.toLocaleTimeString('en', { timeZoneName: 'short' }).split(' ').at(-1)}`;
}

/** Closes open menus, except the one that an element is in. Focus that would be lost goes back to the menu's button. */
function closeMenus(inside) {
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    if (inside && menu.contains(inside)) continue;
    if (menu.contains(document.activeElement)) menu.querySelector('summary').focus();
    menu.open = false;
  }
}

/** Copies the text of a copy button. */
async function copy(event) {
  const button = event.target.closest?.('[data-copy]');
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Not copied';
  }
  setTimeout(() => {
    button.textContent = 'Copy';
  }, 1500);
}

/** Ignores a second submit while the first is being processed. */
function markBusy(event) {
  const form = event.currentTarget;
  if (form.hasAttribute('aria-busy')) event.preventDefault();
  else form.setAttribute('aria-busy', 'true');
}
