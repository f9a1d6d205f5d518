/** The fields of a form, each with its help, and with its error if it has one. */
import { type Html, html } from '../html.ts';
import { applies, fieldOf, type Option, type Setting, type Situation } from './settings.ts';

/** An error that stands at a field. */
export interface FieldError {
  /** The name of the field. */
  field: string;
  message: string;
  hint?: string | undefined;
}

/** What the fields of a form need: the values, what applies, and what is wrong. */
export interface FormState {
  values: URLSearchParams;
  situation: Situation;
  errors: readonly FieldError[];
}

/** Returns the fields of a form. Those that do not apply are hidden, so that the script can show them. */
export function settingFields(settings: readonly Setting[], state: FormState, more?: Html): Html {
  return html`<div class="fields">${settings.map((setting) => settingField(setting, state))}${more}</div>`;
}

/** Returns a fold with fields. It is open if one of them has an error, or a value that is not the default. */
export function foldedFields(
  title: string,
  settings: readonly Setting[],
  state: FormState,
  isChanged: (setting: Setting) => boolean,
): Html {
  const isOpen = settings.some(
    (setting) =>
      state.errors.some(({ field }) => field === setting.column) ||
      (applies(setting, state.situation) && isChanged(setting)),
  );
  const isIdle = !settings.some((setting) => applies(setting, state.situation));
  return html`<details class="fold" data-when="${title}"${isOpen && html` open`}${isIdle && html` hidden`}><summary>${title}</summary>${settingFields(settings, state)}</details>`;
}

export function settingField(setting: Setting, state: FormState): Html {
  const { column, label } = setting;
  const value = fieldOf(state.values, column) ?? '';
  const error = state.errors.find(({ field }) => field === column);
  const isHidden = !error && !applies(setting, state.situation);
  const marks = fieldMarks(column, state, `f-${column}-help`);
  const control =
    setting.kind === 'checkbox'
      ? checkbox(setting, value, marks)
      : html`<label for="f-${column}">${label}</label>${textControl(setting, value, marks)}`;
  const classes = `field${setting.kind === 'checkbox' ? ' check' : ''}${setting.kind === 'long' ? ' long' : ''}${setting.isWide ? ' wide-field' : ''}`;
  return html`<div class="${classes}" data-when="${column}"${isHidden && html` hidden`}>${control}
${errorText(error)}<small id="f-${column}-help">${setting.help}</small></div>`;
}

/** Returns the attributes that tie a control to its help and its error. The first one with an error gets the focus. */
export function fieldMarks(field: string, { errors }: Pick<FormState, 'errors'>, help?: string): Html {
  const isWrong = errors.some((error) => error.field === field);
  const described = [...(isWrong ? [errorId(field)] : []), ...(help ? [help] : [])].join(' ');
  return html`${described && html` aria-describedby="${described}"`}${isWrong && html` aria-invalid="true"`}${errors[0]?.field === field && html` autofocus`}`;
}

/** Returns the text of a field's error. */
export function errorText(error: FieldError | undefined): Html {
  if (!error) return html``;
  return html`<p class="field-error" id="${errorId(error.field)}">${error.message}${error.hint && html` <span class="hint">${error.hint}</span>`}</p>`;
}

function errorId(field: string): string {
  return `f-${field}-error`;
}

function checkbox({ column, label }: Setting, value: string, marks: Html): Html {
  return html`<input type="hidden" name="${column}" value="false"><label><input type="checkbox" id="f-${column}" name="${column}" value="true"${value === 'true' && html` checked`}${marks}> ${label}</label>`;
}

function textControl(setting: Setting, value: string, marks: Html): Html {
  const { column, options, suggestions, placeholder, kind } = setting;
  const id = `f-${column}`;
  if (options) return selectField(id, column, value, options, marks);
  if (kind === 'list' || kind === 'long') {
    const lines = Math.max(kind === 'long' ? 4 : 2, value.split('\n').length);
    // The parser drops a first line break.
    return html`<textarea id="${id}" name="${column}" rows="${lines}" placeholder="${placeholder}" autocomplete="off" spellcheck="false"${marks}>
${value}</textarea>`;
  }
  return html`<input id="${id}" name="${column}" value="${value}" placeholder="${placeholder}" autocomplete="off" spellcheck="false"${suggestions && html` list="${id}-list"`}${marks}>${suggestions && dataList(`${id}-list`, suggestions)}`;
}

/** Returns a list that text fields offer. */
export function dataList(id: string, options: readonly Option[]): Html {
  return html`<datalist id="${id}">${options.map(([value, label]) => html`<option value="${value}"${label !== value && html` label="${label}"`}></option>`)}</datalist>`;
}

/** Returns a select. A value that is no option becomes one. */
export function selectField(
  id: string,
  name: string,
  value: string,
  options: readonly Option[],
  marks: Html,
): Html {
  const isKnown = options.some(([option]) => option === value);
  const all = isKnown ? options : [...options, [value, value] as const];
  return html`<select id="${id}" name="${name}"${marks}>${all.map(
    ([option, label]) =>
      html`<option value="${option}"${option === value && html` selected`}>${label}</option>`,
  )}</select>`;
}
