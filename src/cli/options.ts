/** The options of a command line. */

/** The values, by name: of `--endpoint URL`, the URL. */
export type Options = Readonly<Record<string, string | undefined>>;
