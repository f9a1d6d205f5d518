/**
 * Changes a part of the page into what the server says it is now, in place: focus, selection, scrolling and what a person
 * has opened or typed stay. Children with data-key are told from each other by it, so that a button keeps its file.
 */
export function morph(from, to) {
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName) {
    from.replaceWith(document.importNode(to, true));
    return;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return;
  }
  morphAttributes(from, to);
  if (!from.hasAttribute('data-series')) morphChildren(from, to);
}

function morphAttributes(from, to) {
  for (const { name } of [...from.attributes]) {
    // What a person has opened stays open, and a chart's own marks are not the server's.
    if (!to.hasAttribute(name) && name !== 'open' && name !== 'data-drawn') from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
}

function morphChildren(from, to) {
  const keyed = new Map(
    [...from.children].filter((child) => child.dataset?.key).map((child) => [child.dataset.key, child]),
  );
  const wantedKeys = new Set([...to.children].map((child) => child.dataset?.key));
  // Before others come into its place: what has the focus keeps it only as long as it is not moved.
  for (const [key, child] of keyed) if (!wantedKeys.has(key)) child.remove();
  let at = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const key = wanted.dataset?.key;
    const same = key === undefined ? at : keyed.get(key);
    if (!same || (key === undefined && same.dataset?.key !== undefined)) {
      from.insertBefore(document.importNode(wanted, true), at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else from.insertBefore(same, at);
    morph(same, wanted);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}
