/**
 * Who is there: the live view of hosts. Ownership of keyed actors follows from it (a routing hint: the
 * record's revision is what makes it safe).
 */
export type HostInfo = { readonly name: string; readonly roles: readonly string[] }
export type View = { readonly number: number; readonly hosts: readonly HostInfo[] }
export type Directory = {
  view(): View
  onChange(changed: (view: View) => void): void
}
