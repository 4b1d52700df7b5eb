/** Types for the part of npm `heroku-client` that the tests use; the package has none. */
declare module 'heroku-client' {
  type Options = { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }
  class Heroku {
    constructor(options: { readonly token: string; readonly host: string })
    /** Follows `Next-Range`; rejects with `statusCode` and `body`. */
    get(path: string): Promise<unknown>
    post(path: string, options?: Options): Promise<unknown>
    patch(path: string, options?: Options): Promise<unknown>
    delete(path: string): Promise<unknown>
  }
  export = Heroku
}
