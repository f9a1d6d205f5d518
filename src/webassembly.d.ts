/** The part of WebAssembly's JavaScript API that is used here. It is in TypeScript's library for browsers only. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number });
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    readonly exports: unknown;
  }
  interface Global<Value> {
    value: Value;
  }
  function validate(bytes: Uint8Array): boolean;
}
