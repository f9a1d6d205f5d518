import { type Html, html } from '../html.ts';
import { layout } from './layout.ts';

/** Asks for the token that the console was started with. */
export function loginPage(formToken: string, back: string, mistake?: string): Html {
  return layout(
    {
      title: 'Log in',
      live: false,
      body: html`<form class="login card" method="post" action="/login"><h1>Log in</h1>
<input type="hidden" name="token" value="${formToken}"><input type="hidden" name="back" value="${back}">
<label for="secret">The console's token (<code>CONSOLE_TOKEN</code>)</label>
<input id="secret" name="secret" type="password" autocomplete="current-password" required autofocus${mistake && html` aria-invalid="true" aria-describedby="mistake"`}>
${mistake && html`<p id="mistake" class="trouble" role="alert">${mistake}</p>`}
<button class="primary">Log in</button></form>`,
    },
    {},
  );
}
