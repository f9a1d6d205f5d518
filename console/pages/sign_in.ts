/** The sign-in page. */
import { type Html, html } from '../html.ts';
import { layout } from './layout.ts';

/** Returns the page that asks for the token of the console. */
export function signInPage(formToken: string, back: string, mistake?: string): Html {
  return layout(
    {
      title: 'Sign in',
      live: false,
      body: html`<form class="login card" method="post" action="/login"><h1>Sign in</h1>
<input type="hidden" name="token" value="${formToken}"><input type="hidden" name="back" value="${back}">
<label for="secret">Token of the console (<code>CONSOLE_TOKEN</code>)</label>
<input id="secret" name="secret" type="password" autocomplete="current-password" required autofocus${mistake && html` aria-invalid="true" aria-describedby="mistake"`}>
${mistake && html`<p id="mistake" class="trouble" role="alert">${mistake}</p>`}
<button class="primary">Sign in</button></form>`,
    },
    {},
  );
}
