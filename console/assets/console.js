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
for (const form of document.querySelectorAll('form.setup')) followFields(form);
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

/**
 * Updates what follows the fields of a form while it is filled in: its SQL, and which fields apply. `data-follows` is `all`, or the
 * name of the field whose change counts.
 */
function followFields(form) {
  // Fields may have been filled in before this script has loaded, by a person or by the browser.
  const changed = new Set([...form.elements].filter(isChanged).map(({ name }) => name));
  let timer;
  let edits = 0;
  const askSoon = () => {
    edits++;
    clearTimeout(timer);
    timer = setTimeout(ask, 150);
  };
  form.addEventListener('input', ({ target }) => {
    clearError(target);
    askSoon();
  });
  form.addEventListener('change', ({ target }) => {
    changed.add(target.name);
    askSoon();
  });
  if (changed.size > 0) ask();

  async function ask() {
    const answered = edits;
    const body = new URLSearchParams(new FormData(form));
    body.set('then', 'look');
    const response = await fetch(form.action, { method: 'POST', body });
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    // After another edit, a later answer has all that this one has, and what was typed since.
    if (!response.ok || answered !== edits) return;
    for (const field of form.querySelectorAll('[data-when]')) {
      const now = page.querySelector(`[data-when="${field.dataset.when}"]`);
      if (now) field.hidden = now.hidden;
    }
    for (const part of form.querySelectorAll('[data-follows]')) {
      const now = page.getElementById(part.id);
      const follows = part.dataset.follows === 'all' || changed.has(part.dataset.follows);
      if (now && follows) replaceContent(part, now);
    }
    changed.clear();
    showTimes();
  }
}

/** Replaces the content of an element. The focus stays on the field of the same name. */
function replaceContent(part, now) {
  const focused = part.contains(document.activeElement) ? document.activeElement.name : undefined;
  part.replaceChildren(...now.childNodes);
  if (focused) part.querySelector(`[name="${focused}"]`)?.focus();
}

function isChanged(field) {
  if (field.type === 'checkbox') return field.checked !== field.defaultChecked;
  if (field.type === 'select-one') return !field.selectedOptions[0]?.defaultSelected;
  return 'defaultValue' in field && field.value !== field.defaultValue;
}

/** Removes the error of a field that is being corrected. */
function clearError(field) {
  if (!field.hasAttribute('aria-invalid')) return;
  field.removeAttribute('aria-invalid');
  for (const id of field.getAttribute('aria-describedby').split(' ')) {
    const text = document.getElementById(id);
    if (text?.className === 'field-error') text.remove();
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
