/** The frame around every page: head, navigation, outcome, footer. */

import { assetAddress } from '../assets.ts';
import type { Health } from '../health.ts';
import { type Html, html, link } from '../html.ts';
import type { Outcome } from '../outcome.ts';
import { alarm, healthLine } from '../parts/health_line.ts';
import { outcomePanel } from '../parts/outcome.ts';
import type { Page } from '../request.ts';
import { describeRights, type Rights } from '../rights.ts';

const SECTIONS = [
  { name: 'connectors', href: '/', label: 'Connectors' },
  { name: 'workers', href: '/workers', label: 'Workers' },
  { name: 'new', href: '/setup', label: 'New connector' },
] as const;

export interface LayoutOptions {
  /** The outcome of the action that led to the page. */
  outcome?: Outcome | undefined;
  /** Undefined: not known, as on the sign-in page. */
  rights?: Rights;
  /** Undefined: not known, as on the error page. */
  health?: Health;
  /** The token of the form to sign out. Undefined: nobody signs in. */
  signOutToken?: string;
}

function sections(rights: Rights | undefined) {
  return SECTIONS.filter(({ name }) => name !== 'new' || rights?.canConfigure !== false);
}

/** Returns the complete HTML of a page. */
export function layout(page: Page, { outcome, rights, health, signOutToken }: LayoutOptions): Html {
  const events = page.live ? link('/events', { connector: page.connector }) : '';
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${page.title} · pg-s3-connector</title>
<link rel="icon" href="${assetAddress('icon.svg')}" type="image/svg+xml">
<link rel="stylesheet" href="${assetAddress('console.css')}">
<link rel="stylesheet" href="${assetAddress('setup.css')}">
<script type="module" src="${assetAddress('console.js')}"></script>
</head>
<body data-events="${events}">
<a class="skip" href="#main">Skip to the content</a>
<header class="bar">
  <a class="brand" href="/">pg-s3-connector</a>
  <nav aria-label="Main">${sections(rights).map(
    ({ name, href, label }) =>
      html`<a href="${href}"${name === page.section && html` aria-current="page"`}>${label}</a>`,
  )}</nav>
  ${page.live && html`<label class="refresh" hidden title="Refreshes every minute, and when a file changes its status"><input type="checkbox" id="auto-refresh" checked> Auto-refresh <span class="pulse" data-state="off"></span></label>`}
  ${signOutToken && html`<form class="sign-out" method="post" action="/logout"><input type="hidden" name="token" value="${signOutToken}"><button>Sign out</button></form>`}
</header>
<main id="main" tabindex="-1">
${health && alarm(health)}
${health && healthLine(health)}
${outcome && outcomePanel(outcome)}
${page.body}
</main>
<footer>${rights && html`<p>The console has the privileges of the role <code>${rights.role}</code>, which ${describeRights(rights)}.</p>`}
<p><span id="zone">Times are in UTC.</span> <label id="local-times" hidden><input type="checkbox"> Show them in local time</label></p></footer>
</body>
</html>`;
}
